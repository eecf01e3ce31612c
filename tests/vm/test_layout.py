"""V130: where data stands in an encoded bundle."""

from hypothesis import given
from hypothesis import strategies as st

from primitives import codec
from vm.layout import Layout, bundle_length, data_offset, heads, spans
from vm.tensor import ITEM_BYTES, Bundle, DType, NamedTensor, Tensor, TensorType, element_count

NAMES = st.lists(st.binary(min_size=1, max_size=256), max_size=20, unique=True)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 130, 300]), max_size=3)


@given(NAMES, st.data())
def test_a_bundle_is_its_heads_and_its_data(names: list[bytes], draw: st.DataObject) -> None:
    """V130."""
    types = [TensorType(dtype=draw.draw(st.sampled_from(DType)), shape=draw.draw(SHAPES)) for _ in names]
    tensors = [
        Tensor(dtype=each.dtype, shape=each.shape, data=b"7" * (element_count(each.shape) * ITEM_BYTES[each.dtype]))
        for each in types
    ]
    named = [NamedTensor(name=name, tensor=each) for name, each in zip(names, tensors, strict=True)]
    raw = codec.encode(Bundle(tensors=named))
    layout = Layout(names, types)
    assert bundle_length(layout) == len(raw)
    data = [each.data for each in tensors] or [b""]
    assert b"".join(head + each for head, each in zip(heads(layout), data, strict=True)) == raw
    for at, (span, tensor) in enumerate(zip(spans(layout), tensors, strict=True)):
        assert raw[span.low : span.high] == tensor.data
        assert data_offset(layout, at, 0) == span.low
