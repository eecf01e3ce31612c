"""What operators take that ONNX Runtime adds to ONNX, which knows nothing of them: ContribOperators.md, in short."""

import onnx

MICROSOFT = "com.microsoft"
"""The domain of these operators."""

_FLOATS = ["tensor(float)", "tensor(float16)"]
_BYTES = ["tensor(int8)", "tensor(uint8)"]
_TYPES = {
    "T": _FLOATS, "F": ["tensor(float)"], "A": _BYTES, "B": _BYTES, "L": ["tensor(int32)"],
}  # fmt: skip


def _schema(name: str, inputs: str, outputs: int, **attributes: type | float | str) -> onnx.defs.OpSchema:
    """Return a schema. `inputs` are names and types, "x:T y:T?", those with a question mark optional."""
    schema, optional = onnx.defs.OpSchema, onnx.defs.OpSchema.FormalParameterOption.Optional
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    ports = [[*each.rstrip("?").split(":"), each[-1]] for each in inputs.split()]
    used = sorted({kind for _, kind, _ in ports})
    return schema(
        name,
        MICROSOFT,
        1,
        inputs=[
            schema.FormalParameter(port, kind, "", param_option=optional if mark == "?" else single)
            for port, kind, mark in ports
        ],
        outputs=[schema.FormalParameter(f"y{at}", "T" if "T" in used else "F", "") for at in range(outputs)],
        type_constraints=[(kind, _TYPES[kind], "") for kind in used],
        attributes=[_attribute(key, value) for key, value in attributes.items()],
    )


def _attribute(name: str, value: type | float | str) -> onnx.defs.OpSchema.Attribute:
    """Return an attribute by its default, or by the type of a list that has none."""
    kinds = onnx.defs.OpSchema.AttrType
    if value is float:
        return onnx.defs.OpSchema.Attribute(name, kinds.FLOATS, "", required=False)
    if value is str:
        return onnx.defs.OpSchema.Attribute(name, kinds.STRINGS, "", required=False)
    if value is int:
        return onnx.defs.OpSchema.Attribute(name, kinds.INT, "", required=False)
    return onnx.defs.OpSchema.Attribute(name, onnx.helper.make_attribute(name, value))


SCHEMAS = {
    schema.name: schema
    for schema in (
        _schema(
            "DynamicQuantizeLSTM",
            "X:F W:A R:A B:F? sequence_lens:L? initial_h:F? initial_c:F? P:F? W_scale:F W_zero:A R_scale:F R_zero:A",
            3, direction="forward", hidden_size=int, clip=0.0, input_forget=0, activations=str,
            activation_alpha=float, activation_beta=float,
        ),
        _schema("MatMulIntegerToFloat", "A:A B:B a_scale:F b_scale:F a_zero:A? b_zero:B? bias:F?", 1),
        _schema("DynamicQuantizeMatMul", "A:F B:B b_scale:F b_zero:B? bias:F?", 1),
        _schema("FusedMatMul", "A:T B:T", 1, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0),
        _schema("Gelu", "X:T", 1),
        _schema("BiasGelu", "A:T B:T", 1),
        _schema("FastGelu", "X:T bias:T?", 1),
        _schema("QuickGelu", "X:T", 1, alpha=1.702),
        _schema("SkipLayerNormalization", "input:T skip:T gamma:T beta:T? bias:T?", 4, epsilon=1e-12),
    )
}  # fmt: skip
