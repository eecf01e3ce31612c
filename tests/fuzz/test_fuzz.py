"""The short form of the campaign: the corpus, and some thousand inputs, always the same ones."""

import logging
from collections.abc import Iterator

import pytest

from tests.fuzz.campaign import CORPUS, Tally, check_memory, corpus_of, feed_one, memory_peak, run_round
from tests.fuzz.target import Target
from tests.fuzz.targets import targets

TARGETS = targets()
INPUTS = 40
"""For each target and unit of its weight."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_that_comes_from_outside_does_more_than_be_refused(target: Target) -> None:
    before = memory_peak()
    tally = Tally()
    findings = run_round(target, 0, tally, inputs=INPUTS * target.weight)
    assert not findings, [(finding.raw.hex(), finding.fault) for finding in findings]
    assert tally.inputs == INPUTS * target.weight
    check_memory(before)


def test_every_kept_input_is_one_of_a_target_and_does_no_harm() -> None:
    by_name = {target.name: target for target in TARGETS}
    assert [folder.name for folder in CORPUS.iterdir() if folder.name not in by_name] == []
    for target in TARGETS:
        for raw in corpus_of(target):
            feed_one(target, raw)


def test_the_targets_have_names_of_their_own_and_seeds_that_are_taken() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)
    for target in TARGETS:
        assert target.seeds(), target.name
