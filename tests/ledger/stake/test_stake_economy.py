"""Whatever validators and delegators do, in any order: the supply is exact, shares add up, sets move by small steps."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger import state as rows
from ledger.limits import VALIDATORS_MAX
from ledger.stake.epochs import instance_of
from ledger.stake.keys import prove
from ledger.stake.records import Delegation, Pool, Validator, ValidatorState
from ledger.state import change
from ledger.transaction import Delegate, Payload, Undelegate, ValidatorExit, ValidatorUnjail, ValidatorUpdate
from primitives import codec
from primitives.units import BASIS, KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from tests.ledger.root_by_definition import root_by_definition
from tests.ledger.test_economy import KINDS

PARAMETERS = change(
    stakes.SHORT, unbonding_ms=2 * stakes.EPOCH_MS, absence_views_min=1, absence_bps=300, reward_ppm=50_000
)
NAMES = [f"validator {at}" for at in range(7)]
names = st.sampled_from(NAMES)
PEOPLE = ["client", "ann", *NAMES]
people = st.sampled_from(PEOPLE)
amounts = st.sampled_from([0, 1, 7, KARAT // 3, 99 * KARAT, 100 * KARAT, 333 * KARAT, 5_000 * KARAT])


class StakeEconomy(RuleBasedStateMachine):
    """Any stake payload by anybody, offences, absences and the passing of epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.world = kit.a_world(stakes.a_stake_genesis(parameters=PARAMETERS, rewards=1_000 * KARAT))
        self.world.names.update({kit.address(name): name for name in PEOPLE})
        self.onions = len(NAMES)
        self.epoch = 0

    def send(self, name: str, payload: Payload) -> None:
        self.world.block(self.world.sign(name, payload))

    def fresh_onion(self) -> int:
        self.onions += 1
        return self.onions

    @rule(name=people, bond=amounts, commission=st.integers(0, BASIS))
    def register(self, name: str, bond: int, commission: int) -> None:
        onion = self.fresh_onion()
        self.send(name, stakes.a_registration(self.world, name, onion=onion, bond=bond, commission=commission))

    @rule(name=people, key=st.none() | st.sampled_from(["one", "two"]), onion=st.booleans())
    def update(self, name: str, key: str | None, onion: bool) -> None:
        proven = None if key is None else prove(kit.seed_of(key), self.world.charter.hash, kit.address(name))
        tip = kit.onion_of(self.fresh_onion()).tip if onion else None
        self.send(name, ValidatorUpdate(key=proven, peer=None, onion=tip, commission=None))

    @rule(name=names)
    def leave(self, name: str) -> None:
        self.send(name, ValidatorExit())

    @rule(name=names)
    def unjail(self, name: str) -> None:
        self.send(name, ValidatorUnjail())

    @rule(name=people, validator=names, amount=amounts)
    def delegate(self, name: str, validator: str, amount: int) -> None:
        self.send(name, Delegate(validator=kit.address(validator), amount=amount))

    @rule(name=people, validator=names, amount=st.none() | amounts)
    def undelegate(self, name: str, validator: str, amount: int | None) -> None:
        self.send(name, Undelegate(validator=kit.address(validator), amount=amount))

    @rule(pick=st.integers(0, 9), back=st.integers(0, 2), proposer=st.integers(0, 9))
    def offend(self, pick: int, back: int, proposer: int) -> None:
        """Have some member of a running or past set convicted."""
        epoch_set = self.world.state.epoch_set(max(0, self.world.state.epoch().number - back))
        assert epoch_set is not None
        signer = epoch_set.members[pick % len(epoch_set.members)]
        name = self.world.name(signer.validator)
        if signer.key != kit.key_of(name):
            return
        evidence = stakes.a_double_vote(self.world, name, epoch=epoch_set.epoch)
        self.world.block(evidence=[evidence], proposer=proposer % len(self.world.state.validators().members))

    @rule(skipped=st.integers(0, 8), proposer=st.integers(0, 9))
    def skip(self, skipped: int, proposer: int) -> None:
        """Have views pass without a block."""
        view = self.world.chain.head.child_parent_view + 1 + skipped
        self.world.block(view=view, proposer=proposer % len(self.world.state.validators().members))

    @rule(pick=st.integers(0, 9))
    def be_absent(self, pick: int) -> None:
        """Have one member miss the only view that it leads in what is left of the epoch."""
        epoch_set = self.world.state.validators()
        absent = pick % len(epoch_set.members)
        other = (absent + 1) % len(epoch_set.members)
        leader = instance_of(self.world.charter.hash, epoch_set).validators.leader
        after = self.world.chain.head.child_parent_view + 1
        view = next((view for view in range(after, after + 100) if leader(view + 1) == absent), None)
        if view is None:  # it has next to no weight
            return
        self.world.block(view=view, proposer=other, passed_ms=1)
        ends_ms = self.world.state.epoch().started_ms + PARAMETERS.epoch_ms
        self.world.block(view=view + 2, proposer=other, passed_ms=max(1, ends_ms - self.world.now_ms))

    @rule(number=st.integers(1, 3))
    def let_epochs_pass(self, number: int) -> None:
        for _ in range(number):
            stakes.next_epoch(self.world)
            self.the_set_moved_by_a_small_step()

    def validators(self) -> dict[bytes, Validator]:
        """Return all who ever registered, by address."""
        return {key[1:]: row for key, row in self.world.state.scan(Validator, rows.VALIDATOR)}

    def the_set_moved_by_a_small_step(self) -> None:
        state = self.world.state
        before, after = state.validators(), state.validators(ahead=1)
        assert 0 < len(after.members) <= VALIDATORS_MAX
        weights = [{each.validator: each.weight for each in epoch_set.members} for epoch_set in (before, after)]
        moved = sum(
            abs(weights[0].get(who, 0) - weights[1].get(who, 0)) for who in sorted({**weights[0], **weights[1]})
        )
        assert moved <= max(2, before.weight * PARAMETERS.churn_bps // BASIS)
        for field in ("validator", "key", "peer", "onion"):
            values = [getattr(each, field) for each in after.members]
            assert len(values) == len(set(values))
        for member in before.members:
            assert state.tip(member.validator).onion == member.onion
            assert state.validator(member.validator) is not None

    @invariant()
    def the_supply_is_exact(self) -> None:
        state = self.world.state
        assert kit.supply_of(state) == state.totals().supply
        assert state.totals().staked == sum(row.stake for row in self.validators().values())
        assert state.totals().validators == len(list(state.registered_validators()))

    @invariant()
    def shares_are_those_of_the_delegators(self) -> None:
        state = self.world.state
        held: dict[bytes, int] = {}
        for key, row in state.scan(Delegation, rows.DELEGATION):
            held[key[21:]] = held.get(key[21:], 0) + row.shares
        assert held == {who: row.shares for who, row in self.validators().items() if row.shares}
        assert all(row.shares or not row.stake for row in self.validators().values())

    @invariant()
    def pools_are_those_of_the_claims(self) -> None:
        state = self.world.state
        claimed: dict[bytes, int] = {}
        for _, _, validator, claim in state.claims():
            key = rows.pool_key(validator, claim.epoch)
            claimed[key] = claimed.get(key, 0) + claim.shares
        assert claimed == {key: pool.shares for key, pool in state.scan(Pool, rows.POOL)}
        assert all(pool.stake <= pool.shares for _, pool in state.scan(Pool, rows.POOL))

    @invariant()
    def who_is_convicted_is_banned(self) -> None:
        state = self.world.state
        for _, who, conviction in state.convictions():
            assert self.validators()[who].state is ValidatorState.BANNED
            assert conviction.bounty * 10 < conviction.slashed or not conviction.slashed or conviction.bounty == 0

    def teardown(self) -> None:
        """Everybody takes out what is theirs: all of it is paid."""
        for name in PEOPLE:
            self.send(name, ValidatorExit())
        for name in PEOPLE:
            for validator, _ in list(self.world.state.delegations(kit.address(name))):
                self.send(name, Undelegate(validator=validator, amount=None))
        for _ in range(4):
            stakes.next_epoch(self.world)
            self.the_set_moved_by_a_small_step()
        state = self.world.state
        assert list(state.claims()) == []
        assert all(not row.shares for row in self.validators().values())
        self.the_supply_is_exact()
        for key, raw in self.world.reader.rows.items():
            codec.decode(KINDS[key[:1]], raw, at_most=2**20)  # refuses negative numbers, too
        assert self.world.chain.head.tree.root == root_by_definition(self.world.reader.rows)


StakeEconomy.TestCase.settings = settings(stateful_step_count=30)
TestStakeEconomy = StakeEconomy.TestCase
