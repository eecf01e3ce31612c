"""Who asks the sandboxes first, of all that disputes ask."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from ledger.market.pace import RUN_TIMES
from node.compute.disputes.turns import LONG_RUN_MS, RUNNING_MAX, Turns
from node.compute.engine import SandboxEngine
from node.ports import Role, Task
from testnet.kit.checked import a_checked
from testnet.kit.ledger_builders import a_cost, a_lowering, a_model
from vm.dispute_protocol import Asked, BytesTold, ResultAsked
from vm.manifest import Class, model_id
from vm.pool import Pool, PoolConfig, Subject, _Wanted
from vm.sandbox_protocol import Checked


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


class Asking(Pool):
    """Derives what the test says, and notes whether it is asked anything."""

    def __init__(self, derived: Checked) -> None:
        super().__init__(PoolConfig())
        self.derived = derived
        self.asked = 0

    async def check(
        self,
        model: bytes,
        *,
        shapes: Sequence[Sequence[int]] = (),
        samples: Sequence[bytes] = (),
        calibrate: bool = True,
        offered: bool = False,
    ) -> Checked:
        return self.derived

    async def ask(
        self, subject: Subject, bundle: bytes, asked: Asked, told: type[_Wanted], *, cut: bytes | None = None
    ) -> _Wanted:
        self.asked += 1
        answer = BytesTold(raw=None)
        assert isinstance(answer, told)
        return answer


@pytest.mark.parametrize("gas", [1_000, LONG_RUN_MS * 1_000])
async def test_a_long_question_keeps_no_sandbox_from_anything_else_d29(gas: int) -> None:
    lowering = a_lowering(cost=a_cost(gas=gas // RUN_TIMES))
    derived = a_checked(lowering=lowering)
    pool, aside = Asking(derived), Asking(derived)
    task = Task(
        job=bytes(32),
        role=Role.DISPUTE,
        model_id=model_id(a_model()),
        model=b"an ONNX file",
        lowering=lowering,
        class_=Class.NATIVE,
        input=b"an input",
    )
    await SandboxEngine(pool, long_questions=aside).ask(task, ResultAsked(), BytesTold)
    assert (pool.asked, aside.asked) == ((0, 1) if gas > 1_000 else (1, 0))
