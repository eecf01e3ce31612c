"""Calibration: what canonical, perturbed and native runs on a publisher's samples show of a model (V106)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from primitives import codec
from primitives.reasons import Reason, Refused
from vm.canonical.arrays import DTYPE_OF, NUMPY_OF, Array, tensor_of
from vm.canonical.kernels import Kernels
from vm.lowering import TOLERANCE_LEAST, TOLERANCE_MOST
from vm.manifest import Port, Ratio
from vm.noise import FLOOR, HONEST_SIGMA, PAID_SIGMA, THOUSANDTHS, Noise, billionths, ill_conditioned
from vm.sandbox.comparing import estimate, fast_compare, overlooked
from vm.sandbox.meaning import Derived
from vm.sandbox.native import Native
from vm.sandbox.prepared import deviating, feeds_of, named, run_canonical
from vm.sandbox_protocol import Calibration
from vm.sandbox_protocol import Noise as ToldNoise
from vm.scale import ELEMENTS_MIN
from vm.tensor import CUT_VALUES_BYTES_MAX, FLOATS, NAME_BYTES_MAX, Tensor

_US_PER_S = 1_000_000
_PARTS = 10**9
_SEED = 7
OVERLOOKED = 64
"""One in so many elements may be too small to be judged: of numbers around 0, one in 8,000 is."""


@dataclass
class _Value:
    """What is known of one value at the cut, over the samples so far."""

    noise: int = FLOOR
    deviation: int = 0
    in_sigma: int = 0
    element: int = 0
    overlooked: int = 0
    counted: int = 0
    few: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    """Canonical, perturbed and native, where elements are so few that all samples must say how noisy they are."""


class Calibrating:
    """Collects what runs show. The native engine may be None: then only the canonical runs are made."""

    def __init__(self, derived: Derived, ports: list[Port], native: Native | None, kernels: Kernels) -> None:
        self._derived, self._ports, self._native, self._kernels = derived, ports, native, kernels
        self._values = [_Value() for _ in derived.cut]
        self._samples = 0
        self._native_us: list[int] = []
        self._canonical_us: list[int] = []

    def add(self, arrays: list[Array]) -> None:
        """Run the model on one sample in every way. Raises Refused RUN_TRAPPED, RUN_ENGINE_ERROR, NATIVE_DEVIATES."""
        program = self._derived.program
        began = time.perf_counter()
        canonical = run_canonical(self._derived, arrays, kernels=self._kernels)
        self._canonical_us.append(round((time.perf_counter() - began) * _US_PER_S))
        self._samples += 1
        if self._native is None:
            return
        perturbed = run_canonical(self._derived, arrays, kernels=self._kernels, perturbed=True)
        feeds = feeds_of(self._ports, arrays)
        began = time.perf_counter()
        native = self._native.run(feeds)
        self._native_us.append(round((time.perf_counter() - began) * _US_PER_S))
        for value, at, array in zip(self._values, program.cut, native, strict=True):
            value.deviation = max(value.deviation, _deviation(canonical[at], array))
            small, counted = overlooked(canonical[at])
            value.overlooked, value.counted = value.overlooked + small, value.counted + counted
            noise, worst, element = _measured(canonical[at], perturbed[at], array)
            value.noise = max(value.noise, noise)
            if array.size < ELEMENTS_MIN:
                value.few.append((tensor_of(canonical[at]), tensor_of(perturbed[at]), tensor_of(array)))
            elif worst > value.in_sigma:
                value.in_sigma, value.element = worst, element

    def _settle(self) -> None:
        """Judge values of few elements by the noise of all samples (V103)."""
        found = tolerance_of(max((billionths(value.noise) for value in self._values), default=0))
        for value in self._values:
            for canonical, perturbed, native in value.few:
                worst, element = Noise(canonical, perturbed, found).worst(native)
                if worst > value.in_sigma:
                    value.in_sigma, value.element = worst, element
            value.few = []

    def faults(self) -> Iterator[Refused]:
        """Yield what the runs say against class native."""
        self._settle()
        for name, value in zip(self._derived.cut, self._values, strict=True):
            if ill_conditioned(value.noise):
                seen = f"16 σ of {PAID_SIGMA * billionths(value.noise) / _PARTS:.2g}"
                yield Refused(
                    Reason.ILL_CONDITIONED,
                    what=name,
                    seen=seen,
                    wanted="at most 0.001",
                    change="serve the model in class exact, or take out differences of nearly equal values",
                )
            elif value.in_sigma > HONEST_SIGMA * THOUSANDTHS:
                yield deviating(name, value.element, value.in_sigma)
            if value.overlooked * OVERLOOKED > value.counted:
                yield Refused(
                    Reason.CUT_REFUSED,
                    what=name,
                    seen=f"{value.overlooked} of {value.counted} elements beside much larger ones",
                    wanted=f"at most 1 in {OVERLOOKED} below a thousandth of what is usual in its row",
                    change="let values of other sizes be outputs of their own, or bring all to one size",
                )

    def told(self, *, made_up: bool) -> Calibration:
        """Return what was found."""
        self._settle()
        values = [
            ToldNoise(
                name=name.encode()[:NAME_BYTES_MAX],
                sigma=billionths(value.noise),
                deviation=value.deviation,
                in_sigma=value.in_sigma,
            )
            for name, value in zip(self._derived.cut, self._values, strict=True)
        ]
        return Calibration(
            samples=self._samples,
            made_up=made_up,
            values=values if self._native else [],
            native_us=min(self._native_us, default=0),
            canonical_us=min(self._canonical_us, default=0),
        )


def _deviation(canonical: Array, native: Array) -> int:
    return fast_compare(tensor_of(canonical), tensor_of(native), TOLERANCE_MOST).deviation


def _measured(canonical: Array, perturbed: Array, native: Array) -> tuple[int, int, int]:
    """Return σ² of the noisiest element, the largest deviation in thousandths of σ, and its element."""
    if canonical.nbytes > CUT_VALUES_BYTES_MAX:
        return estimate(canonical, perturbed, native)
    noise = Noise(tensor_of(canonical), tensor_of(perturbed))
    return noise.largest(), *noise.worst(tensor_of(native))


def tolerance(calibration: Calibration) -> Ratio:
    """Return the tolerance between workers: 16 σ of the noisiest value on the samples, within its bounds (V106)."""
    return tolerance_of(max((value.sigma for value in calibration.values), default=0))


def tolerance_of(sigma: int) -> Ratio:
    """Return 16 σ of so many billionths, within the bounds of a tolerance."""
    found = Ratio(numerator=PAID_SIGMA * sigma, denominator=_PARTS)
    for bound, sign in ((TOLERANCE_LEAST, 1), (TOLERANCE_MOST, -1)):
        if sign * (found.numerator * bound.denominator - bound.numerator * found.denominator) < 0:
            return bound
    return found


def made_up(ports: list[Port], derived: Derived) -> list[bytes]:
    """Return inputs for want of samples: zeros, and numbers from −1 to 1 (integers and bools 0 or 1)."""
    source = np.random.default_rng(_SEED)  # these numbers judge nobody: they only stand in for a publisher's
    zeros: list[Array] = []
    noisy: list[Array] = []
    for type_ in derived.program.inputs:
        kind = NUMPY_OF[type_.dtype]
        zeros.append(np.zeros(type_.shape, kind))
        drawn = source.uniform(-1, 1, type_.shape)
        noisy.append(np.asarray(drawn if type_.dtype in FLOATS else drawn > 0).astype(kind))
    assert all(DTYPE_OF[array.dtype] in NUMPY_OF for array in noisy)
    names = [port.name.decode() for port in ports]
    return [codec.encode(named(names, arrays)) for arrays in (zeros, noisy)]
