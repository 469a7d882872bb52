"""Real recordings, where they lie beside the repository: five pieces of URMP at 16 kHz, one at 48 kHz."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import LeaveOneGroupOut, cross_validate
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.baseline import IdealMask, MixtureSeparator
from skseparate.datasets import ArrayRecording, Ensemble, Ensembles, load_urmp
from skseparate.linear_model import LowRankRidge
from skseparate.metrics import separation_scorer
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not (DATA / "urmp16k").is_dir(), reason="needs recordings of URMP, which are not part of the repository"
)


@pytest.fixture(scope="module")
def pieces():
    return load_urmp(DATA / "urmp16k")


@pytest.fixture(scope="module")
def excerpts(pieces):
    """Ten seconds from the middle of each piece."""

    def cut(piece):
        middle = piece.mixture().n_samples // 2
        stems = tuple(
            ArrayRecording(stem.read(middle, middle + 160000), 16000, stem.parts, piece.song) for stem in piece.stems
        )
        return Ensemble(piece.name, piece.song, piece.parts, stems)

    return Ensembles(cut(piece) for piece in pieces)


def test_parts(pieces):
    assert {piece.name: piece.parts for piece in pieces} == {
        "11_Maria_ob_vc": ("ob", "vc"),
        "33_Elise_tpt_tpt_hn_tbn": ("tpt", "tpt", "hn", "tbn"),
        "35_Rondeau_vn_vn_va_db": ("vn", "vn", "va", "db"),
        "36_Rondeau_vn_vn_va_vc": ("vn", "vn", "va", "vc"),
        "37_Rondeau_fl_vn_va_cl": ("fl", "vn", "va", "cl"),
    }
    assert [piece.song for piece in pieces] == ["Maria", "Elise", "Rondeau", "Rondeau", "Rondeau"]
    assert {stem.sample_rate for piece in pieces for stem in piece.stems} == {16000}


def test_distinct_takes(pieces):
    assert len({stem.take for piece in pieces for stem in piece.stems}) == 13


def test_distinct_mixes(pieces):
    X, y, songs = pieces.power_set(min_parts=2, distinct=True)
    assert len(X) == len(y) == 40
    assert Counter(songs) == {"Elise": 11, "Maria": 1, "Rondeau": 28}
    assert len(pieces.power_set(min_parts=2)[0]) == 45


def test_our_mixtures_are_those_of_the_data_set(pieces):
    for piece in pieces:
        theirs, _ = soundfile.read(DATA / "urmp16k" / piece.name / f"AuMix_{piece.name}.wav")
        assert_allclose(np.asarray(piece.mixture()), theirs, atol=1.01 * 2**-15)


def test_the_ideal_ratio_mask_is_a_high_ceiling(pieces):
    separator = IdealMask().fit()
    scores = [separator.score([piece.mixture()], [piece.solos()]) for piece in pieces]
    assert np.mean(scores) > 14 and min(scores) > 12


def test_leaving_one_song_out(excerpts):
    X, y, songs = excerpts.power_set(distinct=True)
    scores = {}
    for regressor in (DummyRegressor(), LowRankRidge(rank=16)):
        separator = Separator(
            make_pipeline(Segmenter(0.5), STFT(0.06, 0.03)),
            make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
            regressor,
        )
        folds = cross_validate(
            separator,
            X,
            y,
            groups=songs,
            cv=LeaveOneGroupOut(),
            scoring=separation_scorer,
            return_train_score=True,
            error_score="raise",
        )
        assert len(folds["test_si_sdr"]) == 3
        assert all(np.isfinite(values).all() for values in folds.values())
        scores[type(regressor).__name__] = folds["train_si_sdr_improvement"].mean()
    assert scores["LowRankRidge"] > scores["DummyRegressor"] > 0


def test_the_mixture_improves_nothing(excerpts):
    X, y, _ = excerpts.power_set()
    assert MixtureSeparator().fit(X, y).score(X, y) == 0


@pytest.mark.skipif(not (DATA / "urmp48k").is_dir(), reason="needs a piece of URMP at 48 kHz")
def test_the_original_rate(excerpts):
    """A model of 16 kHz separates a recording of 48 kHz and 24 bit, at its full bandwidth."""
    (piece,) = load_urmp(DATA / "urmp48k")
    assert piece.parts == ("vn", "vn", "vc") and piece.mixture().sample_rate == 48000
    mixture = np.asarray(piece.mixture())
    theirs, _ = soundfile.read(DATA / "urmp48k" / piece.name / f"AuMix_{piece.name}.wav")
    assert_allclose(mixture[: len(theirs)], theirs, atol=1e-6)
    X, y, _ = excerpts[:2].power_set()
    separator = Separator(
        make_pipeline(Segmenter(0.5), STFT(0.06, 0.03)),
        make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
        LowRankRidge(rank=16),
    ).fit(X, y)
    (solos,) = separator.predict([piece.mixture()])
    assert solos.shape == (3, len(mixture))
    assert_allclose(solos.sum(axis=0), mixture, atol=1e-5)
    above = np.fft.rfftfreq(len(mixture), 1 / 48000) > 8000
    assert (abs(np.fft.rfft(solos))[:, above].max(axis=1) > 0).all()
