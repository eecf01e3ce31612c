"""What is done to a network, drawn from a seed: one victim at a time, and now and then so many that it must halt."""

import enum
import random

import msgspec

NORMAL_FAULT_S = 4.0
"""The longest of most faults; enough for several views."""
PAUSE_S_MAX = 10.0
"""A pause that outlasts all patience of its peers."""
LONG_PAUSES = 0.2
"""Of the pauses are of any length up to that."""
HALT_EVERY = 25
"""Events between two halts of the whole network."""
DELAY_MS = (100, 600)
BYTES_PER_S = (20_000, 200_000)
_MS = 1_000


@enum.unique
class Fault(enum.StrEnum):
    """What may happen to nodes."""

    KILL = "kill"
    """SIGKILL at any instant; started again after a while."""
    RESTART = "restart"
    """SIGTERM, and started again at once."""
    PAUSE = "pause"
    """SIGSTOP for a while."""
    CUT = "cut"
    """All connections are closed and refused for a while."""
    MUTE = "mute"
    """The node hears the others for a while and is not heard."""
    SLOW = "slow"
    """The node's lines are long and thin for a while."""
    RESTORE = "restore"
    """SIGKILL, and started again on an older copy of its home."""
    HALT = "halt"
    """More nodes than the network bears are killed at once, and started again."""


WEIGHTS = {
    Fault.KILL: 4,
    Fault.PAUSE: 3,
    Fault.CUT: 3,
    Fault.RESTART: 2,
    Fault.RESTORE: 2,
    Fault.MUTE: 1,
    Fault.SLOW: 1,
}
"""How often each comes, but HALT, which is announced."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is done, and undone after `lasts_ms`."""

    fault: Fault
    victims: list[str]
    lasts_ms: int
    delay_ms: int = 0
    bytes_per_s: int = 0

    def told(self) -> str:
        """Return the event in a few words."""
        line = f", {self.delay_ms} ms and {self.bytes_per_s // _MS} kB/s" if self.fault is Fault.SLOW else ""
        return f"{self.fault} {' '.join(self.victims)} for {self.lasts_ms / _MS:.1f} s{line}"


def plan(seed: int, events: int, nodes: list[str], bears: int) -> list[Event]:
    """Return the events for a network of validators that bears so many faulty ones.

    Each kind comes at least once, if there is room. All but HALT have at most `bears` victims.
    """
    chance = random.Random(seed)
    kinds = [Fault.HALT if at % HALT_EVERY == 0 else _kind(chance) for at in range(1, events + 1)]
    free = [at for at, kind in enumerate(kinds) if kind is not Fault.HALT]
    for at, kind in zip(free, chance.sample(list(WEIGHTS), len(WEIGHTS)), strict=False):
        kinds[at] = kind
    return [_event(kind, chance, nodes, bears) for kind in kinds]


def _kind(chance: random.Random) -> Fault:
    return chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]


def _event(kind: Fault, chance: random.Random, nodes: list[str], bears: int) -> Event:
    is_halt = kind is Fault.HALT
    victims = sorted(chance.sample(nodes, min(len(nodes), bears + 1) if is_halt else chance.randint(1, max(1, bears))))
    is_long = kind is Fault.PAUSE and chance.random() < LONG_PAUSES
    lasts_s = chance.uniform(0.2, PAUSE_S_MAX if is_long else NORMAL_FAULT_S)
    return Event(
        fault=kind,
        victims=victims,
        lasts_ms=0 if kind is Fault.RESTART else round(lasts_s * _MS),
        delay_ms=chance.randint(*DELAY_MS) if kind is Fault.SLOW else 0,
        bytes_per_s=chance.randint(*BYTES_PER_S) if kind is Fault.SLOW else 0,
    )
