import pytest

from ledger.apply import apply_block
from ledger.block import PROTOCOL_VERSION
from ledger.genesis import charter_of
from ledger.stake.records import RuleVersion
from ledger.stake.versions import PROTOCOLS, VM_VERSION, RulesUnknownError, rules_at
from ledger.state import change
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit

FROM_MS = kit.GENESIS_MS + 5_000
FIRST = RuleVersion(protocol=PROTOCOL_VERSION, vm=VM_VERSION, from_ms=0)


def a_world(*planned: RuleVersion) -> kit.World:
    return kit.a_world(change(kit.a_genesis(), versions=[FIRST, *planned]))


def test_the_program_knows_the_rules_that_it_writes_into_headers() -> None:
    assert PROTOCOL_VERSION in PROTOCOLS


def test_rules_hold_from_their_time_on_until_the_next_do() -> None:
    second = RuleVersion(protocol=PROTOCOL_VERSION, vm=VM_VERSION, from_ms=FROM_MS)
    state = a_world(second).state
    assert [rules_at(state, time_ms) for time_ms in (0, FROM_MS - 1, FROM_MS)] == [FIRST, FIRST, second]


@pytest.mark.parametrize(
    "unknown",
    [
        RuleVersion(protocol=99, vm=VM_VERSION, from_ms=FROM_MS),
        RuleVersion(protocol=PROTOCOL_VERSION, vm=99, from_ms=FROM_MS),
    ],
    ids=["protocol", "vm"],
)
def test_rules_that_the_program_does_not_know_stop_it_when_they_come_into_force(unknown: RuleVersion) -> None:
    world = a_world(unknown)
    world.block(passed_ms=4_999)
    good = world.chain.head
    child = change(world.finals[-1].block.header, timestamp_ms=FROM_MS)
    with pytest.raises(RulesUnknownError) as caught:
        world.block(passed_ms=1)
    assert caught.value.seen == unknown
    assert caught.value.reason is Reason.RULES_UNKNOWN
    assert "99" in str(caught.value)
    with pytest.raises(RulesUnknownError):
        apply_block(world.charter, good, change(world.finals[-1].block, header=child))


@pytest.mark.parametrize(
    "versions",
    [
        [change(FIRST, from_ms=1)],
        [FIRST, FIRST],
        [FIRST, change(FIRST, from_ms=9), change(FIRST, from_ms=8)],
        [],
    ],
    ids=["none at first", "two from one time on", "out of order", "none"],
)
def test_a_genesis_is_refused_with_rules(versions: list[RuleVersion]) -> None:
    with pytest.raises(Refused) as caught:
        charter_of(change(kit.a_genesis(), versions=versions))
    assert caught.value.reason is Reason.MALFORMED
