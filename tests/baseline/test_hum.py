"""HumSeparator: told the true pitch of each part."""

import numpy as np
import pytest

from skseparate.baseline import HumSeparator, OracleEqualiser
from skseparate.datasets import ArrayRecording, make_ensembles


@pytest.fixture(scope="module")
def data():
    return make_ensembles(n_songs=3, n_parts=(2, 3), duration=3.0, random_state=0).power_set()


def test_far_beyond_an_equaliser(data):
    X, y, _ = data
    assert HumSeparator().fit(X, y).score(X, y) > OracleEqualiser().fit(X, y).score(X, y)


def test_solos_sum_to_the_mixture(data):
    for recording, solos in zip(data[0], HumSeparator().fit().predict(data[0]), strict=True):
        np.testing.assert_allclose(solos.sum(axis=0), np.asarray(recording), atol=1e-5)


def test_solos_follow_their_lines(data):
    recording = data[0][0]
    mixture, lines = np.asarray(recording), list(recording.lines)
    turned = ArrayRecording(mixture, recording.sample_rate, recording.parts[::-1])
    turned.lines = lines[::-1]
    there, back = HumSeparator().fit().predict([recording, turned])
    np.testing.assert_allclose(there, back[::-1], atol=1e-5)


def test_without_lines_it_is_refused(data):
    recording = ArrayRecording(np.asarray(data[0][0]), 16000, data[0][0].parts)
    with pytest.raises(ValueError, match="does not know its lines"):
        HumSeparator().fit().predict([recording])
