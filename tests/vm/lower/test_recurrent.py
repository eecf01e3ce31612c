"""Recurrences agree with ONNX Runtime in all their attributes."""

from typing import Any

import numpy as np
import pytest

from primitives.reasons import Refused
from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import Array, floats

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}
FUNCTIONS = {"RNN": ["Relu"], "GRU": ["HardSigmoid", "Softsign"], "LSTM": ["Sigmoid", "Elu", "Softplus"]}


def weights(op: str, directions: int, features: int, hidden: int) -> list[Array]:
    gates = GATES[op] * hidden
    return [floats(directions, gates, features, seed=2), floats(directions, gates, hidden, seed=3)]


def biases(op: str, directions: int, hidden: int) -> Array:
    return floats(directions, 2 * GATES[op] * hidden, seed=4)


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("full", [False, True])
def test_a_recurrence_agrees_in_each_direction(op: str, direction: str, full: bool) -> None:
    directions, hidden = (2 if direction == "bidirectional" else 1), 5
    operands: list[Array | None] = [floats(4, 3, 2), *weights(op, directions, 2, hidden)]
    attributes: dict[str, Any] = {"direction": direction, "hidden_size": hidden}
    if full:
        starts = [floats(directions, 3, hidden, seed=6 + at) for at in range(STATES[op])]
        operands += [biases(op, directions, hidden), np.array([4, 1, 3], np.int32), *starts]
        if op == "LSTM":
            operands.append(floats(directions, 3 * hidden, seed=9))
        attributes["clip"] = 0.8
    Case(op, operands, outputs=1 + STATES[op], **attributes).agrees()


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_other_activations_agree(op: str) -> None:
    operands: list[Array | None] = [floats(3, 2, 2), *weights(op, 1, 2, 4), biases(op, 1, 4)]
    Case(op, operands, hidden_size=4, activations=FUNCTIONS[op]).agrees()


@pytest.mark.parametrize("before", [0, 1])
def test_the_reset_gate_comes_before_or_after_the_product(before: int) -> None:
    operands: list[Array | None] = [floats(3, 2, 2), *weights("GRU", 1, 2, 4), biases("GRU", 1, 4)]
    Case("GRU", operands, hidden_size=4, linear_before_reset=before).agrees()


def test_input_and_forget_gate_may_be_coupled() -> None:
    Case("LSTM", [floats(3, 2, 2), *weights("LSTM", 1, 2, 4)], hidden_size=4, input_forget=1).agrees()


def test_samples_may_come_before_steps() -> None:
    operands: list[Array | None] = [floats(3, 2, 2), *weights("LSTM", 1, 2, 4)]
    (y, last) = Case("LSTM", operands, outputs=2, hidden_size=4, layout=1).ours()
    operands[0] = np.ascontiguousarray(np.swapaxes(floats(3, 2, 2), 0, 1))
    (other, other_last) = Case("LSTM", operands, outputs=2, hidden_size=4).ours()
    assert np.array_equal(y, np.transpose(other, (2, 0, 1, 3)))
    assert np.array_equal(last, np.transpose(other_last, (1, 0, 2)))


def test_an_activation_whose_default_engines_disagree_on_must_say_its_alpha() -> None:
    case = Case("RNN", [floats(3, 2, 2), *weights("RNN", 1, 2, 4)], hidden_size=4, activations=["ThresholdedRelu"])
    with pytest.raises(Refused, match="activation_alpha"):
        case.ours()


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("shared", [1, 2, 4])
def test_attention_agrees(causal: int, shared: int) -> None:
    q, k, v = floats(2, 4, 3, 8), floats(2, shared, 5, 8, seed=2), floats(2, shared, 5, 6, seed=3)
    mask = np.random.default_rng(shared).random((2, 1, 3, 5)) < 0.8
    Case("Attention", [q, k, v, mask], opset=23, is_causal=causal, softcap=2.0 * causal).agrees()


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embeddings_agree(interleaved: int) -> None:
    caches = [floats(9, 3, seed=2), floats(9, 3, seed=3)]
    places = np.array([[0, 3, 8, 1], [2, 2, 7, 0]])
    operands: list[Array | None] = [floats(2, 3, 4, 8), *caches, places]
    Case("RotaryEmbedding", operands, opset=23, interleaved=interleaved, rotary_embedding_dim=6).agrees()


@pytest.mark.parametrize(("op", "shape"), [("DFT", (2, 7, 3, 2)), ("DFT", (2, 7, 3, 1))])
@pytest.mark.parametrize("length", [7, 10, 4])
def test_fourier_transforms_agree(op: str, shape: tuple[int, ...], length: int) -> None:
    Case(op, [floats(*shape), np.array(length), np.array(1)], onesided=2 - shape[-1]).agrees()


def test_transforms_of_frames_agree() -> None:
    Case("STFT", [floats(2, 20, 1), np.array(3), floats(8, seed=2)], onesided=1).agrees()


def test_one_side_of_a_transform_gives_the_signal_back() -> None:
    signal = floats(2, 9, 1)
    (bins,) = Case("DFT", [signal], opset=17, axis=1, onesided=1).ours()
    (back,) = Case("DFT", [bins, np.array(9)], opset=17, axis=1, onesided=1, inverse=1).ours()
    assert np.abs(back - signal).max() < 1e-6
