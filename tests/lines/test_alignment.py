"""Scores are found in recordings whatever the tempo, the silence around them and the excerpt."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from skseparate.baseline import HumSeparator
from skseparate.datasets import ArrayRecording, make_ensembles
from skseparate.lines import Alignment, align_score, score_lines, with_lines

RATE = 16000


def errors(alignment, score, seconds_per_beat, late=0.0):
    """Seconds that onsets are found too late by."""
    onsets = np.unique(np.concatenate([part.onset for part in score.parts]))
    onsets = onsets[(onsets > alignment.beats[0]) & (onsets < alignment.beats[-1])]
    return alignment.at(onsets) - onsets * seconds_per_beat - late


@pytest.mark.parametrize("tempo", [0.5, 1.0, 2.5])
def test_the_tempo_of_the_score_does_not_matter(quartet, tempo):
    ensemble, score = quartet
    off = replace(score, tempo=score.tempo * [1, tempo])
    found = errors(align_score(ensemble.mixture(), off, excerpt=False), score, 60 / 90)
    assert np.median(abs(found)) < 0.05 and np.quantile(abs(found), 0.9) < 0.1


def test_changes_of_tempo_and_silence_around_are_found(quartet):
    """The second half is written in notes of twice the length, and silence is recorded around all of it."""
    ensemble, score = quartet
    played = np.concatenate([np.zeros(3 * RATE), np.asarray(ensemble.mixture()), np.zeros(2 * RATE)])
    rng = np.random.default_rng(0)
    played += 1e-5 * rng.normal(size=len(played))  # rooms are never silent
    beats = [0.0, 9.0, 27.0]
    warp = partial(np.interp, xp=[0.0, 9.0, 18.0], fp=beats)
    parts = [replace(p, onset=warp(p.onset), duration=warp(p.onset + p.duration) - warp(p.onset)) for p in score.parts]
    onsets = np.unique(np.concatenate([part.onset for part in parts]))
    alignment = align_score(played, replace(score, parts=tuple(parts)), RATE)
    late = alignment.at(onsets) - np.interp(onsets, beats, 3 + np.array([0.0, 6.0, 12.0]))
    assert np.median(abs(late)) < 0.05 and np.quantile(abs(late), 0.9) < 0.15


@pytest.mark.parametrize("excerpt", [True, None])
def test_an_excerpt_is_found_in_a_longer_score(quartet, excerpt):
    ensemble, score = quartet
    mixture = np.asarray(ensemble.mixture())[5 * RATE : 10 * RATE]
    alignment = align_score(mixture, score, RATE, excerpt=excerpt)
    assert abs(alignment.beats[[0, -1]] * 60 / 90 - [5, 10]).max() < 0.7
    assert np.median(abs(errors(alignment, score, 60 / 90, -5.0))) < 0.06


def test_times_never_go_back(quartet):
    ensemble, score = quartet
    alignment = align_score(ensemble.mixture(), score)
    assert (np.diff(alignment.beats) > 0).all() and (np.diff(alignment.seconds) >= 0).all()
    assert_allclose(alignment.at([-5.0, 1e6]), alignment.seconds[[0, -1]])


def test_the_wrong_score_matches_worse(quartet, written):
    ensemble, score = quartet
    right = align_score(ensemble.mixture(), score).mismatch
    others = make_ensembles(3, 4, duration=12.0, random_state=50)
    assert right < 0.9 * min(align_score(ensemble.mixture(), written(other)).mismatch for other in others)


def test_silence_and_unknown_rates_and_empty_scores_are_refused(quartet):
    _, score = quartet
    with pytest.raises(ValueError, match="is silent"):
        align_score(np.zeros(RATE), score, RATE)
    with pytest.raises(ValueError, match="sample_rate"):
        align_score(np.ones(RATE), score)
    none = tuple(replace(p, onset=p.onset[:0], duration=p.duration[:0], pitch=p.pitch[:0]) for p in score.parts)
    with pytest.raises(ValueError, match="no notes to align"):
        align_score(np.random.default_rng(0).normal(size=RATE), replace(score, parts=none), RATE)


def test_lines_of_a_score_are_tuned_to_the_recording(quartet):
    """A recording 25 cents sharp: the lines are, too."""
    ensemble, score = quartet
    sharp = soxr.resample(np.asarray(ensemble.mixture(), np.float64), RATE, RATE / 2 ** (25 / 1200))
    lines = score_lines(sharp, score, Alignment(np.array([0.0, 18.0]), np.array([0.0, 12.0]) / 2 ** (25 / 1200)), RATE)
    times = np.arange(0.5, 11, 0.1)
    for line, stem in zip(lines, ensemble.stems, strict=True):
        found, true = line.at(times / 2 ** (25 / 1200)), stem.line.at(times)
        both = (found > 0) & (true > 0)
        cents = 1200 * np.log2(found[both] / true[both])
        assert 10 < np.median(cents) < 40


def test_from_a_score_to_solos(quartet):
    ensemble, score = quartet
    told = with_lines(ensemble.mixture(), score_lines(ensemble.mixture(), score))
    by_score = HumSeparator().fit().score([told], [ensemble.solos()])
    by_truth = HumSeparator().fit().score([ensemble.mixture()], [ensemble.solos()])
    assert by_score > 0.75 * by_truth > 3


def test_told_facts_stay(quartet):
    ensemble, _ = quartet
    mixture = ensemble.mixture()
    lines = mixture.lines[::-1]
    told = with_lines(mixture, lines)
    assert told.parts == mixture.parts and told.song == mixture.song and told.lines == lines
    np.testing.assert_array_equal(told.read(10, 90), mixture.read(10, 90))
    with pytest.raises(ValueError, match="they must be as many"):
        with_lines(mixture, mixture.lines[:2])
    with pytest.raises(ValueError, match="they must be as many"):
        with_lines(ArrayRecording(np.zeros(9), RATE, ["vn"]), [])
