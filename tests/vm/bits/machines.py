"""Other processors, emulated by qemu-user from Debian's packages: x86 of several ages, and arm64 with its own Python.

Kernels for an emulated x86 are compiled here and loaded there; those for arm64 are compiled there, by its own LLVM.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.vm.deviation.emulated import EMULATOR, PROCESSORS

ROOT = Path(__file__).parents[3]
LIMIT_S = 3000
"""For all models in one way on a busy machine; they take a minute or two, and compiling on arm64 ten."""
ARM64 = "arm64"
_ARM_EMULATOR = "qemu-aarch64"
_ARM_PACKAGES = (
    "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1", "libstdc++6", "zlib1g",
    "libexpat1", "libffi8", "libssl3", "libbz2-1.0", "liblzma5",
)  # fmt: skip
_ARM_WHEELS = ("numpy", "msgspec", "llvmlite", "numba")
_ARM_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
_CPU = "import llvmlite.binding as l; print(l.get_host_cpu_name(), l.get_host_cpu_features().flatten())"


@dataclass(frozen=True)
class Machine:
    """A processor, and how a Python program is started on it."""

    name: str
    about: str
    command: list[str]
    environment: dict[str, str]

    def python(self, *arguments: str) -> str:
        """Run Python with these arguments; return what it prints. Raises OSError with what it said, TimeoutExpired."""
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **self.environment}
        done = subprocess.run(
            [*self.command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise OSError(f"{self.name}: {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout


HERE = Machine("here", "this machine", [sys.executable], {})


def emulated() -> list[Machine]:
    """Return the x86 processors; none without the emulator."""
    if shutil.which(EMULATOR) is None:
        return []
    return [
        # Without the core's name OpenBLAS asks the real processor, and ends by an instruction that the emulated lacks.
        Machine(name, about, [EMULATOR, "-cpu", name, sys.executable], {"OPENBLAS_CORETYPE": "Nehalem"})
        for name, about in PROCESSORS.items()
    ]


def compile_for(machine: Machine) -> None:
    """Compile the kernels for an emulated x86 on this one."""
    name, features = machine.python("-c", _CPU).split()
    HERE.python("-m", "vm.compiled", name, features)


def arm64(folder: Path) -> Machine:
    """Return arm64, its Python and libraries put into a folder; nothing on this machine is changed.

    Raises OSError or CalledProcessError where they can't be had: no emulator, no Debian, no network.
    """
    if shutil.which(_ARM_EMULATOR) is None:
        raise FileNotFoundError(f"no {_ARM_EMULATOR} here: apt-get install qemu-user")
    root, site = folder / "root", folder / "site"
    if not (folder / "ready").exists():
        _debian(folder, root)
        _wheels(folder, site)
        (folder / "ready").touch()
    libraries = root / "usr" / "lib" / "aarch64-linux-gnu"
    told = {"PYTHONHOME": root / "usr", "PYTHONPATH": f"{ROOT}:{site}", "LD_LIBRARY_PATH": libraries}
    words = [word for name, value in told.items() for word in ("-E", f"{name}={value}")]
    python = str(root / "usr" / "bin" / "python3.11")
    return Machine(ARM64, "arm64", [_ARM_EMULATOR, "-L", str(root), *words, python], {})


def _debian(folder: Path, root: Path) -> None:
    """Get arm64 packages of Debian, and unpack them into `root`, with lists and caches of their own."""
    for each in ("lists/partial", "cache/archives/partial", "packages", "root"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    told = {
        "APT::Architecture": "arm64", "APT::Architectures": "arm64", "APT::Sandbox::User": "root",
        "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status", "Dir::Cache": folder / "cache",
    }  # fmt: skip
    options = [word for name, value in told.items() for word in ("-o", f"{name}={value}")]
    packages = folder / "packages"
    _quietly("apt-get", *options, "update")
    _quietly("apt-get", *options, "download", *_ARM_PACKAGES, cwd=packages)
    for package in sorted(packages.glob("*.deb")):
        _quietly("dpkg", "-x", str(package), str(root))


def _wheels(folder: Path, site: Path) -> None:
    """Get the wheels for arm64 of what a runner imports, in the versions that are installed here."""
    pins = [f"{name}=={version(name)}" for name in _ARM_WHEELS]
    platforms = [word for each in _ARM_PLATFORMS for word in ("--platform", each)]
    _quietly(
        sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
        "--python-version", "3.11", *platforms, "-d", str(folder / "wheels"), *pins,
    )  # fmt: skip
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        with zipfile.ZipFile(wheel) as held:
            held.extractall(site)


def _quietly(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=LIMIT_S)
