"""Inputs made to harm, for a model that takes float32 `x` of [2, 32] and one that takes words."""

from collections.abc import Callable
from dataclasses import dataclass

from primitives import codec
from primitives.reasons import Reason
from tests.vm.build import bundle, tensor
from vm.tensor import BUNDLE_BYTES_MAX, Bundle, DType, NamedTensor, Tensor

ZEROS = [0.0] * 64
NAN, INFINITE = float("nan"), float("inf")


@dataclass(frozen=True)
class HostileInput:
    """An encoded bundle, and what is said to it; None where it has a result like any other."""

    name: str
    build: Callable[[], bytes]
    reason: Reason | None


def _good(*, name: str = "x", values: list[float] = ZEROS, shape: list[int] | None = None) -> bytes:
    return bundle(**{name: tensor(values, [2, 32] if shape is None else shape)})


def _raw(dtype: DType, shape: list[int], data: bytes, name: bytes = b"x") -> bytes:
    return codec.encode(Bundle(tensors=[NamedTensor(name=name, tensor=Tensor(dtype=dtype, shape=shape, data=data))]))


def _twice() -> bytes:
    held = NamedTensor(name=b"x", tensor=tensor(ZEROS, [2, 32]))
    return codec.encode(Bundle(tensors=[held, held]))


def _many() -> bytes:
    return codec.encode(
        Bundle(tensors=[NamedTensor(name=f"x{at}".encode(), tensor=tensor(ZEROS, [2, 32])) for at in range(100)])
    )


INPUTS = [
    HostileInput("empty", lambda: b"", Reason.INPUT_UNREADABLE),
    HostileInput("noise", lambda: bytes(range(256)) * 9, Reason.INPUT_UNREADABLE),
    HostileInput("cut-short", lambda: _good()[:-7], Reason.INPUT_UNREADABLE),
    HostileInput("too-long", lambda: _good() + b"\0", Reason.INPUT_UNREADABLE),
    HostileInput("too-large", lambda: bytes(BUNDLE_BYTES_MAX + 1), Reason.INPUT_TOO_LARGE),
    HostileInput("no-tensor", lambda: codec.encode(Bundle(tensors=[])), Reason.INPUT_WRONG_NAME),
    HostileInput("100-tensors", _many, Reason.INPUT_UNREADABLE),
    HostileInput("another-name", lambda: _good(name="y"), Reason.INPUT_WRONG_NAME),
    HostileInput("a-name-not-utf8", lambda: _raw(DType.FLOAT32, [2, 32], bytes(256), b"\xff"), Reason.INPUT_WRONG_NAME),
    HostileInput("a-name-twice", _twice, Reason.INPUT_UNREADABLE),
    HostileInput("one-more", lambda: bundle(x=tensor(ZEROS, [2, 32]), z=tensor([1])), Reason.INPUT_WRONG_NAME),
    HostileInput("another-type", lambda: _raw(DType.INT32, [2, 32], bytes(256)), Reason.INPUT_WRONG_TYPE),
    HostileInput("another-rank", lambda: _good(shape=[64]), Reason.INPUT_WRONG_SHAPE),
    HostileInput("another-length", lambda: _good(shape=[4, 16]), Reason.INPUT_WRONG_SHAPE),
    HostileInput("more-rows", lambda: _good(values=ZEROS * 2, shape=[4, 32]), Reason.INPUT_WRONG_SHAPE),
    HostileInput("no-rows", lambda: _good(values=[], shape=[0, 32]), Reason.INPUT_WRONG_SHAPE),
    HostileInput("less-data", lambda: _raw(DType.FLOAT32, [2, 32], bytes(255)), Reason.INPUT_UNREADABLE),
    HostileInput("more-data", lambda: _raw(DType.FLOAT32, [2, 32], bytes(260)), Reason.INPUT_UNREADABLE),
    HostileInput("overflowing", lambda: _raw(DType.FLOAT32, [2**31, 2**31, 4], bytes(4)), Reason.INPUT_UNREADABLE),
    HostileInput("rank-200", lambda: _raw(DType.FLOAT32, [1] * 200, bytes(4)), Reason.INPUT_UNREADABLE),
    HostileInput("nan", lambda: _good(values=[NAN] * 64), None),
    HostileInput("infinite", lambda: _good(values=[INFINITE, -INFINITE] * 32), None),
    HostileInput("largest", lambda: _good(values=[3.4e38, -3.4e38] * 32), None),
    HostileInput("subnormal", lambda: _good(values=[1e-45, -1e-40] * 32), None),
]


def words_beyond() -> bytes:
    """Return words that no vocabulary has."""
    return bundle(
        ids=tensor([2**40] * 12, [1, 12], dtype=DType.INT64), mask=tensor([1] * 12, [1, 12], dtype=DType.INT64)
    )
