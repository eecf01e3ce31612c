"""What each operator does to the last bits of its values, which is what the cut turns on (V52, V113).

Every operator that is lowered has its place here. Absent on purpose: random numbers, strings, and outputs
whose shape depends on values.
"""

import onnx

from vm.sandbox_protocol import Kind
from vm.tensor import DType


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


CONTRACTIONS = _named(
    "Attention CausalConvWithState Col2Im Conv ConvInteger ConvTranspose DFT DeformConv Einsum FusedMatMul GRU Gemm "
    "LSTM LinearAttention LinearClassifier LinearRegressor MatMul MatMulInteger MatMulIntegerToFloat QLinearConv "
    "QLinearMatMul RNN STFT SVMClassifier SVMRegressor"
)
"""They sum products in an order that differs between machines; none may come after the cut."""

INEXACT = _named(
    "Acos Acosh AffineGrid Asin Asinh Atan Atanh AveragePool BatchNormalization BiasGelu BlackmanWindow Celu Cos Cosh "
    "CumProd CumSum DequantizeLinear Det Elu Erf Exp FastGelu Gelu GlobalAveragePool GlobalLpPool GridSample "
    "GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish InstanceNormalization LRN LayerNormalization "
    "Log LogSoftmax LpNormalization LpPool Mean MeanVarianceNormalization Mish NegativeLogLikelihoodLoss Normalizer "
    "Pow QuickGelu RMSNormalization Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd "
    "ReduceSum ReduceSumSquare Resize RoiAlign RotaryEmbedding Scaler Selu Sigmoid Sin Sinh SkipLayerNormalization "
    "Softmax SoftmaxCrossEntropyLoss Softplus Softsign Sum SwiGLU Swish Tan Tanh Upsample"
)
"""Their floats may differ in the last bits between machines."""

DISCONTINUOUS = _named(
    "ArgMax ArgMin Binarizer Ceil DynamicQuantizeLSTM DynamicQuantizeLinear DynamicQuantizeMatMul Equal Floor Greater "
    "GreaterOrEqual Hardmax Imputer IsInf IsNaN LabelEncoder Less LessOrEqual Mod OneHot OneHotEncoder QuantizeLinear "
    "Round Shrink Sign ThresholdedRelu TopK TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor"
)
"""They turn a difference in the last bit into another value; before the cut they make a model exact only."""

EXACT = _named(
    "Abs Add And ArrayFeatureExtractor BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike "
    "CenterCropPad Clip Compress Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Div Dropout Expand "
    "EyeLike FeatureVectorizer Flatten Gather GatherElements GatherND GlobalMaxPool Identity LeakyRelu Max "
    "MaxPool MaxUnpool Min Mul Neg NonZero Not Or PRelu Pad Range ReduceMax ReduceMin Relu Reshape ReverseSequence "
    "Scatter ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert "
    "SequenceLength Shape Size Slice SpaceToDepth Split SplitToSequence Sqrt Squeeze Sub TensorScatter Tile Transpose "
    "Trilu Unsqueeze Where Xor"
)
"""The same inputs give the same bits everywhere."""

RANDOM = _named("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike")
CONTROL_FLOW = _named("If Loop Scan SequenceMap")
DYNAMIC = _named("NonMaxSuppression StringSplit Unique")

_PLACES = {"MaxPool": 1, "LinearClassifier": 0, "SVMClassifier": 0}
"""Which output says where the largest is, or its label; the others do not jump."""

_ADVICE = {
    "ZipMap": "scores as a tensor: skl2onnx gives them with the option zipmap=False",
    "NonMaxSuppression": "the boxes and scores before it as outputs: how many boxes stay is up to who asks",
    "Unique": "the values before it as outputs",
    "BitCast": "Cast, or the bits as integers from the start",
}
"""What the author of a model can do without an operator."""
_OF_STRINGS = _named(
    "CategoryMapper CastMap DictVectorizer RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer"
)


def advice(op: str, domain: str) -> str:
    """Return what to change in a model that has an operator that is not served."""
    if domain.startswith("com.microsoft"):
        return "the model as it was before ONNX Runtime optimised or quantised it for itself, or quantised as QDQ"
    if op in RANDOM:
        return "the random numbers as an input"
    if op in _OF_STRINGS:
        return "text turned into numbers before the model"
    return _ADVICE.get(op, "a model that does without it, such as an export to another opset")


def is_inexact(node: onnx.NodeProto) -> bool:
    """Return whether the floats of a node may differ in the last bits between machines."""
    return node.op_type in CONTRACTIONS or node.op_type in INEXACT


def is_discontinuous(node: onnx.NodeProto) -> bool:
    """Return whether a node turns a small difference into a large one: so does a cast to an integer type.

    Not those of which one output says where the largest is: what hands on integers is looked at one by one.
    """
    if node.op_type in ("Cast", "CastLike"):
        to = next((attribute.i for attribute in node.attribute if attribute.name == "to"), None)
        return to not in (DType.FLOAT32, DType.FLOAT64)
    if node.op_type == "GridSample":
        return any(attribute.name == "mode" and attribute.s == b"nearest" for attribute in node.attribute)
    return node.op_type in DISCONTINUOUS


def _tells_places(node: onnx.NodeProto) -> bool:
    at = _PLACES.get(node.op_type)
    return at is not None and len(node.output) > at and node.output[at] != ""


def kind_of(node: onnx.NodeProto) -> Kind:
    """Return what a node does to the last bits of its values."""
    if is_discontinuous(node) or _tells_places(node):
        return Kind.DISCONTINUOUS
    if node.op_type in CONTRACTIONS:
        return Kind.CONTRACTION
    if node.op_type in INEXACT:
        return Kind.INEXACT
    return Kind.EXACT if node.op_type in EXACT or node.op_type in CONTROL_FLOW else Kind.UNKNOWN
