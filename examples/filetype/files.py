"""The files that the demonstration asks about: real ones, made by others, on any Debian machine with the pins.

None is generated. Each is named by where it comes from, a pinned Python package or a Debian package.
"""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

_PACKAGED = (
    ("onnx", "onnx/helper.py"),
    ("numpy", "numpy/__init__.pyi"),
    ("onnx", "onnx/onnx-ml.proto"),
    ("onnx", "onnx/defs/quantization/defs.cc"),
    ("onnx", "onnx/backend/test/data/simple/test_strnorm_model_monday_casesensintive_upper/model.onnx"),
    ("numpy", "numpy/_core/include/numpy/ndarraytypes.h"),
    ("numpy", "numpy/_core/tests/data/umath-validation-set-arcsinh.csv"),
    ("numpy", "numpy/_core/tests/data/astype_copy.pkl"),
    ("numpy", "numpy/lib/tests/data/py2-np0-objarr.npy"),
    ("numpy", "numpy/lib/tests/data/py3-objarr.npz"),
    ("numpy", "numpy/random/tests/data/generator_pcg64_np126.pkl.gz"),
    ("numpy", "numpy/f2py/tests/src/crackfortran/gh23879.f90"),
    ("plyvel", "plyvel/_plyvel.*.so"),
    ("import-linter", "importlinter/ui/static/index.html"),
    ("import-linter", "importlinter/ui/static/styles.css"),
    ("import-linter", "importlinter/ui/static/explorer.js"),
    ("import-linter", "importlinter/ui/static/favicon.svg"),
    ("import-linter", "importlinter/ui/static/logo.png"),
    ("magika", "magika/config/content_types_kb.min.json"),
    ("magika", "magika/models/standard_v3_3/README.md"),
    ("netaddr", "netaddr/ip/ipv6-unicast-address-assignments.xml"),
    ("certifi", "certifi/cacert.pem"),
    ("trio", "trio/_tests/astrill-codesigning-cert.cer"),
    ("sniffio", "sniffio-*.dist-info/LICENSE.APACHE2"),
    ("setuptools", "setuptools/gui-64.exe"),
    ("zipp", "zipp-*.dist-info/top_level.txt"),  # five bytes
    ("packaging", "packaging/py.typed"),  # empty
)
_DEBIAN = (
    ("coreutils", "/usr/bin/ls"),
    ("libc-bin", "/usr/bin/ldd"),
    ("base-files", "/usr/share/common-licenses/GPL-3"),
    ("debconf", "/usr/share/perl5/Debconf/Config.pm"),
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file, and the package that it comes from."""

    origin: str
    path: Path
    name: str
    """The path as people write it: from the folder of installed packages, or whole."""


def samples() -> list[Sample]:
    """Return the files that this machine has, in a fixed order; those of Debian are absent elsewhere."""
    site = Path(sysconfig.get_paths()["purelib"])
    found = [
        Sample(origin=f"Python package {package}", path=path, name=str(path.relative_to(site)))
        for package, pattern in _PACKAGED
        for path in sorted(site.glob(pattern))[:1]
    ]
    return found + [
        Sample(origin=f"Debian package {package}", path=Path(path), name=path)
        for package, path in _DEBIAN
        if Path(path).is_file()
    ]
