"""A model under measurement: what it means on each of its inputs, how noisy that is, and how far others are off."""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property

import onnx

from tests.vm.models.case import Array, Case, Feeds
from vm.canonical import fast
from vm.canonical.arrays import normal, tensor_of
from vm.canonical.fast_library import Library
from vm.canonical.kernels import NUMPY
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Ratio
from vm.noise import FLOOR, IN_SIGMA_MAX, THOUSANDTHS, Noise, billionths, ill_conditioned
from vm.sandbox.calibration import tolerance_of
from vm.sandbox.checking import CUT_VALUES_MIN
from vm.sandbox.meaning import derive
from vm.sandbox.native import Native
from vm.sandbox.prepared import noises_of
from vm.sandbox_protocol import Optimisation, Settings
from vm.tensor import FLOATS, TensorType, element_count

Runs = Sequence[Sequence[Array]]
"""For each input the values at the cut."""
THREADS = (1, 2, 4)
INFINITE = float("inf")


def settings(threads: int = 1, optimisation: Optimisation = Optimisation.ALL) -> Settings:
    """Return how a session is set up."""
    return Settings(threads=threads, optimisation=optimisation, memory_bytes=0, parent=0)


def all_settings() -> list[Settings]:
    """Return every number of threads with every level of optimisation."""
    return [settings(threads, level) for level in Optimisation for threads in THREADS]


class Subject:
    """A case, lowered and parted, on some inputs, with its canonical runs."""

    def __init__(self, case: Case, library: Library | None = None) -> None:
        """Lower a case, whose feeds are its publisher's samples. Raises Refused."""
        self.case, self.feeds, self.library = case, case.feeds, library
        self.derived = derive(onnx.ModelProto.FromString(case.model), case.shapes)
        self._kernels = NUMPY if library is None else fast.kernels(library, program=self.derived.program)

    @property
    def types(self) -> list[TensorType]:
        """Return the types of the values at the cut."""
        return [self.derived.program.type_of(at) for at in self.derived.program.cut]

    @property
    def is_native(self) -> bool:
        """Tell whether what is at the cut can be compared: named values, all of them floats, and not too few (V116)."""
        few = sum(element_count(type_.shape) for type_ in self.types) < CUT_VALUES_MIN
        return not few and all(self.derived.cut) and all(type_.dtype in FLOATS for type_ in self.types)

    def arrays(self, feeds: Feeds) -> list[Array]:
        """Return an input as the program takes it."""
        return [normal(feeds[name]) for name in self.case.inputs]

    def on(self, feeds: list[Feeds]) -> "Subject":
        """Return the same model on other inputs, with the tolerance that its samples gave it."""
        other = Subject(self.case, self.library)
        other.feeds, other.tolerance = feeds, self.tolerance
        return other

    @cached_property
    def tolerance(self) -> Ratio:
        """Return the tolerance that calibration on the samples gives the lowering."""
        sigmas = [billionths(noise.largest()) for noises in self._noises(TOLERANCE_LEAST) for noise in noises]
        return tolerance_of(max(sigmas, default=0))

    @cached_property
    def noises(self) -> list[list[Noise]]:
        """Return for each input the noise of each value at the cut."""
        return self._noises(self.tolerance)

    def _noises(self, tolerance: Ratio) -> list[list[Noise]]:
        kernels = self._kernels
        return [
            noises_of(self.derived, self.arrays(feeds), kernels=kernels, tolerance=tolerance) for feeds in self.feeds
        ]

    def native(self, setting: Settings, *, model: bytes | None = None) -> Runs:
        """Return the values at the cut for each input, of this model or of another with the same names."""
        proto = onnx.ModelProto.FromString(self.case.model if model is None else model)
        return run_natively(proto, self.derived.cut, self.types, self.feeds, setting)

    def in_sigma(self, seen: Runs) -> list[float]:
        """Return for each input the largest deviation of values at the cut, in σ; infinite for NaN against number."""
        return [
            max(told(noise.worst(tensor_of(array))[0]) for noise, array in zip(noises, arrays, strict=True))
            for noises, arrays in zip(self.noises, seen, strict=True)
        ]

    def sigma(self) -> float:
        """Return the largest σ of an element, over inputs."""
        return math.sqrt(max(noise.largest() for noises in self.noises for noise in noises) / FLOOR) * 2.0**-20

    def ill_conditioned(self) -> list[bool]:
        """Tell for each input whether a job with it is ill-conditioned."""
        return [any(ill_conditioned(noise.largest()) for noise in noises) for noises in self.noises]


def run_natively(
    proto: onnx.ModelProto, cut: list[str], types: list[TensorType], feeds: list[Feeds], setting: Settings
) -> Runs:
    """Return the values at the cut that ONNX Runtime computes for each input; the model is used up."""
    session = Native(proto, cut, types, setting)
    return [session.run({name: normal(array) for name, array in each.items()}) for each in feeds]


def told(thousandths: int) -> float:
    """Return a deviation in σ."""
    return INFINITE if thousandths >= IN_SIGMA_MAX else thousandths / THOUSANDTHS


def digest(runs: Runs) -> str:
    """Return what tells the bits of values at the cut apart."""
    return hashlib.sha256(b"".join(array.tobytes() for arrays in runs for array in arrays)).hexdigest()[:16]


def changed(one: Runs, other: Runs) -> list[bool]:
    """Tell for each input whether any bit at the cut differs."""
    return [
        any(a.tobytes() != b.tobytes() for a, b in zip(left, right, strict=True))
        for left, right in zip(one, other, strict=True)
    ]
