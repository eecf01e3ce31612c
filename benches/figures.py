"""What a benchmark gives, and how it is printed."""

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

LIBRARIES = ("msgspec", "PyNaCl", "libp2p", "plyvel", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value, with the unit and how it was come by."""

    what: str
    value: float
    unit: str
    method: str


def show(figure: Figure) -> None:
    """Print a figure: what, value, unit, method."""
    value = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:,.3g}"  # noqa: PLR2004 - three digits
    sys.stdout.write(f"  {figure.what:<48} {value:>8} {figure.unit:<4} {figure.method}\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """Print a heading or a remark."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def machine() -> list[str]:
    """Describe the machine, as far as it tells."""
    cpu = _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    memory = int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    system = f"{platform.system()} {platform.release()}"
    return [
        f"{cpu}, {cores} cores, {memory:,} MiB, {system}; load before the run {load:.1f}",
        f"Python {platform.python_version()}, {libraries}",
    ]


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def per_call_us(call: Callable[[], object], *, seconds: float = 0.4) -> float:
    """Return what one call takes, µs: the median of batches that together take about `seconds`."""
    began = perf_counter()
    call()
    once = max(perf_counter() - began, 1e-7)
    batch = max(1, int(0.01 / once))
    taken: list[float] = []
    until = perf_counter() + seconds
    while perf_counter() < until or not taken:
        began = perf_counter()
        for _ in range(batch):
            call()
        taken.append((perf_counter() - began) / batch)
    return median(taken) * 1e6


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
