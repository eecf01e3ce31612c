"""The pool does what a model of a few lines does, which looks at everything each time."""

from dataclasses import dataclass
from functools import cache

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.fees import gas
from ledger.records import Account
from ledger.transaction import Transaction
from node.mempool.pool import Pool, PoolLimits
from node.mempool.waiting import awaiting_job
from primitives.reasons import Refused
from testnet.kit.ledger_builders import GENESIS_MS, address
from tests.node.mempool.test_pool import JOB, LEAST, a_commitment, a_transaction

LIMITS = PoolLimits(per_account=4, total=8, total_bytes=1_400, base_fee_min=LEAST)
NAMES = ("ann", "ben", "cy", "dan", "eve")
BEHIND_GAP = LIMITS.total // 4


@cache
def made(name: str, nonce: int, tip: int, cap: int, commits: bool) -> Transaction:
    make = a_commitment if commits else a_transaction
    return make(name, nonce, tip=tip, cap=LEAST + cap)


@dataclass
class Held:
    """One that waits, in the model."""

    transaction: Transaction
    arrival: int
    awaited: bool
    kept: bool = False


class PoolMachine(RuleBasedStateMachine):
    """Transactions come, blocks come; the model is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(LIMITS)
        self.held: list[Held] = []
        self.nonces = dict.fromkeys(NAMES, 0)
        self.balances = dict.fromkeys(NAMES, 10**9)
        self.base_fee = LEAST
        self.kept = False
        self.arrivals = 0

    # --- the model

    def of(self, name: str) -> list[Held]:
        mine = [each for each in self.held if each.transaction.sender == address(name)]
        return sorted(mine, key=lambda each: each.transaction.body.nonce)

    def next_nonce(self, name: str) -> int:
        taken = {each.transaction.body.nonce for each in self.of(name)}
        return next(nonce for nonce in range(self.nonces[name], 100) if nonce not in taken)

    def offer(self, held: Held) -> int:
        body = held.transaction.body
        return min(body.tip, body.fee_cap - self.base_fee)

    def standing(self, name: str, upto: list[Held]) -> float:
        last = upto[-1]
        if last.kept:
            return float("inf")
        if self.is_behind_gap(name, last):
            return float("-inf")
        return min(self.offer(each) for each in upto if not each.kept)

    def is_behind_gap(self, name: str, held: Held) -> bool:
        return held.transaction.body.nonce > self.next_nonce(name)

    def is_parked(self, held: Held, base_fee: int) -> bool:
        return held.transaction.body.fee_cap < base_fee and not held.kept

    def size(self, held: list[Held]) -> int:
        return sum(len(each.transaction.raw) for each in held)

    def fits(self, held: list[Held]) -> bool:
        return len(held) <= LIMITS.total and self.size(held) <= LIMITS.total_bytes

    def expected(self, name: str, new: Held) -> list[Held] | None:
        """Return what is held with a new one, or None if that is refused."""
        body = new.transaction.body
        if any(each.transaction.id == new.transaction.id for each in self.held) or body.nonce < self.nonces[name]:
            return None
        old = next((each for each in self.of(name) if each.transaction.body.nonce == body.nonce), None)
        others = [each for each in self.held if each is not old]
        if old is not None:
            before = old.transaction.body
            if 10 * body.fee_cap < 11 * before.fee_cap or 10 * body.tip < 11 * before.tip:
                return None
        elif len(self.of(name)) == LIMITS.per_account or body.nonce >= self.nonces[name] + LIMITS.per_account:
            return None
        behind_gap = old is None and body.nonce > self.next_nonce(name)
        if behind_gap and sum(self.is_behind_gap(each, held) for each in NAMES for held in self.of(each)) >= BEHIND_GAP:
            return None
        if old is not None and gas(new.transaction) * body.fee_cap > self.balances[name]:
            return None
        mine = [each for each in others if each.transaction.sender == address(name)]
        if sum(gas(each.transaction) for each in [*mine, new]) * LEAST > self.balances[name]:
            return None
        return self.after_eviction(name, new, others)

    def after_eviction(self, name: str, new: Held, others: list[Held]) -> list[Held] | None:
        if self.fits([*others, new]):
            return [*others, new]
        before = [each for each in self.of(name) if each.transaction.body.nonce < new.transaction.body.nonce]
        mine = self.standing(name, [*before, new])
        tails = [
            (self.standing(each, self.of(each)), -self.of(each)[-1].arrival, each) for each in NAMES if self.of(each)
        ]
        for standing, _, each in sorted(tails):
            if each == name or standing >= mine or standing == float("inf"):
                continue
            others = [held for held in others if held is not self.of(each)[-1]]
            if self.fits([*others, new]):
                return [*others, new]
        return None

    def keep_the_first(self) -> None:
        for name in NAMES:
            awaited = [each for each in self.of(name) if each.awaited]
            for each in self.of(name):
                each.kept = each in awaited[:1]

    # --- what happens

    @rule(
        name=st.sampled_from(NAMES),
        nonce=st.integers(0, 6),
        tip=st.integers(0, 3),
        cap=st.integers(0, 90),
        commits=st.booleans(),
    )
    def come(self, name: str, nonce: int, tip: int, cap: int, commits: bool) -> None:
        transaction = made(name, nonce, tip, cap, commits)
        new = Held(transaction=transaction, arrival=self.arrivals + 1, awaited=commits and self.kept)
        earlier = [each for each in self.of(name) if each.transaction.body.nonce < nonce]
        new.kept = new.awaited and not any(each.awaited for each in earlier)
        expected = self.expected(name, new)
        account = Account(nonce=self.nonces[name], balance=self.balances[name])
        try:
            self.pool.add(transaction, account=account, now_ms=GENESIS_MS, kept=new.awaited)
        except Refused:
            assert expected is None
        else:
            assert expected is not None
            self.held, self.arrivals = expected, new.arrival
            self.keep_the_first()

    @rule(
        used=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)),
        poor=st.none() | st.tuples(st.sampled_from(NAMES), st.integers(0, 4)),
        rise=st.integers(-40, 40),
        kept=st.booleans(),
    )
    def block(self, used: dict[str, int], poor: tuple[str, int] | None, rise: int, kept: bool) -> None:
        for name, count in used.items():
            self.nonces[name] += count
        touched = dict.fromkeys(used)
        if poor is not None:
            self.balances[poor[0]] = poor[1] * 500 * LEAST
            touched[poor[0]] = None
        self.base_fee, self.kept = max(LEAST, self.base_fee + rise), kept
        accounts = {address(name): Account(nonce=self.nonces[name], balance=self.balances[name]) for name in touched}
        self.pool.settle(
            accounts,
            accounts.__getitem__,
            jobs=[JOB],
            is_kept=lambda _: kept,
            base_fee=self.base_fee,
            now_ms=GENESIS_MS,
        )
        for each in self.held:
            each.awaited = kept and awaiting_job(each.transaction.body.payload) is not None
        for name in NAMES:
            mine = [each for each in self.of(name) if each.transaction.body.nonce >= self.nonces[name]]
            while sum(gas(each.transaction) for each in mine) * LEAST > self.balances[name] and name in touched:
                mine.pop()
            self.held = [each for each in self.held if each.transaction.sender != address(name)] + mine
        self.held.sort(key=lambda each: each.arrival)
        self.keep_the_first()

    # --- what must agree

    @invariant()
    def the_same_wait(self) -> None:
        assert [each.transaction.id for each in self.pool.content(limit=100)] == [
            each.transaction.id for each in self.held
        ]
        counts = self.pool.counts()
        assert counts.bytes == self.size(self.held)
        assert counts.kept == sum(each.kept for each in self.held)
        assert counts.parked == sum(self.is_parked(each, self.base_fee) for each in self.held)
        assert counts.behind_gap == sum(self.is_behind_gap(name, each) for name in NAMES for each in self.of(name))
        assert {name: self.pool.next_nonce(address(name), self.nonces[name]) for name in NAMES} == {
            name: self.next_nonce(name) for name in NAMES
        }

    @invariant()
    def the_same_are_chosen(self) -> None:
        ready = {name: [each for each in self.of(name) if not self.is_behind_gap(name, each)] for name in NAMES}
        best: list[bytes] = []
        while True:
            heads = [mine[0] for mine in ready.values() if mine and not self.is_parked(mine[0], self.base_fee)]
            if not heads:
                break
            lanes = {name: not any(each.kept for each in self.of(name)) for name in NAMES}
            lane_of = {address(name): lane for name, lane in lanes.items()}
            head = min(heads, key=lambda each: (lane_of[each.transaction.sender], -self.offer(each), each.arrival))
            best.append(head.transaction.raw)
            ready = {name: [each for each in mine if each is not head] for name, mine in ready.items()}
        assert self.pool.select(base_fee=self.base_fee, nonces={}) == best
        assert self.pool.has_ready(base_fee=self.base_fee, nonces={}) == bool(best)


PoolMachine.TestCase.settings = settings(stateful_step_count=40)
TestPoolModel = PoolMachine.TestCase
