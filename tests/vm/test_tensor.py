import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import codec
from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, tensor
from vm.tensor import (
    SMALL_BUNDLE_BYTES_MAX,
    SMALL_VALUES_BYTES_MAX,
    Bundle,
    DType,
    NamedTensor,
    Tensor,
    decode_bundle,
    decode_small_bundle,
    normalised,
    tensor_root,
    words,
)


def of_words(*patterns: int, dtype: DType = DType.FLOAT32) -> Tensor:
    code = "I" if dtype is DType.FLOAT32 else "Q"
    return Tensor(dtype=dtype, shape=[len(patterns)], data=struct.pack(f"<{len(patterns)}{code}", *patterns))


def test_the_root_of_a_tensor_is_as_it_was_written_down() -> None:
    assert tensor_root(tensor([1, 2, 3, 4], [2, 2])).hex() == (
        "2ce1ee275f5e5245694e1798232bedc59e6bd8dcde6539c981c625aeaa19c0ea"
    )
    assert tensor_root(tensor([0, 3], dtype=DType.INT64)).hex() == (
        "f3790c713eb0d93bdd93f76f73832412478c1c06be5a4c4c2c75dccee067d9a3"
    )
    assert tensor_root(tensor(range(100), [4, 25])).hex() == (
        "ecb6ae58b96bc0c1735393c8d37a29c6df6a9036652f9d90f7a4706a6b9c869f"
    )


def test_the_root_binds_type_shape_and_values() -> None:
    held = [
        tensor([1, 2, 3, 4], [2, 2]),
        tensor([1, 2, 3, 4], [4, 1]),
        tensor([1, 2, 3, 4], [4]),
        tensor([1, 2, 3, 5], [4]),
        tensor([0x3F800000, 0x40000000, 0x40400000, 0x40800000], [4], DType.INT32),  # the same bytes as the first
        tensor([], [0]),
        tensor([], [0, 4]),
        tensor([1], []),
        tensor([1], [1]),
    ]
    assert len({tensor_root(each) for each in held}) == len(held)


def test_normal_form_has_one_nan_and_no_negative_zero() -> None:
    seen = of_words(0x80000000, 0xFFC00001, 0x7F800001, 0x7F800000, 0xFF800000, 0x80000001, 0x3F800000)
    assert words(normalised(seen)) == (0, 0x7FC00000, 0x7FC00000, 0x7F800000, 0xFF800000, 0x80000001, 0x3F800000)
    wide = of_words(1 << 63, 0xFFF8 << 48, (0x7FF << 52) + 1, 0x7FF << 52, (1 << 63) + 1, dtype=DType.FLOAT64)
    assert words(normalised(wide)) == (0, 0x7FF8 << 48, 0x7FF8 << 48, 0x7FF << 52, (1 << 63) + 1)
    integers = tensor([-1, 0], dtype=DType.INT32)
    assert normalised(integers) == integers


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_normalising_twice_changes_nothing_more(patterns: list[int]) -> None:
    once = normalised(of_words(*patterns))
    assert normalised(once) == once


def test_a_bundle_decodes_to_what_was_encoded() -> None:
    raw = bundle(b=tensor([1.5]), a=tensor([1, 0], dtype=DType.BOOL))
    held = decode_bundle(raw)
    assert [each.name for each in held.tensors] == [b"b", b"a"]
    assert codec.encode(held) == raw


@pytest.mark.parametrize(
    "broken",
    [
        Tensor(dtype=DType.FLOAT32, shape=[2], data=bytes(7)),
        Tensor(dtype=DType.FLOAT32, shape=[2**31 - 1] * 8, data=b""),
        Tensor(dtype=DType.BOOL, shape=[2], data=b"\x00\x02"),
    ],
)
def test_a_tensor_whose_data_does_not_fit_is_refused(broken: Tensor) -> None:
    with pytest.raises(Refused) as caught:
        decode_bundle(bundle(x=broken))
    assert caught.value.reason is Reason.MALFORMED


def test_a_bundle_with_a_name_twice_is_refused() -> None:
    one = NamedTensor(name=b"x", tensor=tensor([1]))
    with pytest.raises(Refused, match="twice"):
        decode_bundle(codec.encode(Bundle(tensors=[one, one])))


def test_an_unknown_type_does_not_decode() -> None:
    raw = codec.encode([[[b"x", [16, [1], bytes(2)]]]])
    with pytest.raises(Refused) as caught:
        decode_bundle(raw)
    assert caught.value.reason is Reason.MALFORMED


def test_a_small_bundle_holds_4_kib_of_values_and_no_more() -> None:
    most = SMALL_VALUES_BYTES_MAX // 4
    decode_small_bundle(bundle(x=tensor([1.0] * most)))
    with pytest.raises(Refused) as caught:
        decode_small_bundle(bundle(x=tensor([1.0] * (most + 1))))
    assert (caught.value.reason, caught.value.facts["seen"]) == (Reason.TOO_LARGE, SMALL_VALUES_BYTES_MAX + 4)


def test_the_longest_names_and_shapes_fit_a_small_bundle() -> None:
    held = [
        NamedTensor(name=b"%02d" % at + b"n" * 254, tensor=tensor([1] * 128, [1] * 7 + [128], DType.INT8))
        for at in range(32)
    ]
    raw = codec.encode(Bundle(tensors=held))
    assert len(raw) <= SMALL_BUNDLE_BYTES_MAX
    decode_small_bundle(raw)


def test_a_small_bundle_out_of_normal_form_is_refused() -> None:
    with pytest.raises(Refused, match="negative zero"):
        decode_small_bundle(bundle(x=tensor([1.0, -0.0])))
