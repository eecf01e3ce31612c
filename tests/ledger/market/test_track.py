import pytest

from ledger.market import track
from ledger.moment import Moment
from ledger.parameters import Parameters, Tier
from ledger.records import Track
from ledger.state import change
from testnet.kit import ledger_builders as kit

NEW = Track(settled=0, trusted=0, rejected=0, convicted=0, grey=0, forced=0)
PROVIDER = kit.address("worker 0")


@pytest.fixture
def moment() -> Moment:
    world = kit.a_world()
    clock = world.state.clock()
    return Moment(
        charter=world.charter,
        state=world.state.child(),
        height=clock.height + 1,
        time_ms=clock.time_ms + 1,
        live_ms=clock.live_ms,
        beacon=clock.beacon,
        base_fee=clock.base_fee,
        events=[],
    )


def rate(moment: Moment, tier: Tier = Tier.SPOT) -> int:
    return track.audit_bps(moment.parameters, moment.state.track(PROVIDER), tier)


@pytest.mark.parametrize(("trusted", "told"), [(0, 10_000), (1, 9_524), (20, 5_000), (60, 2_500), (80, 2_000)])
def test_the_audit_rate_falls_with_each_settled_job_j52(trusted: int, told: int) -> None:
    assert track.audit_bps(Parameters(), change(NEW, trusted=trusted), Tier.SPOT) == told


def test_the_audit_rate_never_falls_below_that_of_the_tier_j52() -> None:
    old = change(NEW, trusted=10**9)
    assert track.audit_bps(Parameters(), old, Tier.SPOT) == 2_000
    for tier in (Tier.STANDARD, Tier.HIGH, Tier.MAX):
        assert track.audit_bps(Parameters(), old, tier) == 10_000


def test_a_settled_job_adds_trust_and_a_reject_moves_nothing_j52(moment: Moment) -> None:
    track.settled(moment, PROVIDER)
    assert rate(moment) == 9_524
    track.rejected(moment, PROVIDER)
    assert rate(moment) == 9_524
    assert moment.state.track(PROVIDER) == change(NEW, settled=1, trusted=1, rejected=1)


@pytest.mark.parametrize("found", [track.convicted, track.grey])
def test_who_was_convicted_or_grey_is_always_verified_and_begins_anew_j53(moment: Moment, found: object) -> None:
    for _ in range(80):
        track.settled(moment, PROVIDER)
    assert rate(moment) == 2_000
    assert callable(found)
    found(moment, PROVIDER)
    for _ in range(moment.parameters.audit_forced):
        assert rate(moment) == 10_000
        track.settled(moment, PROVIDER)
    assert rate(moment) == 10_000
    track.settled(moment, PROVIDER)
    assert rate(moment) == 9_524
