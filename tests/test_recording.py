"""What a recording is, and sequences of them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, KFold, train_test_split

from skseparate._recording import LazySequence, as_list, object_array, read
from skseparate.datasets import ArrayRecording


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(10), r"X is a single recording; pass a sequence of recordings, such as \[X\]"),
        (ArrayRecording(np.zeros(10), 8000), "X is a single recording"),
        ([], "X holds no recording"),
        (np.empty((0, 5)), "X holds no recording"),
        ("song.wav", "X must be a sequence of recordings, got str"),
        (3, "X must be a sequence of recordings, got int"),
        ((x for x in ()), "X must be a sequence of recordings, got generator"),
        (["a.wav", "b.wav"], r"X\[0\] must be a real array of samples"),
        ([np.zeros(10), np.zeros(10, complex)], r"X\[1\] must be a real array.*complex128"),
        ([np.zeros((2, 2, 2))], r"X\[0\] must be a real array.*\(2, 2, 2\)"),
        ([None], r"X\[0\] must be a real array"),
    ],
    ids=str,
)
def test_what_is_no_sequence_of_recordings_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        as_list(X)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, bool, np.float16])
def test_other_numbers_become_double(dtype):
    (signal,) = as_list([np.ones(5, dtype)])
    assert signal.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_passed_as_they_are(dtype):
    signal = np.ones(5, dtype)
    assert as_list([signal])[0] is signal


def test_reading_stops_at_the_end():
    samples = np.arange(10.0)
    for recording in (samples, ArrayRecording(samples, 8000)):
        assert_array_equal(read(recording, 7, 20), [7, 8, 9])
    assert_array_equal(read(np.stack([samples, samples]), 8, 20), [[8, 9], [8, 9]])


class Twice:
    """Makes items, and says which were made."""

    def __init__(self):
        self.made = []

    def __call__(self, key):
        self.made.append(key)
        return 2 * key


def test_items_are_made_when_they_are_asked_for():
    make = Twice()
    sequence = LazySequence(make, range(10))
    assert len(sequence) == 10 and len(sequence[2:8:2]) == 3 and make.made == []
    assert isinstance(sequence[1:], LazySequence)
    assert sequence[3] == 6 and sequence[-1] == 18 and sequence[2:8:2][1] == 8
    assert make.made == [3, 9, 4]
    with pytest.raises(IndexError):
        sequence[10]


def test_splitters_take_lazy_sequences():
    sequence, songs = LazySequence(Twice(), range(12)), np.arange(12) // 3
    for train, test in GroupKFold(4).split(sequence, groups=songs):
        assert len(train) == 9 and len(test) == 3
    assert len(list(KFold(3).split(sequence))) == 3
    train, test = train_test_split(sequence, test_size=0.25, random_state=0)
    assert sorted(train + test) == list(range(0, 24, 2))


def test_object_arrays_never_stack():
    array = object_array([np.zeros(3), np.ones(3)])
    assert array.shape == (2,) and array.dtype == object
    assert_array_equal(array[1], np.ones(3))
