"""The whole corpus, judged in sandboxes: `python -m tests.vm.hostile.corpus` takes the slow ones too, and minutes."""

import sys
import time
from collections.abc import Iterable

import trio

from primitives.reasons import Reason, Refused
from tests.vm.hostile.bombs import BOMBS, HARMLESS
from tests.vm.hostile.expected import LIMITS, SAID, SERVED, SLOW
from tests.vm.hostile.files import FILES
from tests.vm.hostile.make import Hostile
from tests.vm.hostile.nodes import NODES
from vm.pool import Pool, PoolConfig, open_pool
from vm.sandbox_protocol import Failed, refused

CORPUS = [*FILES, *BOMBS, *NODES, *HARMLESS]
WHOLE_FILE = {
    Reason.MODEL_UNREADABLE, Reason.OPSET_REFUSED, Reason.FUNCTIONS_REFUSED, Reason.TOO_MANY_NODES, Reason.TOO_COSTLY,
    Reason.TYPE_REFUSED, Reason.OUTPUT_TOO_LARGE,
}  # fmt: skip
"""What may be said of a file as a whole; all else names a node, a weight, an input or an output."""
PLACES = ("node", "where", "what", "output")


async def said(pool: Pool, hostile: Hostile) -> Refused | None:
    """Return what stands against class exact, or None if nothing does."""
    try:
        checked = await pool.check(hostile.build(), shapes=hostile.shapes)
    except Refused as fault:
        return fault
    against = [fault for fault in checked.faults if fault.exact]
    return refused(Failed(reason=against[0].reason, facts=against[0].facts)) if against else None


def expected(name: str) -> set[Reason | None]:
    """Return what may be said to a model."""
    if name in SLOW:
        return {*SLOW[name], *LIMITS, None} if name == "folds-many" else {*SLOW[name], *LIMITS}
    return {None} if name in SERVED else {reason for reason, names in SAID.items() if name in names}


def finding(hostile: Hostile, fault: Refused | None) -> str:
    """Return what is wrong with what was said to a model: another reason than expected, or no place; "" if nothing."""
    reason = None if fault is None else fault.reason
    if reason not in expected(hostile.name):
        return f"{hostile.name}: {fault}"
    if fault is not None and reason not in WHOLE_FILE | LIMITS and not any(at in fault.facts for at in PLACES):
        return f"{hostile.name} names no place: {fault}"
    return ""


async def findings(pool: Pool, corpus: Iterable[Hostile]) -> list[str]:
    """Return what is wrong, one line for each model of which something is."""
    found = [finding(hostile, await said(pool, hostile)) for hostile in corpus]
    return [line for line in found if line]


async def _main() -> int:
    found = 0
    async with open_pool(PoolConfig()) as pool:
        for hostile in CORPUS:
            began = time.monotonic()
            fault = await said(pool, hostile)
            wrong, took = finding(hostile, fault), time.monotonic() - began
            found += bool(wrong)
            print(f"{hostile.name:<32} {took:6.1f} s  {'! ' if wrong else ''}{fault or 'served'!s:.140}", flush=True)
    print(f"{len(CORPUS)} models, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(trio.run(_main))
