"""Write the PyTorch exports of this folder: `python make_torch.py` with torch 2.15.0 and onnxscript."""

# mypy: ignore-errors
# What it imports is not installed here.

import io
from pathlib import Path

import torch
from torch import Tensor, nn

OPSET = 18


class Residual(nn.Module):
    """A small convolutional classifier with a residual block, batch normalisation and SiLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=4), nn.GroupNorm(2, 8), nn.Hardswish())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits."""
        x = self.stem(image)
        return self.head(x + self.deep(x))


class Encoder(nn.Module):
    """Two layers of the library's own transformer encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.layers(self.embedding(ids)).mean(1))


class Series(nn.Module):
    """An LSTM, then a GRU, over a series."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(4, 8, bidirectional=True, batch_first=True), nn.GRU(16, 8, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, series: Tensor) -> Tensor:
        """Return two numbers."""
        return self.head(self.gru(self.lstm(series)[0])[0][:, -1])


class Painter(nn.Module):
    """A decoder of images: transposed convolutions, instance normalisation, interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.ConvTranspose2d(4, 8, 4, 2, 1), nn.InstanceNorm2d(8, affine=True)
        self.last = nn.Conv2d(8, 1, 3, padding=1, padding_mode="reflect")

    def forward(self, code: Tensor) -> Tensor:
        """Return pixels."""
        x = nn.functional.leaky_relu(self.norm(self.first(code)))
        return torch.tanh(self.last(nn.functional.interpolate(x, scale_factor=2, mode="bilinear")))


class Step(nn.Module):
    """One step of gradient descent on a small classifier, written out."""

    def forward(self, x: Tensor, y: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return new weights, new bias and the loss; y is one-hot."""
        logits = x @ w + b
        shares = torch.softmax(logits, -1)
        slope = (shares - y) / x.shape[0]
        loss = -(y * torch.log_softmax(logits, -1)).sum(-1).mean()
        return w - 0.1 * (x.T @ slope), b - 0.1 * slope.sum(0), loss


torch.manual_seed(7)
MODELS: dict[str, tuple[nn.Module, dict[str, Tensor]]] = {
    "residual": (Residual(), {"image": torch.randn(1, 3, 16, 16)}),
    "encoder": (Encoder(), {"ids": torch.randint(0, 50, (1, 9))}),
    "series": (Series(), {"series": torch.randn(1, 7, 4)}),
    "painter": (Painter(), {"code": torch.randn(1, 4, 4, 4)}),
    "step": (Step(), {"x": torch.randn(8, 6), "y": torch.eye(3)[torch.arange(8) % 3],
                      "w": torch.randn(6, 3), "b": torch.zeros(3)}),
}  # fmt: skip
for name, (model, inputs) in MODELS.items():
    names = list(inputs)
    program = torch.onnx.export(
        model.eval(), tuple(inputs.values()), dynamo=True, opset_version=OPSET, input_names=names, external_data=False
    )
    held = io.BytesIO()
    program.save(held)
    proto = program.model_proto
    for node in proto.graph.node:  # where it was traced: nothing that the model means
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    proto.ClearField("metadata_props")
    proto.graph.ClearField("metadata_props")
    Path(f"torch-{name}.onnx").write_bytes(proto.SerializeToString())
