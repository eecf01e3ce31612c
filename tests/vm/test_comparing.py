"""The fast form of the comparison against the exact one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.test_compare import TENTH, pairs
from vm.canonical.arrays import tensor_of
from vm.compare import compare
from vm.manifest import Ratio
from vm.noise import FLOOR, IN_SIGMA_MAX, NOISE_MAX, Noise
from vm.sandbox.comparing import estimate, fast_compare
from vm.tensor import Tensor

TOLERANCES = [TENTH, Ratio(numerator=1, denominator=10_000), Ratio(numerator=1, denominator=65_536)]


@settings(max_examples=150)
@given(pairs(), st.sampled_from(TOLERANCES))
def test_the_verdict_is_that_of_the_exact_rule(pair: tuple[Tensor, Tensor], tolerance: Ratio) -> None:
    assert fast_compare(*pair, tolerance) == compare(*pair, tolerance)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["f4", "f2"]), st.sampled_from([1e-6, 1e-3, 1.0]))
def test_large_tensors_of_every_kind_of_row_agree(seed: int, kind: str, part: float) -> None:
    source = np.random.default_rng(seed)
    left = source.standard_normal((6, 300)) * 10.0 ** source.integers(-3, 3, (6, 1))
    left[1, source.random(300) < 0.9] = 0
    left[2, source.random(300) < 0.6] = -1e4
    left[3, source.random(300) < 0.5] = -np.inf
    left[4] = 2.0**-24
    right = left * (1 + part * source.standard_normal(left.shape))
    right[3] = np.where(np.isinf(left[3]), left[3], right[3])
    with np.errstate(over="ignore", under="ignore"):
        reference, other = (tensor_of(each.astype(kind)) for each in (left, right))
    for tolerance in TOLERANCES:
        assert fast_compare(reference, other, tolerance) == compare(reference, other, tolerance)


def test_many_equal_deviations_name_the_first() -> None:
    left = np.ones((100, 100), np.float32)
    reference, other = tensor_of(left), tensor_of(left + np.float32(0.125))
    found = fast_compare(reference, other, TENTH)
    assert (found.within, found.element) == (False, 0)
    assert found == compare(reference, other, TENTH)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_noise_is_estimated_closely(seed: int) -> None:
    source = np.random.default_rng(seed)
    canonical = source.standard_normal((5, 40)).astype(np.float32)
    canonical[1, :30] = 0
    canonical[2, :30] = -1e4
    canonical[3] = 0
    perturbed, native = (
        canonical * (1 + part * source.standard_normal((5, 40))).astype(np.float32) for part in (1e-5, 3e-6)
    )
    noise = Noise(tensor_of(canonical), tensor_of(perturbed))
    worst, element = noise.worst(tensor_of(native))
    told = estimate(canonical, perturbed, native)
    assert told[0] == pytest.approx(noise.largest(), rel=1e-4)
    assert told[1] == pytest.approx(worst, rel=1e-3, abs=1)
    assert told[2] == element


def test_special_values_are_estimated_as_they_are_judged() -> None:
    canonical = np.array([[np.inf, 1, 2, 3]], np.float32)
    assert estimate(canonical, canonical, canonical) == (FLOOR, 0, 0)
    wrong = np.array([[1, 1, 2, 3]], np.float32)
    assert estimate(canonical, wrong, canonical)[0] == NOISE_MAX
    assert estimate(canonical, canonical, wrong)[1:] == (IN_SIGMA_MAX // 2, 0)
    nothing = np.zeros((0, 4), np.float32)
    assert estimate(nothing, nothing, nothing) == (FLOOR, 0, 0)
