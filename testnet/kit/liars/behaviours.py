"""The names by which manifests order misbehaviour."""

from collections.abc import Callable
from pathlib import Path

from node.ports import Machine, Role
from testnet.kit.liars.copying import Copying, search_through
from testnet.kit.liars.lazy import Lazy
from testnet.kit.liars.puppet import Puppet
from testnet.kit.liars.silence import Slow, Speechless, Unrevealing
from testnet.kit.liars.values import Liar, Noisy, NudgeCut, OtherInput, SwapTopTwo

BEHAVIOURS: dict[str, Callable[[Machine, Path], Machine]] = {
    "other-input": lambda engine, _: OtherInput(engine),
    "swap-top-two": lambda engine, _: SwapTopTwo(engine),
    "nudge-cut": lambda engine, _: NudgeCut(engine),
    "liar": lambda engine, _: Liar(engine),
    "noisy": lambda engine, _: Noisy(engine),
    "copying": lambda engine, home: Copying(engine, search_through(home)),
    "silent-after-accept": lambda engine, _: Speechless(engine),
    "silent-after-commit": lambda engine, _: Unrevealing(engine),
    "never-reveals": lambda engine, _: Unrevealing(engine, Role.VERIFY),
    "slow": lambda engine, _: Slow(engine),
    "lazy": lambda engine, home: Lazy(engine, home.parent),
    "puppet": Puppet,
}
"""By name: what to put around the engine of the node in a home directory."""
