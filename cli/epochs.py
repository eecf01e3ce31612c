"""When a change of the validators takes effect, in words."""

from dataclasses import dataclass

from node.rpc.client import RpcClient
from node.rpc.json_value import Json

AHEAD = 2
"""The end of an epoch fixes the set of the one after the next (Q3)."""
_SECOND_MS = 1_000
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


@dataclass(frozen=True, kw_only=True)
class Effect:
    """From when on."""

    epoch: int
    from_ms: int
    """Block time, at the earliest."""
    told: str


def effect_of(node: RpcClient) -> Effect:
    """Return when what the chain holds by now is first in the set of an epoch."""
    epoch, head = node.table("epoch.get"), node.table("chain.head")
    number, started_ms, epoch_ms = (int(str(epoch[name])) for name in ("epoch", "started_ms", "epoch_ms"))
    from_ms = started_ms + AHEAD * epoch_ms
    left = max(0, from_ms - int(str(head["timestamp_ms"])))
    told = f"from epoch {number + AHEAD} on, in about {span(left)}; now is epoch {number}"
    return Effect(epoch=number + AHEAD, from_ms=from_ms, told=told)


def moment(unix_ms: Json) -> str:
    """Return a time as people read it."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(str(unix_ms)) // _SECOND_MS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(milliseconds: int) -> str:
    """Return a span of time with its two largest units."""
    parts: list[str] = []
    for size, unit in _UNITS:
        count, milliseconds = divmod(milliseconds, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join([part for part in parts[:2] if not part.startswith("0 ")]) or "0 s"
