"""Bundles for people: a job's input from a file, and its output, as JSON that names each tensor.

    {"NAME": {"dtype": "int32", "shape": [1, 4], "data": [1, 2, 3, 4]}}

The data is one flat list in C order. Tensors are in the order of the file, which must be the model's. A file may also
hold an encoded bundle.
"""

import json
import struct

from node.rpc.json_value import Json
from primitives import codec
from primitives.reasons import Reason, Refused
from vm.manifest import FREE, Port
from vm.tensor import (
    BUNDLE_BYTES_MAX,
    OUTPUT_BUNDLE_BYTES_MAX,
    Bundle,
    DType,
    NamedTensor,
    Tensor,
    decode_bundle,
    element_count,
    normalised,
)

INPUT_FILE_BYTES_MAX = 8 * BUNDLE_BYTES_MAX
"""JSON takes up to eight times the bytes of what it says."""
_CODES = {
    DType.FLOAT16: "e",
    DType.FLOAT32: "f",
    DType.FLOAT64: "d",
    DType.INT8: "b",
    DType.UINT8: "B",
    DType.INT16: "h",
    DType.UINT16: "H",
    DType.INT32: "i",
    DType.UINT32: "I",
    DType.INT64: "q",
    DType.UINT64: "Q",
    DType.BOOL: "?",
}
_NAMES = {each.name.lower(): each for each in DType}


def bundle_of_file(raw: bytes) -> bytes:
    """Return the encoded bundle that a file holds or describes.

    Raises Refused INPUT_UNREADABLE or TOO_LARGE.
    """
    if not raw.lstrip().startswith(b"{"):
        try:
            decode_bundle(raw)
        except Refused as fault:
            if fault.reason is Reason.TOO_LARGE:
                raise
            raise Refused(Reason.INPUT_UNREADABLE, wanted="JSON, or an encoded bundle", why=str(fault)) from None
        return raw
    told = _json(raw)
    tensors = [NamedTensor(name=name_bytes(name), tensor=_tensor(name, each)) for name, each in told.items()]
    encoded = codec.encode(Bundle(tensors=tensors))
    decode_bundle(encoded)
    return encoded


def ports_of_json(told: Json) -> list[Port]:
    """Return ports from a JSON list of objects with name, dtype and shape. Raises Refused INPUT_UNREADABLE."""
    ports = []
    for each in told if isinstance(told, list) else [told]:
        if not isinstance(each, dict) or sorted(each) != ["dtype", "name", "shape"]:
            raise Refused(Reason.INPUT_UNREADABLE, what="interface", wanted="objects with name, dtype, shape")
        shape = _shape(each["shape"], least=FREE)
        ports.append(Port(name=name_bytes(str(each["name"])), dtype=_dtype(each["dtype"]), shape=shape))
    return ports


def name_bytes(name: str) -> bytes:
    """Return a name as models have it. Raises Refused INPUT_UNREADABLE for half a character, which JSON can write."""
    try:
        return name.encode()
    except UnicodeEncodeError as fault:
        raise Refused(Reason.INPUT_UNREADABLE, what="name", why=str(fault)) from None


def bundle_of_one(name: str, dtype: DType, shape: list[int], data: list[int] | list[float]) -> bytes:
    """Return the encoded bundle of one tensor."""
    return codec.encode(Bundle(tensors=[NamedTensor(name=name_bytes(name), tensor=tensor_of(dtype, shape, data))]))


def tensor_of(dtype: DType, shape: list[int], data: list[int] | list[float]) -> Tensor:
    """Return the tensor of a flat list. Raises Refused INPUT_UNREADABLE if the values don't fit."""
    if len(data) != element_count(shape):
        raise Refused(Reason.INPUT_UNREADABLE, what="data", seen=len(data), wanted=element_count(shape))
    try:
        packed = struct.pack(f"<{len(data)}{_CODES[dtype]}", *data)
    except (struct.error, OverflowError, TypeError) as fault:
        raise Refused(Reason.INPUT_UNREADABLE, what="data", wanted=dtype.name.lower(), why=str(fault)) from None
    return normalised(Tensor(dtype=dtype, shape=shape, data=packed))


def values(tensor: Tensor) -> list[int] | list[float]:
    """Return a tensor's elements as one flat list."""
    return list(struct.unpack(f"<{element_count(tensor.shape)}{_CODES[tensor.dtype]}", tensor.data))


def json_of_bundle(raw: bytes) -> Json:
    """Return an encoded output as a JSON object. Raises Refused MALFORMED or TOO_LARGE."""
    told: dict[str, Json] = {}
    for each in decode_bundle(raw, at_most=OUTPUT_BUNDLE_BYTES_MAX).tensors:
        data: list[Json] = list(values(each.tensor))
        kind = each.tensor.dtype.name.lower()
        told[each.name.decode(errors="replace")] = {"dtype": kind, "shape": list(each.tensor.shape), "data": data}
    return told


def _json(raw: bytes) -> dict[str, Json]:
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise Refused(Reason.INPUT_UNREADABLE, wanted="JSON, or an encoded bundle", why=str(fault)) from None
    if not isinstance(told, dict):
        raise Refused(Reason.INPUT_UNREADABLE, seen=type(told).__name__, wanted="a JSON object")
    return told


def _tensor(name: str, told: Json) -> Tensor:
    if not isinstance(told, dict) or sorted(told) != ["data", "dtype", "shape"]:
        raise Refused(Reason.INPUT_UNREADABLE, input=name, wanted="an object with dtype, shape, data")
    data = told["data"]
    if not isinstance(data, list):
        raise Refused(Reason.INPUT_UNREADABLE, input=name, what="data", wanted="one flat list")
    numbers = [value for value in data if isinstance(value, int | float)]
    if len(numbers) != len(data):
        raise Refused(Reason.INPUT_UNREADABLE, input=name, what="data", wanted="numbers")
    return tensor_of(_dtype(told["dtype"]), _shape(told["shape"], least=0), numbers)


def _dtype(told: Json) -> DType:
    if not isinstance(told, str) or told not in _NAMES:
        raise Refused(Reason.INPUT_UNREADABLE, what="dtype", seen=str(told), wanted=", ".join(_NAMES))
    return _NAMES[told]


def _shape(told: Json, *, least: int) -> list[int]:
    sizes = [size for size in told if isinstance(size, int) and size >= least] if isinstance(told, list) else []
    if not isinstance(told, list) or len(sizes) != len(told):
        raise Refused(Reason.INPUT_UNREADABLE, what="shape", seen=str(told)[:100], wanted="a list of sizes")
    return sizes
