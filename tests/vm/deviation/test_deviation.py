"""Honest machines agree within 8 σ, impostors are beyond 64: on small models, in every setting of this machine.

The whole table, with emulated processors, is `python -m tests.vm.deviation`.
"""

from collections import Counter
from pathlib import Path

import onnx
import pytest

from tests.vm.deviation.campaign import Campaign, Impostor, Row, problems
from tests.vm.deviation.crafted import crafted
from tests.vm.deviation.impostors import in_bf16, in_fp16, in_int8, shaken, with_weights
from tests.vm.deviation.jobs import judged
from tests.vm.deviation.subject import Subject, all_settings, changed, settings
from tests.vm.models.case import Case, Noise
from tests.vm.models.catalogue import by_name
from vm.noise import HONEST_SIGMA, PAID_SIGMA, SLASHED_SIGMA

ORDINARY = ["mlp", "cnn", "encoder", "decoder", "gru", "torch-painter"]
STRANGE = ["mask-infinite-one-token", "outlier-of-1e8", "half-outliers-of-500", "spread-over-2-to-the-80", "huge-input"]
ILL = ["difference-of-tanh", "sine-of-a-million", "cancelled-products", "almost-alike", "overflowing-input"]
MADE = {case.name: case for case in crafted()}


@pytest.mark.parametrize("case", [by_name(name) for name in ORDINARY], ids=ORDINARY)
def test_honest_machines_are_near_and_impostors_far(case: Case) -> None:
    subject = Subject(case)
    honest = [subject.native(setting) for setting in all_settings()]
    assert max(max(subject.in_sigma(runs)) for runs in honest) <= HONEST_SIGMA
    for change in (in_fp16, in_bf16, in_int8):
        runs = subject.native(settings(), model=with_weights(case.model, change))
        assert all(changed(runs, honest[0]))
        assert min(subject.in_sigma(runs)) > SLASHED_SIGMA
    assert min(subject.in_sigma([*honest[0][1:], *honest[0][:1]])) > SLASHED_SIGMA


@pytest.mark.parametrize("name", STRANGE)
def test_masks_outliers_and_numbers_of_every_size_part_nobody_who_is_honest(name: str) -> None:
    subject = Subject(MADE[name])
    judged = [at for at, bad in enumerate(subject.ill_conditioned()) if not bad]
    assert len(judged) >= 9  # of ten inputs
    honest = subject.in_sigma(subject.native(settings()))
    assert max(honest[at] for at in judged) <= PAID_SIGMA
    off = subject.in_sigma(subject.native(settings(), model=with_weights(MADE[name].model, in_bf16)))
    assert min(off[at] for at in judged) > SLASHED_SIGMA


@pytest.mark.parametrize("name", ILL)
def test_what_turns_last_bits_into_large_differences_is_ill_conditioned(name: str) -> None:
    assert all(Subject(MADE[name]).ill_conditioned())


@pytest.mark.parametrize("name", ["nan-input", "infinite-input", "mask-infinite-no-token", "input-zero"])
def test_what_is_not_a_number_or_nothing_is_the_same_everywhere(name: str) -> None:
    subject = Subject(MADE[name])
    assert max(subject.in_sigma(subject.native(settings()))) == 0


def test_weights_in_attributes_and_inner_graphs_are_changed_and_scales_of_a_resize_are_not() -> None:
    for name, kept in (("sklearn-svr", 0), ("looped", 0), ("segmenter", 1)):
        case = by_name(name)
        before, after = case.model, with_weights(case.model, shaken)
        assert before != after
        if kept:
            assert _scales(before) == _scales(after) != []


def _scales(model: bytes) -> list[bytes]:
    graph = onnx.ModelProto.FromString(model).graph
    names = [node.input[2] for node in graph.node if node.op_type == "Resize"]
    return [tensor.raw_data for tensor in graph.initializer if tensor.name in names]


def test_roundings_keep_as_many_bits_as_they_say() -> None:
    weights = Noise(1).normal(1000)
    assert 2**-12 < abs(in_fp16(weights) / weights - 1).max() <= 2**-11
    assert 2**-9 < abs(in_bf16(weights) / weights - 1).max() <= 2**-8
    assert abs(in_int8(weights) - weights).max() <= abs(weights).max() / 254 * 1.001


def test_a_campaign_names_what_must_not_be() -> None:
    far = Row("far", honest={"here": HONEST_SIGMA + 1.0}, bits={"here": "a"})
    assert problems([far], emulated=False) == [f"far: an honest machine at {HONEST_SIGMA + 1}.0 σ"]
    assert problems([far], emulated=False, is_crafted=True) == []
    near = Row("near", impostors={"fp16": Impostor(cases=100, least=60.0, paid=0, doubtful=1)})
    assert problems([near], emulated=False) == [f"near: fp16 at 60.0 σ, within {SLASHED_SIGMA}"]
    assert problems([near], emulated=False, is_crafted=True) == []
    same = Row("same", bits={"a": "x", "b": "x"})
    assert problems([same], emulated=True) == ["only 0 of 1 models gave different bits"]


def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    state = tmp_path / "state" / "rows.json"
    campaign, subject = Campaign(state), Subject(by_name("mlp"))
    campaign.here(subject)
    campaign.impostors(subject, None)
    again = Campaign(state)
    assert again.rows == campaign.rows
    again.here(subject)
    assert again.rows == campaign.rows


def test_jobs_between_honest_machines_are_accepted_and_an_impostor_is_not() -> None:
    subject = Subject(by_name("mlp")).on(by_name("mlp").drawn(3))
    seen = {str(setting): subject.native(setting) for setting in all_settings()}
    counts: Counter[str] = Counter()
    assert judged(subject, seen, counts) < HONEST_SIGMA
    assert counts == {"jobs": 3, "verdicts accept": 9, "verdicts reject": 0}
    rounded = subject.native(settings(), model=with_weights(subject.case.model, in_bf16))
    judged(subject, {**dict.fromkeys("abc", rounded), "d": next(iter(seen.values()))}, counts)
    assert counts["PUNISHED: a party beyond what is paid"] == 3
