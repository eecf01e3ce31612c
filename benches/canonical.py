"""Canonical runs against ONNX Runtime's with one thread, model by model, in turns; and the memory that they take."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np

from benches.figures import Figure
from primitives.reasons import Refused
from tests.vm.models.case import Case
from tests.vm.models.catalogue import all_models
from vm import compiled
from vm.canonical import fast, interpreter
from vm.canonical.arrays import normal
from vm.canonical.fast_library import Library
from vm.canonical.fast_program import Prepared
from vm.canonical.kernels import NUMPY
from vm.sandbox.lower.lowering import Lowered, lower
from vm.sandbox.native import open_session
from vm.sandbox_protocol import Optimisation, Settings

TURNS = 5
SHARE_S = 0.05
"""Of each way in each turn; the fastest counts, since the machine has other work."""
_MS, _MIB = 1e3, 1 << 20


class Timed(NamedTuple):
    """How many times as long as native one model's runs take."""

    compiled: float
    shared: float
    defined: float


def run() -> Iterator[Figure]:
    """Yield how many times as long as native a canonical run takes, compiled and by the definition in numpy."""
    library = compiled.make()
    found: list[Timed] = []
    for case in all_models():
        try:
            lowered = lower(case.proto, case.shapes)
        except Refused:
            continue
        timed, method = model(library, case, lowered)
        found.append(timed)
        yield Figure(what=case.name, value=timed.compiled, unit="×", method=method)
    ratios, shared, defined = zip(*found, strict=True)
    method = f"of {len(found)} models; the worst {max(ratios):.1f}, the best {min(ratios):.1f}"
    yield Figure(what="compiled, 1 thread: median", value=median(ratios), unit="×", method=method)
    yield Figure(what="compiled, 2 threads: median", value=median(shared), unit="×", method="against native with 1")
    method = f"the worst {max(defined):,.0f}"
    yield Figure(what="numpy, the definition: median", value=median(defined), unit="×", method=method)


def model(library: Library, case: Case, lowered: Lowered) -> tuple[Timed, str]:
    """Return the ratios for one model, and how they were come by."""
    program, constants = lowered.program, lowered.constants
    inputs = [normal(np.asarray(case.feeds[0][name])) for name in case.inputs]
    kernels = [*(fast.kernels(library, program=program, threads=threads) for threads in (1, 2)), NUMPY]
    ways = [partial(interpreter.run, program, constants, inputs, kernels=each) for each in kernels]
    native, *canonical = fastest(native_run(case), *ways)
    told = [
        f"native {native * _MS:.3g} ms, canonical {canonical[0] * _MS:.3g} ms",
        f"{len(program.operations):,} operations",
        f"values {Prepared(library, program, constants).memory_bytes / _MIB:.1f} MiB",
        f"constants {sum(array.nbytes for array in constants) / _MIB:.1f} MiB",
    ]
    return Timed(*(way / native for way in canonical)), ", ".join(told)


def native_run(case: Case) -> Callable[[], object]:
    """Return a run of ONNX Runtime with one thread, set up as in a sandbox."""
    settings = Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=0, parent=0)
    session = open_session(case.model, settings)
    return lambda: session.run(None, case.feeds[0])


def fastest(*ways: Callable[[], object]) -> list[float]:
    """Return the seconds of the fastest call of each, called in turns."""
    best = [float("inf")] * len(ways)
    for way in ways:
        way()
    for _ in range(TURNS):
        for at, way in enumerate(ways):
            until = perf_counter() + SHARE_S
            while True:
                began = perf_counter()
                way()
                ended = perf_counter()
                best[at] = min(best[at], ended - began)
                if ended > until:
                    break
    return best
