"""Write the JAX exports of this folder: `python make_jax.py` with jax 0.10.2 and jax2onnx 0.17.1."""

# mypy: ignore-errors
# What it imports is not installed here.

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax2onnx import to_onnx

random = np.random.RandomState(7)


def weights(*shape: int) -> jax.Array:
    """Return weights that keep the size of what they are applied to."""
    return jnp.asarray(random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1])), jnp.float32)


W1, W2, B1 = weights(8, 24), weights(24, 4), weights(24) * 0.1
K1, K2, HEAD = weights(3, 3, 1, 6), weights(3, 3, 6, 6), weights(6, 3)
Q, K, V, OUT = weights(12, 12), weights(12, 12), weights(12, 12), weights(12, 5)


def mlp(x: jax.Array) -> jax.Array:
    """Classify features."""
    return jax.nn.softmax(jax.nn.gelu(x @ W1 + B1) @ W2)


def cnn(image: jax.Array) -> jax.Array:
    """Classify pixels, channels last."""
    layout = ("NHWC", "HWIO", "NHWC")
    x = jax.nn.relu(jax.lax.conv_general_dilated(image, K1, (1, 1), "SAME", dimension_numbers=layout))
    x = jax.nn.silu(jax.lax.conv_general_dilated(x, K2, (2, 2), "VALID", dimension_numbers=layout))
    return x.mean((1, 2)) @ HEAD


def attention(x: jax.Array) -> jax.Array:
    """Attend to earlier places alone."""
    q, k, v = x @ Q, x @ K, x @ V
    scores = q @ k.T / jnp.sqrt(12.0)
    seen = jnp.where(jnp.tril(jnp.ones((7, 7), bool)), scores, -jnp.inf)
    return (jax.nn.softmax(seen) @ v) @ OUT


MODELS = {"mlp": (mlp, (2, 8)), "cnn": (cnn, (1, 12, 12, 1)), "attention": (attention, (7, 12))}
for name, (function, shape) in MODELS.items():
    model = to_onnx(function, [jax.ShapeDtypeStruct(shape, jnp.float32)], model_name=name, opset=21)
    Path(f"jax-{name}.onnx").write_bytes(model.SerializeToString())
