"""The operators that a model may use, and what each kind means for the cut (V52, V53).

Absent on purpose: random numbers, control flow, strings, sequences, and outputs whose shape depends on values.
"""

from collections.abc import Callable

import onnx

from vm.sandbox_protocol import Kind
from vm.tensor import DType


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


CONTRACTIONS = _named(
    "Attention Conv ConvInteger ConvTranspose Einsum GRU Gemm LSTM LinearRegressor MatMul MatMulInteger QLinearConv "
    "QLinearMatMul RNN TreeEnsembleRegressor"
)
"""They sum products in an order that differs between machines; none may come after the cut."""

INEXACT = _named(
    "Acos Acosh AffineGrid Asin Asinh Atan Atanh AveragePool BatchNormalization Celu Col2Im Cos Cosh CumSum "
    "DequantizeLinear Elu Erf Exp Gelu GlobalAveragePool GlobalLpPool GridSample GroupNormalization HardSigmoid "
    "HardSwish InstanceNormalization LRN LayerNormalization Log LogSoftmax LpNormalization LpPool Mean "
    "MeanVarianceNormalization Mish Normalizer Pow RMSNormalization Reciprocal ReduceL1 ReduceL2 ReduceLogSum "
    "ReduceLogSumExp ReduceMean ReduceProd ReduceSum ReduceSumSquare Resize RotaryEmbedding Scaler Selu Sigmoid Sin "
    "Sinh Softmax Softplus Softsign Sum Swish Tan Tanh Upsample"
)
"""Their floats may differ in the last bits between machines."""

DISCONTINUOUS = _named(
    "ArgMax ArgMin Binarizer Ceil DynamicQuantizeLinear Equal Floor Greater GreaterOrEqual Hardmax IsInf IsNaN Less "
    "LessOrEqual Mod QuantizeLinear Round Shrink Sign ThresholdedRelu TopK"
)
"""They turn a difference in the last bit into another value; before the cut they make a model exact only."""

EXACT = _named(
    "Abs Add And ArrayFeatureExtractor BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike CenterCropPad "
    "Clip Concat Constant ConstantOfShape DepthToSpace Div Dropout Expand EyeLike Flatten Gather GatherElements "
    "GatherND GlobalMaxPool Identity Imputer LeakyRelu Max MaxPool Min Mul Neg Not OneHot Or PRelu Pad Range ReduceMax "
    "ReduceMin Relu Reshape ReverseSequence ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Sqrt Squeeze "
    "Sub Tile Transpose Trilu Unsqueeze Where Xor"
)
"""The same inputs give the same bits everywhere."""

ML = _named("ArrayFeatureExtractor Binarizer Imputer LinearRegressor Normalizer Scaler TreeEnsembleRegressor")
"""Those of the domain ai.onnx.ml; all others are of ai.onnx."""

ADMITTED = CONTRACTIONS | INEXACT | DISCONTINUOUS | EXACT

RANDOM = _named("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike")
CONTROL_FLOW = _named("If Loop Scan SequenceMap")
DYNAMIC = _named("Compress NonMaxSuppression NonZero StringSplit Unique")

CARRY_NO_VALUES = frozenset({"Shape", "Size"})
"""Their output depends on their input's shape alone."""


Test = Callable[[onnx.NodeProto], bool]


def is_inexact(node: onnx.NodeProto) -> bool:
    """Return whether the floats of a node may differ in the last bits between machines."""
    return node.op_type in CONTRACTIONS or node.op_type in INEXACT


def is_discontinuous(node: onnx.NodeProto) -> bool:
    """Return whether a node turns a small difference into a large one: so does a cast to an integer type."""
    if node.op_type in ("Cast", "CastLike"):
        to = next((attribute.i for attribute in node.attribute if attribute.name == "to"), None)
        return to not in (DType.FLOAT32, DType.FLOAT64)
    return node.op_type in DISCONTINUOUS


def kind_of(node: onnx.NodeProto) -> Kind:
    """Return what a node does to the last bits of its values."""
    if is_discontinuous(node):
        return Kind.DISCONTINUOUS
    if node.op_type in CONTRACTIONS:
        return Kind.CONTRACTION
    if node.op_type in INEXACT:
        return Kind.INEXACT
    return Kind.EXACT if node.op_type in EXACT or node.op_type in CONTROL_FLOW else Kind.UNKNOWN
