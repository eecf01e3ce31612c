"""The compiled kernels of this machine: made once for a processor and kept beside the code, as Python keeps its own.

`python -m vm.compiled` makes them, which takes half a minute. Where there are none everything works and takes longer.
With a processor's name and features, as LLVM has them, it makes those of another processor of the same kind.
"""

import hashlib
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from vm.canonical.fast_library import Library

_CODE = Path(__file__).parent / "canonical"
_KEPT = _CODE / "__pycache__"
_NAME_LENGTH = 16
"""Hex digits; what is kept is our own."""
_DIGEST_BYTES = 32
"""SHA-256 of what follows: machine code that is not whole would bring the process down."""
_SOURCES = ("coefficients.py", "fast_build.py", "fast_library.py", "fast_code_*.py")


def load() -> Library | None:
    """Return the kernels for this processor, or None if there are none. Before the process is sealed off."""
    try:
        code = read(_file(*_processor()))
        return None if code is None else Library(code)
    except (OSError, ImportError):
        return None


def make() -> Library:
    """Return the kernels for this processor; compile them first if need be, and keep them if they can be kept."""
    kept = load()
    if kept is not None:
        return kept
    from vm.canonical.fast_build import compiled  # noqa: PLC0415 - numba, for this alone

    code = compiled()
    keep(_file(*_processor()), code)
    return Library(code)


def make_for(processor: str, features: str) -> None:
    """Compile the kernels for another processor, and keep them if they can be kept; in a process that does no more."""
    os.environ["NUMBA_CPU_NAME"], os.environ["NUMBA_CPU_FEATURES"] = processor, features  # read when it is imported
    from vm.canonical.fast_build import compiled  # noqa: PLC0415 - numba, for this alone

    if not _file(processor, features).exists():
        keep(_file(processor, features), compiled())


def _processor() -> tuple[str, str]:
    """Return the name and the features of this processor. Raises ImportError where there is no llvmlite."""
    import llvmlite.binding as llvm  # noqa: PLC0415 - everything else works without it

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _file(processor: str, features: str) -> Path:
    """Return where the kernels are kept: by code, compiler and processor."""
    told = [version("numba"), version("llvmlite"), processor, features]
    name = hashlib.sha256("\n".join(told).encode())
    for source in sources():
        name.update(source.read_bytes())
    return _KEPT / f"kernels-{name.hexdigest()[:_NAME_LENGTH]}.o"


def sources() -> list[Path]:
    """Return the files that decide what the kernels compute."""
    return sorted(file for pattern in _SOURCES for file in _CODE.glob(pattern))


def read(file: Path) -> bytes | None:
    """Return what `keep` wrote, or None if it is not what was written. Raises OSError."""
    raw = file.read_bytes()
    code = raw[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == raw[:_DIGEST_BYTES] else None


def keep(file: Path, code: bytes) -> None:
    """Write a file whole or not at all, its digest first."""
    try:
        file.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as writing:
            writing.write(hashlib.sha256(code).digest() + code)
        Path(writing.name).chmod(0o644)  # whoever may run the code may run this
        Path(writing.name).replace(file)
    except OSError as fault:
        sys.stderr.write(f"the compiled kernels are not kept: {fault}\n")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        make()
    else:
        make_for(sys.argv[1], sys.argv[2])
