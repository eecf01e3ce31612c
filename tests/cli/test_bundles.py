"""Inputs from files, outputs as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.bundles import bundle_of_file, json_of_bundle, ports_of_json
from node.rpc.json_value import Json
from primitives.reasons import Reason, Refused
from vm.manifest import FREE, Port
from vm.tensor import DType, decode_bundle

GOOD = {"x": {"dtype": "int32", "shape": [1, 3], "data": [1, -2, 3]}}


def test_json_becomes_the_bundle_that_it_describes() -> None:
    (only,) = decode_bundle(bundle_of_file(json.dumps(GOOD).encode())).tensors
    assert only.name == b"x"
    assert only.tensor.dtype is DType.INT32
    assert only.tensor.shape == [1, 3]
    assert only.tensor.data == b"\x01\0\0\0\xfe\xff\xff\xff\x03\0\0\0"


def test_an_encoded_bundle_is_taken_as_it_is() -> None:
    raw = bundle_of_file(json.dumps(GOOD).encode())
    assert bundle_of_file(raw) == raw


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=8),
        st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5),
        min_size=1,
        max_size=3,
    )
)
def test_outputs_read_back_as_inputs(tensors: dict[str, list[float]]) -> None:
    told = {name: {"dtype": "float32", "shape": [len(data)], "data": data} for name, data in tensors.items()}
    raw = bundle_of_file(json.dumps(told).encode())
    assert bundle_of_file(json.dumps(json_of_bundle(raw)).encode()) == raw


def changed(**fields: Any) -> bytes:
    return json.dumps({"x": {**GOOD["x"], **fields}}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{" * 100_000,
        changed(dtype="int4"),
        changed(dtype=7),
        changed(shape=3),
        changed(shape=[1, -3]),
        changed(shape=[2, 2]),
        changed(data="123"),
        changed(data=[1, 2, "3"]),
        changed(data=[1, 2, 3.5]),
        changed(data=[1, 2, 2**40]),
        changed(more=1),
        b'{"x": 5}',
        changed().replace(b'"x"', b'"\\ud800"'),
    ],
)
def test_what_describes_no_tensor_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as told:
        bundle_of_file(raw)
    assert told.value.reason is Reason.INPUT_UNREADABLE


def test_ports_are_read_with_free_dimensions() -> None:
    port: dict[str, Json] = {"name": "x", "dtype": "float32", "shape": [-1, 4]}
    assert ports_of_json([port]) == [Port(name=b"x", dtype=DType.FLOAT32, shape=[FREE, 4])]
