"""Leaving out what libp2p imports and we never use: a fifth of the program's memory and start-up."""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NEVER_USED = ("httpx", "requests", "zeroconf")
"""Certificates from the web (AutoTLS) and discovery by multicast."""


class _AbsentModule(ModuleType):
    """Has an empty class for every name, so that it can be imported from and inherited from, and no more."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _AbsentFinder(MetaPathFinder, Loader):
    """Finds NEVER_USED and their submodules before the real ones."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface of the standard library
        target: ModuleType | None = None,  # noqa: ARG002 - the same
    ) -> ModuleSpec | None:
        is_absent = fullname.partition(".")[0] in NEVER_USED
        return ModuleSpec(fullname, self, is_package=True) if is_absent else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with nothing."""


def import_without_them() -> None:
    """Make later imports of NEVER_USED give empty modules."""
    sys.meta_path.insert(0, _AbsentFinder())
