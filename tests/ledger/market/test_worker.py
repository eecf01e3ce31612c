import pytest

from ledger.parameters import Parameters
from ledger.transaction import JobAccept, Payload, WorkerBond, WorkerExit, WorkerRegister, WorkerUpdate
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit

REGISTER = WorkerRegister(
    peer=kit.key_of("peer"), bond=20 * KARAT, capacity=2, ask=7, gas_ask=0, classes=1, max_model_bytes=2**20
)


def reason(world: kit.World, name: str, payload: Payload) -> Reason | None:
    receipt = world.do(name, payload)
    return Reason(receipt.reason) if receipt.reason else None


@pytest.fixture
def world() -> kit.World:
    return kit.a_world()


def test_a_registration_moves_the_bond_from_the_balance(world: kit.World) -> None:
    before = world.balance("client")
    world.must("client", REGISTER)
    worker = world.state.worker(kit.address("client"))
    assert worker is not None
    assert (worker.bond, worker.locked, worker.capacity, worker.ask) == (20 * KARAT, 0, 2, 7)
    assert worker.registered == world.state.clock().height
    assert world.balance("client") == before - 20 * KARAT - kit.least_fee(REGISTER)
    assert world.state.totals().workers == 6


def test_a_registration_is_refused_twice_below_the_least_bond_and_above_the_balance(world: kit.World) -> None:
    small = WorkerRegister(peer=bytes(32), bond=KARAT, capacity=1, ask=0, gas_ask=0, classes=1, max_model_bytes=0)
    big = WorkerRegister(
        peer=bytes(32), bond=10_000 * KARAT, capacity=1, ask=0, gas_ask=0, classes=1, max_model_bytes=0
    )
    assert reason(world, "worker 0", REGISTER) is Reason.WORKER_EXISTS
    assert reason(world, "client", small) is Reason.BOND_TOO_SMALL
    assert reason(world, "client", big) is Reason.INSUFFICIENT_BALANCE


def test_a_bond_can_grow(world: kit.World) -> None:
    world.must("worker 0", WorkerBond(amount=5))
    assert world.worker("worker 0").bond == kit.WORKER_BOND + 5
    assert reason(world, "worker 0", WorkerBond(amount=0)) is Reason.ZERO_AMOUNT
    assert reason(world, "client", WorkerBond(amount=5)) is Reason.WORKER_UNKNOWN


def test_terms_can_change(world: kit.World) -> None:
    world.must("worker 0", WorkerUpdate(ask=9, gas_ask=0, capacity=0))
    worker = world.worker("worker 0")
    assert (worker.ask, worker.capacity) == (9, 0)
    assert reason(world, "client", WorkerUpdate(ask=9, gas_ask=0, capacity=0)) is Reason.WORKER_UNKNOWN


def test_an_exit_is_paid_when_fourteen_days_of_block_time_are_over(world: kit.World) -> None:
    before = world.balance("worker 0")
    world.must("worker 0", WorkerExit(amount=None))
    assert world.state.worker(kit.address("worker 0")) is None
    assert world.balance("worker 0") == before - kit.least_fee(WorkerExit(amount=None))
    ((due, who, grains),) = world.state.unbonding()
    assert (due, who, grains) == (
        world.state.clock().time_ms + 14 * 86_400_000,
        kit.address("worker 0"),
        kit.WORKER_BOND,
    )
    world.block(passed_ms=14 * 86_400_000 - 1)
    assert world.balance("worker 0") == before - kit.least_fee(WorkerExit(amount=None))
    world.block(passed_ms=1)
    assert world.balance("worker 0") == before - kit.least_fee(WorkerExit(amount=None)) + kit.WORKER_BOND
    assert list(world.state.unbonding()) == []
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_a_part_can_leave_and_two_parts_in_one_block_add_up(world: kit.World) -> None:
    world.block(world.sign("worker 0", WorkerExit(amount=3)), world.sign("worker 0", WorkerExit(amount=4), ahead=1))
    assert [grains for _, _, grains in world.state.unbonding()] == [7]
    assert world.worker("worker 0").bond == kit.WORKER_BOND - 7


def test_what_a_job_holds_cannot_leave(world: kit.World) -> None:
    kit.publish(world)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=KARAT))
    locked = 2 * KARAT + 3 * Parameters().verifier_fee
    assert reason(world, "worker 0", WorkerExit(amount=None)) is Reason.BOND_LOCKED
    assert reason(world, "worker 0", WorkerExit(amount=kit.WORKER_BOND - locked + 1)) is Reason.BOND_LOCKED
    assert reason(world, "worker 0", WorkerExit(amount=kit.WORKER_BOND - 9 * KARAT)) is Reason.BOND_TOO_SMALL
    assert reason(world, "worker 0", WorkerExit(amount=0)) is Reason.ZERO_AMOUNT
    world.must("worker 0", WorkerExit(amount=kit.WORKER_BOND - 10 * KARAT))


def test_who_left_can_register_anew(world: kit.World) -> None:
    world.must("worker 0", WorkerExit(amount=None))
    world.must("worker 0", REGISTER)
    assert world.state.totals().workers == 5
