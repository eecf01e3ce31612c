"""Scores, bans, rates, and who has to leave a full house."""

from hypothesis import given
from hypothesis import strategies as some

from node.peers.eviction import PROTECTED_EACH, Guest, choose_to_leave
from node.peers.rate import NAMES_MAX, Bucket, Buckets, Rate
from node.peers.standing import DEEDS_TO_CREDIT_MAX, HALF_LIFE_S, TRACKED_MAX, Standing, Step


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def standing(faults_until_ban: int = 8) -> tuple[Standing, Clock]:
    clock = Clock()
    return Standing(faults_until_ban=faults_until_ban, ban_s=3_600, clock=clock), clock


def test_faults_cut_a_peer_off_first_and_ban_it_then() -> None:
    kept, clock = standing()
    steps = [kept.blame("peer") for _ in range(8)]
    assert steps == [Step.NOTHING] * 5 + [Step.CUT, Step.NOTHING, Step.BAN]
    assert kept.is_banned("peer")
    assert kept.score("peer") == -1.0
    assert not kept.is_banned("another")
    clock.now += 3_600
    assert not kept.is_banned("peer")
    assert kept.score("peer") == 0.0


def test_faults_are_forgiven_with_time() -> None:
    kept, clock = standing()
    for _ in range(7):
        kept.blame("peer")
        clock.now += HALF_LIFE_S
    assert not kept.is_banned("peer")
    assert kept.score("peer") > -0.2


def test_good_deeds_weigh_against_faults_up_to_a_limit() -> None:
    kept, _ = standing()
    for _ in range(10 * DEEDS_TO_CREDIT_MAX):
        kept.praise("peer")
    assert kept.score("peer") == 0.5
    steps = [kept.blame("peer") for _ in range(12)]
    assert steps.index(Step.BAN) == 11
    assert kept.blame("stranger", 8) is Step.BAN


def test_who_is_half_way_to_a_ban_is_shady() -> None:
    kept, _ = standing()
    assert not kept.is_shady("peer")
    kept.blame("peer", 4)
    assert kept.is_shady("peer")


def test_bans_are_lifted_and_handed_on_but_never_prolonged() -> None:
    kept, clock = standing()
    kept.ban("a")
    kept.ban("b", seconds=10)
    assert kept.bans() == [("a", int(clock.now) + 3_600), ("b", int(clock.now) + 10)]
    assert kept.unban("a")
    assert not kept.unban("a")
    heir, later = standing()
    heir.restore([("b", int(later.now) + 10), ("c", int(later.now) + 10**9), ("d", 5)])
    assert [name for name, _ in heir.bans()] == ["b", "c"]
    later.now += 3_600
    assert heir.bans() == []


def test_bans_are_remembered_of_a_bounded_number_of_peers() -> None:
    kept, _ = standing(1)
    for number in range(TRACKED_MAX + 1):
        kept.blame(str(number))
    assert not kept.is_banned("0")
    assert kept.is_banned(str(TRACKED_MAX))


@given(some.lists(some.tuples(some.floats(0, 3), some.floats(0, 5)), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_its_burst(wishes: list[tuple[float, float]]) -> None:
    bucket = Bucket(Rate(per_s=2, burst=5), 0.0)
    now = taken = 0.0
    for pause, count in wishes:
        now += pause
        if bucket.take(count, now):
            taken += count
        assert taken <= 5 + 2 * now + 1e-6


def test_who_takes_more_than_there_is_pauses_until_it_is_paid_back() -> None:
    bucket = Bucket(Rate(per_s=10, burst=10), 0.0)
    assert bucket.owe(10, 0.0) == 0.0
    assert bucket.owe(5, 0.0) == 0.5
    assert bucket.owe(5, 0.5) == 0.5


def test_buckets_are_kept_of_a_bounded_number_of_names() -> None:
    buckets = Buckets(Rate(per_s=1, burst=1))
    assert buckets.of("first", 0.0).take(1, 0.0)
    assert not buckets.of("first", 0.0).take(1, 0.0)
    for number in range(NAMES_MAX):
        buckets.of(str(number), 0.0)
    assert buckets.of("first", 0.0).take(1, 0.0)


def guest(number: int, host: str, *, since: float, rtt: float = 0.5, useful: float = 0.0, shady: bool = False) -> Guest:
    peer = number.to_bytes(2, "big")
    return Guest(peer=peer, host=host, since_s=since, rtt_s=rtt, useful_s=useful, is_shady=shady)


def test_the_old_the_near_and_the_useful_stay_and_the_crowd_goes() -> None:
    old = [guest(at, f"1.1.{at}.1", since=at) for at in range(PROTECTED_EACH)]
    near = [guest(10 + at, f"2.1.{at}.1", since=100 + at, rtt=0.001) for at in range(PROTECTED_EACH)]
    useful = [guest(20 + at, f"3.1.{at}.1", since=100 + at, useful=90 + at) for at in range(PROTECTED_EACH)]
    crowd = [guest(30 + at, "6.6.6.6", since=200 + at) for at in range(5)]
    alone = [guest(40, "4.4.4.4", since=300)]
    everybody = old + near + useful + crowd + alone
    for _ in range(4):
        chosen = choose_to_leave(everybody)
        assert chosen in [each.peer for each in crowd]
        everybody = [each for each in everybody if each.peer != chosen]
    assert choose_to_leave(old + near + useful) is None


def test_the_shady_go_first() -> None:
    assert choose_to_leave([guest(1, "1.1.1.1", since=1, shady=True), guest(2, "6.6.6.6", since=9)]) == b"\x00\x01"
    assert choose_to_leave([]) is None


def test_what_is_repaid_can_be_taken_again_but_fills_no_bucket_beyond_its_burst() -> None:
    bucket = Bucket(Rate(per_s=1.0, burst=10.0), 0.0)
    assert bucket.owe(12, 0.0) == 2.0
    bucket.repay(12)
    assert bucket.owe(10, 0.0) == 0.0
    bucket.repay(50)
    assert bucket.owe(11, 0.0) == 1.0
