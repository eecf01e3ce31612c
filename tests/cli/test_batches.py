"""Inputs of a batch as people keep them: a folder, or lines of a file."""

import json
from pathlib import Path

import pytest

from cli.batches import Input, has_ended, names_of, read_inputs
from ledger.market.order_payloads import BATCH_ITEMS_MAX
from node.rpc.json_value import Json
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import a_bundle
from vm.tensor import decode_bundle


def an_input(number: float) -> str:
    return json.dumps({"x": {"dtype": "float32", "shape": [1, 1], "data": [number]}})


def test_the_files_of_a_folder_are_taken_by_name_and_hidden_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(an_input(2))
    (tmp_path / "a.bundle").write_bytes(a_bundle(b"x", [1.0]))
    (tmp_path / ".hidden").write_text("no input")
    (tmp_path / "folder").mkdir()
    found = read_inputs(tmp_path)
    assert [each.name for each in found] == ["a.bundle", "b.json"]
    assert [decode_bundle(each.bundle).tensors[0].name for each in found] == [b"x", b"x"]


def test_each_line_is_an_input_and_empty_ones_are_none(tmp_path: Path) -> None:
    file = tmp_path / "inputs.jsonl"
    file.write_text(f"{an_input(1)}\n\n{an_input(2)}\n")
    assert [each.name for each in read_inputs(file)] == ["line 1", "line 3"]


@pytest.mark.parametrize("lines", [0, BATCH_ITEMS_MAX + 1])
def test_none_and_too_many_are_refused(tmp_path: Path, lines: int) -> None:
    file = tmp_path / "inputs.jsonl"
    file.write_text(f"{an_input(1)}\n" * lines)
    with pytest.raises(Refused) as refused:
        read_inputs(file)
    assert refused.value.reason is Reason.REQUEST_INVALID


def test_an_input_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "inputs.jsonl"
    file.write_text(f'{an_input(1)}\n{{"x": 5}}\n')
    with pytest.raises(Refused) as refused:
        read_inputs(file)
    assert refused.value.facts["input"] == "line 2"


def items(*inputs: Input) -> dict[str, Json]:
    """Return a batch as a node tells it, as far as its inputs go."""
    ids = [content_id(each.bundle) for each in inputs]
    return {
        "items": [
            {"item": at, "input": {"root": each.root.hex(), "length": each.length}} for at, each in enumerate(ids)
        ]
    }


def test_items_are_told_by_the_names_of_their_inputs_and_others_are_refused() -> None:
    one, two = (Input(name=name, bundle=name.encode()) for name in ("one.json", "two.json"))
    assert names_of([one, two], items(one, two)) == ["one.json", "two.json"]
    for wrong in ([two, one], [one], [one, two, two]):
        with pytest.raises(Refused) as refused:
            names_of(wrong, items(one, two))
        assert refused.value.reason is Reason.CONTENT_MISMATCH
        assert set(refused.value.facts) == {"seen", "wanted"}


@pytest.mark.parametrize(
    ("state", "ended"), [("settled", True), ("unverified", True), ("void", True), ("open", False), ("contested", False)]
)
def test_an_item_has_ended_when_its_client_has_a_result_or_never_will(state: str, ended: bool) -> None:
    assert has_ended({"state": state, "outcome": None}) is ended
