"""What a verifier commits to where a job can't be run as it was ordered: values that nobody can have (D15).

Its client and provider may be one, with a lowering, an input or a model that no honest machine can do anything with.
A drawn verifier must not lose by that: it commits to random values of the lowering's form, and rejects.
"""

import secrets
import struct

from primitives.codec import encode
from vm.lowering import Lowering
from vm.manifest import Class, Model
from vm.tensor import FRACTION_BITS, ITEM_BYTES, Bundle, DType, NamedTensor, Tensor, TensorType, bytes_of

_CODES = {DType.FLOAT16: "H", DType.FLOAT32: "I", DType.FLOAT64: "Q"}


def objection(model: Model, lowering: Lowering, class_: Class) -> tuple[bytes, bytes]:
    """Return encoded bundles of random values at the cut and of random outputs: they agree with nobody's."""
    cut = [(value.name, value.type) for value in lowering.cut_of(class_)]
    outputs = [(port.name, type_) for port, type_ in zip(model.outputs, lowering.outputs, strict=True)]
    return _random_bundle(cut), _random_bundle(outputs)


def _random_bundle(types: list[tuple[bytes, TensorType]]) -> bytes:
    return encode(Bundle(tensors=[NamedTensor(name=name, tensor=_random_tensor(type_)) for name, type_ in types]))


def _random_tensor(type_: TensorType) -> Tensor:
    data = secrets.token_bytes(bytes_of(type_))
    if type_.dtype is DType.BOOL:
        data = bytes(each & 1 for each in data)
    elif type_.dtype in _CODES:
        data = _finite(type_.dtype, data)
    return Tensor(dtype=type_.dtype, shape=type_.shape, data=data)


def _finite(dtype: DType, data: bytes) -> bytes:
    """Return random floats with the lowest bit of the exponent cleared: none is NaN or infinite; and none is 0."""
    size, fraction = ITEM_BYTES[dtype], FRACTION_BITS[dtype]
    form = f"<{len(data) // size}{_CODES[dtype]}"
    return struct.pack(form, *(word & ~(1 << fraction) | 1 for word in struct.unpack(form, data)))
