"""Operators that ONNX itself defines by others: their bodies, taken from the pinned onnx library."""

from collections.abc import Sequence

import google.protobuf.message
import onnx

from primitives.reasons import Reason, Refused
from vm.sandbox.lower.builder import Value

EXPANDED = (
    "AffineGrid", "Attention", "BlackmanWindow", "CausalConvWithState", "CenterCropPad", "HammingWindow", "HannWindow",
    "LinearAttention", "RotaryEmbedding", "SwiGLU",
)  # fmt: skip
"""Those of ai.onnx for which no rule of our own is worth its lines."""


def body_of(proto: onnx.NodeProto, version: int, values: Sequence[Value | None], where: str) -> onnx.FunctionProto:
    """Return the graph that ONNX gives as the meaning of a node. Raises Refused OPERATOR_REFUSED."""
    schema = onnx.defs.get_schema(proto.op_type, version, "")
    try:
        if schema.has_function:
            chosen = max(each for each in schema.function_opset_versions if each <= version)
            raw = schema.get_function_with_opset_version(chosen)
            return _resolved(onnx.FunctionProto.FromString(raw), proto, schema)
        chosen = max(each for each in schema.context_dependent_function_opset_versions if each <= version)
        types = [_type(value).SerializeToString() for value in values]
        raw = schema.get_context_dependent_function_with_opset_version(chosen, proto.SerializeToString(), types)
        return _resolved(onnx.FunctionProto.FromString(raw), proto, schema)
    except (RuntimeError, ValueError, TypeError, google.protobuf.message.DecodeError) as fault:
        raise Refused(Reason.OPERATOR_REFUSED, node=where, why=f"ONNX gives it no meaning: {fault}") from None


def _type(value: Value | None) -> onnx.TypeProto:
    if value is None:
        return onnx.TypeProto()
    return onnx.helper.make_tensor_type_proto(int(value.dtype), list(value.shape))


def _resolved(function: onnx.FunctionProto, proto: onnx.NodeProto, schema: onnx.defs.OpSchema) -> onnx.FunctionProto:
    """Return the function with the node's attributes, or the defaults, where its own nodes refer to them."""
    given = {attribute.name: attribute for attribute in proto.attribute}
    for node in function.node:
        kept: list[onnx.AttributeProto] = []
        for attribute in node.attribute:
            if not attribute.ref_attr_name:
                kept.append(attribute)
                continue
            source = given.get(attribute.ref_attr_name)
            if source is None and attribute.ref_attr_name in schema.attributes:
                source = schema.attributes[attribute.ref_attr_name].default_value
            if source is not None and source.type:
                copy = onnx.AttributeProto()
                copy.CopyFrom(source)
                copy.name = attribute.name
                kept.append(copy)
        copies = [onnx.AttributeProto.FromString(each.SerializeToString()) for each in kept]
        del node.attribute[:]
        node.attribute.extend(copies)
    return function
