"""How much a core holds: entries in all its collections, which must not grow with time or with what liars send."""

from collections import deque

from consensus.core import Core
from consensus.validators import Instance
from testnet.sim.checks import Broken

ENTRIES_A_VIEW = 12
"""Per validator: three votes counted, signatures of three certificates, own votes, verdicts, and some room."""
ENTRIES = 200
"""What there is besides."""


def entries(core: Core) -> int:
    """Return how many entries the collections within a core hold, those of its validators left out."""
    seen: dict[int, object] = {}
    waiting: deque[object] = deque([core])
    total = 0
    while waiting:
        held = waiting.popleft()
        if isinstance(held, Instance | bytes | int | str) or held is None or id(held) in seen:
            continue
        seen[id(held)] = held
        if isinstance(held, dict):
            total += len(held)
            waiting.extend(held.values())
        elif isinstance(held, list | set | tuple | deque):
            total += len(held) if not isinstance(held, tuple) else 0
            waiting.extend(held)
        elif isinstance(held, Core) or (type(held).__module__.startswith("consensus.") and hasattr(held, "__dict__")):
            waiting.extend(value for name, value in vars(held).items() if name not in {"_validators", "instance"})
    return total


def check_memory(core: Core, name: str) -> None:
    """Raise Broken if a core holds more than what is not final calls for."""
    open_views = core.view - core.final.view
    held, most = entries(core), ENTRIES + ENTRIES_A_VIEW * len(core.instance.validators) * (open_views + 4)
    if held > most:
        raise Broken("memory", f"{name} holds {held} entries, at most {most} with {open_views} views open")
