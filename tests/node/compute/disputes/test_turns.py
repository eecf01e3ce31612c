"""Who asks the sandboxes first, of all that disputes ask."""

import trio
import trio.testing

from node.compute.disputes.turns import LONG_RUN_MS, RUNNING_MAX, Turns


class Desk:
    """Notes who came to ask, and lets each go when the test says so."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.asking: list[str] = []
        self._leave: dict[str, trio.Event] = {}

    async def come(self, nursery: trio.Nursery, name: str, due: int, *, run_ms: int = 0) -> None:
        self._leave[name] = trio.Event()
        nursery.start_soon(self._ask, name, due, run_ms)
        await trio.testing.wait_all_tasks_blocked()

    async def _ask(self, name: str, due: int, run_ms: int) -> None:
        async with self.turns.turn(due_live_ms=due, run_ms=run_ms):
            self.asking.append(name)
            await self._leave[name].wait()
        self.asking.remove(name)

    async def leave(self, name: str) -> None:
        self._leave[name].set()
        await trio.testing.wait_all_tasks_blocked()


async def test_what_is_due_first_goes_first_d29() -> None:
    desk = Desk()
    async with trio.open_nursery() as nursery:
        for at in range(RUNNING_MAX):
            await desk.come(nursery, f"early {at}", 0)
        for name, due in (("unowed", 10**9), ("late", 200), ("soon", 100)):
            await desk.come(nursery, name, due)
        await desk.leave("early 0")
        assert desk.asking == ["early 1", "soon"]
        await desk.leave("soon")
        assert desk.asking == ["early 1", "late"]
        nursery.cancel_scope.cancel()


async def test_long_runs_leave_a_place_for_short_ones_d29() -> None:
    desk = Desk()
    async with trio.open_nursery() as nursery:
        await desk.come(nursery, "long", 1, run_ms=LONG_RUN_MS)
        await desk.come(nursery, "longer", 2, run_ms=2 * LONG_RUN_MS)
        assert desk.asking == ["long"]
        await desk.come(nursery, "short", 3, run_ms=LONG_RUN_MS - 1)
        assert desk.asking == ["long", "short"]
        await desk.leave("long")
        assert desk.asking == ["short", "longer"]
        nursery.cancel_scope.cancel()


async def test_who_goes_away_leaves_no_place_taken_d29() -> None:
    turns = Turns()
    async with trio.open_nursery() as nursery:

        async def hold() -> None:
            async with turns.turn(due_live_ms=0, run_ms=0):
                await trio.sleep_forever()

        for _ in range(3 * RUNNING_MAX):  # some of them ask, and some wait
            nursery.start_soon(hold)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with trio.fail_after(1):
        async with turns.turn(due_live_ms=0, run_ms=0):
            pass
