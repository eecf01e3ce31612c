import pytest

from consensus.evidence import Offence
from consensus.messages import VoteKind
from ledger.apply import apply_block
from ledger.block import Block, block_id, decode_block, evidence_root
from ledger.limits import EVIDENCE_BYTES_MAX, EVIDENCE_MAX
from ledger.parameters import Parameters
from ledger.stake.epochs import kept_epochs
from ledger.stake.evidence import find, is_fresh, slash_bps
from ledger.stake.keys import prove
from ledger.stake.records import Evidence, ValidatorState
from ledger.state import change
from ledger.transaction import Delegate, Undelegate, ValidatorExit, ValidatorUpdate
from primitives import codec
from primitives.hashing import ZERO_HASH
from primitives.reasons import Reason, Refused
from primitives.units import BASIS, KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from testnet.kit.ledger_builders import World

CULPRIT = kit.address("validator 3")


@pytest.fixture
def world() -> World:
    return kit.a_world(stakes.a_stake_genesis(rewards=0))


def refusal(world: World, evidence: Evidence) -> Reason:
    with pytest.raises(Refused) as caught:
        find(world.charter.hash, world.state, evidence)
    return caught.value.reason


def test_who_votes_twice_loses_a_twentieth_is_banned_and_shown_with_the_proof(world: World) -> None:
    evidence = stakes.a_double_vote(world, "validator 3")
    burned = world.state.totals().burned
    final = world.block(evidence=[evidence], proposer=0)
    assert final.block.evidence == [evidence]
    found = stakes.validator(world, "validator 3")
    assert (found.state, found.stake) == (ValidatorState.BANNED, 950 * KARAT)
    ((epoch, who, row),) = world.state.convictions()
    assert (epoch, who, row.evidence) == (0, CULPRIT, evidence)
    assert (row.offence, row.weight, row.slash_bps) == (Offence.DOUBLE_FINALIZE, 1_000 * KARAT, 500)
    assert (row.slashed, row.bounty, row.reporter) == (50 * KARAT, 5 * KARAT // 2, kit.address("validator 0"))
    assert world.balance("validator 0") == kit.RICH + row.bounty
    assert world.state.totals().burned - burned == row.slashed - row.bounty
    assert world.state.totals().staked == 3_950 * KARAT
    assert kit.supply_of(world.state) == world.state.totals().supply


@pytest.mark.parametrize(
    ("first", "second", "offence"),
    [
        ((VoteKind.NOTARIZE, "one"), (VoteKind.NOTARIZE, "two"), Offence.DOUBLE_NOTARIZE),
        ((VoteKind.FINALIZE, "one"), (VoteKind.NULLIFY, ""), Offence.FINALIZE_AND_NULLIFY),
        ((VoteKind.NULLIFY, ""), (VoteKind.FINALIZE, "one"), Offence.FINALIZE_AND_NULLIFY),
    ],
)
def test_every_pair_that_no_honest_node_signs_convicts(
    world: World, first: tuple[VoteKind, str], second: tuple[VoteKind, str], offence: Offence
) -> None:
    pair = Evidence(
        first=stakes.a_vote(world, "validator 3", *first), second=stakes.a_vote(world, "validator 3", *second)
    )
    found = find(world.charter.hash, world.state, pair)
    assert found.offence in (offence, Offence.DOUBLE_PROPOSAL)
    assert (found.epoch, found.validator) == (0, CULPRIT)


def not_convicting(world: World) -> dict[str, Evidence]:
    vote = stakes.a_vote(world, "validator 3", VoteKind.FINALIZE, "one")
    other = stakes.a_vote(world, "validator 3", VoteKind.FINALIZE, "two")
    return {
        "the same vote twice": Evidence(first=vote, second=vote),
        "notarize and nullify": Evidence(
            first=stakes.a_vote(world, "validator 3", VoteKind.NOTARIZE, "one"),
            second=stakes.a_vote(world, "validator 3", VoteKind.NULLIFY),
        ),
        "two views": Evidence(first=vote, second=stakes.a_vote(world, "validator 3", VoteKind.FINALIZE, "two", view=2)),
        "two epochs": Evidence(
            first=vote, second=stakes.a_vote(world, "validator 3", VoteKind.FINALIZE, "two", epoch=1)
        ),
        "two signers": Evidence(first=vote, second=stakes.a_vote(world, "validator 2", VoteKind.FINALIZE, "two")),
        "a signature of nobody": Evidence(first=vote, second=change(other, signature=bytes(64))),
        "another's index": Evidence(first=change(vote, signer=0), second=change(other, signer=0)),
        "an index beyond the set": Evidence(first=change(vote, signer=4), second=change(other, signer=4)),
        "a finalize vote for nothing": Evidence(
            first=vote, second=change(other, vote=change(other.vote, block=ZERO_HASH))
        ),
    }


def test_whatever_honest_nodes_may_sign_or_others_may_forge_convicts_nobody(world: World) -> None:
    for name, evidence in not_convicting(world).items():
        assert refusal(world, evidence) is Reason.EVIDENCE_PROVES_NOTHING, name


def test_a_proposer_leaves_out_what_convicts_nobody_and_a_block_with_it_is_invalid(world: World) -> None:
    for evidence in not_convicting(world).values():
        good = world.chain.propose(
            world.chain.head.id,
            view=1,
            transactions=(),
            now_ms=world.now_ms,
            proposer=0,
            reveal=world.reveal_of(kit.address("validator 0")),
            evidence=[evidence],
        )
        assert good.evidence == []
        header = change(good.header, evidence_root=evidence_root([evidence]))
        with pytest.raises(Refused) as caught:
            apply_block(world.charter, world.chain.head, Block(header=header, transactions=[], evidence=[evidence]))
        assert caught.value.reason is Reason.BLOCK_BAD_EVIDENCE


def test_a_header_binds_the_evidence_of_its_block(world: World) -> None:
    block = world.block(evidence=[stakes.a_double_vote(world, "validator 3")]).block
    assert decode_block(codec.encode(block)) == block
    for evidence in ([], [stakes.a_double_vote(world, "validator 2")]):
        with pytest.raises(Refused) as caught:
            decode_block(codec.encode(change(block, evidence=evidence)))
        assert caught.value.reason is Reason.BLOCK_BAD_EVIDENCE


def test_a_validator_is_punished_once_for_an_epoch_whatever_else_it_signed(world: World) -> None:
    first, second = (stakes.a_double_vote(world, "validator 3", view=view) for view in (1, 2))
    assert is_fresh(world.state, second)
    assert world.block(evidence=[first, second, first]).block.evidence == [first]
    assert not is_fresh(world.state, second)
    assert world.block(evidence=[second]).block.evidence == []
    assert stakes.validator(world, "validator 3").stake == 950 * KARAT


def test_an_offence_in_another_epoch_is_punished_anew(world: World) -> None:
    stakes.next_epoch(world)
    pieces = [stakes.a_double_vote(world, "validator 3", epoch=epoch) for epoch in (0, 1)]
    world.block(evidence=pieces)
    assert stakes.validator(world, "validator 3").stake == 1_000 * KARAT * 95 // 100 * 95 // 100
    assert [epoch for epoch, *_ in world.state.convictions()] == [0, 1]


def test_evidence_counts_as_long_as_the_set_of_its_epoch_is_kept(world: World) -> None:
    evidence = stakes.a_double_vote(world, "validator 3", epoch=0)
    stakes.epochs(world, kept_epochs(world.charter.parameters))
    assert is_fresh(world.state, evidence)
    stakes.next_epoch(world)
    assert not is_fresh(world.state, evidence)
    assert refusal(world, evidence) is Reason.EVIDENCE_STALE


def test_a_key_that_is_not_in_use_any_more_still_convicts(world: World) -> None:
    evidence = stakes.a_double_vote(world, "validator 3", epoch=0)
    key = prove(kit.seed_of("another"), world.charter.hash, CULPRIT)
    world.must("validator 3", ValidatorUpdate(key=key, peer=None, onion=None, commission=None))
    stakes.epochs(world, 3)
    world.block(evidence=[evidence])
    assert stakes.validator(world, "validator 3").state is ValidatorState.BANNED


def test_stake_that_was_taken_out_since_it_stood_for_the_epoch_is_slashed_too(world: World) -> None:
    world.must("client", Delegate(validator=CULPRIT, amount=100 * KARAT))
    stakes.epochs(world, 3)
    evidence = stakes.a_double_vote(world, "validator 3", epoch=3)
    world.must("client", Undelegate(validator=CULPRIT, amount=60 * KARAT))
    before = world.balance("client")
    world.block(evidence=[evidence])
    assert stakes.validator(world, "validator 3").stake == 1_040 * KARAT * 95 // 100
    ((epoch, pool),) = world.state.pools(CULPRIT)
    assert (epoch, pool.stake, pool.shares) == (3, 57 * KARAT, 60 * KARAT)
    ((_, _, row),) = world.state.convictions()
    assert row.slashed == 55 * KARAT
    assert row.bounty == 50 * KARAT // 20  # a twentieth of what the operator's own stake lost
    world.block(passed_ms=world.charter.parameters.unbonding_ms)
    assert world.balance("client") == before + 57 * KARAT
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_who_takes_out_after_the_slashing_does_not_pay_for_it_twice(world: World) -> None:
    for name in ("client", "ann"):
        world.must(name, Delegate(validator=CULPRIT, amount=100 * KARAT))
    world.must("client", Undelegate(validator=CULPRIT, amount=None))
    world.block(evidence=[stakes.a_double_vote(world, "validator 3")])
    world.must("ann", Undelegate(validator=CULPRIT, amount=95 * KARAT))
    before = {name: world.balance(name) for name in ("client", "ann")}
    world.block(passed_ms=world.charter.parameters.unbonding_ms)
    paid = {name: world.balance(name) - before[name] for name in before}
    assert all(95 * KARAT - 1 <= grains <= 95 * KARAT for grains in paid.values())
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_stake_that_was_taken_out_before_the_epochs_set_was_fixed_is_not(world: World) -> None:
    world.must("client", Delegate(validator=CULPRIT, amount=100 * KARAT))
    world.must("client", Undelegate(validator=CULPRIT, amount=60 * KARAT))
    stakes.epochs(world, 2)
    world.block(evidence=[stakes.a_double_vote(world, "validator 3", epoch=2)])
    assert [pool.stake for _, pool in world.state.pools(CULPRIT)] == [60 * KARAT]


def test_weight_that_falls_more_slowly_than_stake_goes_never_votes_without_any(world: World) -> None:
    world.must("validator 3", ValidatorExit())
    stakes.epochs(world, 3)
    assert stakes.weight(world.state, "validator 3") == 240 * KARAT
    world.block(evidence=[stakes.a_double_vote(world, "validator 3", epoch=epoch) for epoch in (2, 3)])
    assert [pool.stake for _, pool in world.state.pools(CULPRIT)] == [1_000 * KARAT * 95 // 100 * 95 // 100]
    assert all(row.slashed for _, _, row in world.state.convictions())
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_only_as_much_as_the_weight_lacks_stands_for_it_of_what_went_earlier(world: World) -> None:
    for amount in (100, 800):
        world.must("client", Delegate(validator=CULPRIT, amount=amount * KARAT))
    stakes.epochs(world, 6)
    assert stakes.weight(world.state, "validator 3") == 1_900 * KARAT
    world.must("client", Undelegate(validator=CULPRIT, amount=100 * KARAT))
    stakes.next_epoch(world)
    world.must("client", Undelegate(validator=CULPRIT, amount=800 * KARAT))
    stakes.epochs(world, 2)
    assert stakes.weight(world.state, "validator 3") == 1_320 * KARAT  # of which 1,000 are still there
    world.block(evidence=[stakes.a_double_vote(world, "validator 3")])
    assert [pool.stake for _, pool in world.state.pools(CULPRIT)] == [100 * KARAT, 760 * KARAT]


def test_who_has_left_loses_what_is_not_paid_out_yet(world: World) -> None:
    world.must("validator 3", ValidatorExit())
    stakes.epochs(world, 1)
    world.block(evidence=[stakes.a_double_vote(world, "validator 3", epoch=1)])
    assert [pool.stake for _, pool in world.state.pools(CULPRIT)] == [950 * KARAT]
    assert stakes.validator(world, "validator 3").state is ValidatorState.BANNED
    stakes.epochs(world, 6)
    assert not stakes.is_on_roll(world, "validator 3")
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_what_is_paid_out_can_be_accused_but_not_slashed(world: World) -> None:
    evidence = stakes.a_double_vote(world, "validator 3", epoch=0)
    world.must("validator 3", ValidatorExit())
    world.blocks(2, passed_ms=world.charter.parameters.unbonding_ms)
    world.block(evidence=[evidence])
    ((_, _, row),) = world.state.convictions()
    assert (row.slashed, row.bounty) == (0, 0)


def test_who_is_banned_stays_out_and_its_delegators_can_go(world: World) -> None:
    world.must("client", Delegate(validator=CULPRIT, amount=100 * KARAT))
    world.block(evidence=[stakes.a_double_vote(world, "validator 3")])
    assert world.do("client", Delegate(validator=CULPRIT, amount=1)).reason == Reason.VALIDATOR_WRONG_STATE
    changed = ValidatorUpdate(key=None, peer=None, onion=None, commission=1)
    assert world.do("validator 3", changed).reason == Reason.VALIDATOR_WRONG_STATE
    world.must("client", Undelegate(validator=CULPRIT, amount=None))
    world.must("validator 3", Undelegate(validator=CULPRIT, amount=10 * KARAT))
    world.must("validator 3", ValidatorExit())
    assert stakes.validator(world, "validator 3").shares == 0
    stakes.epochs(world, 8)
    assert stakes.weight(world.state, "validator 3") == 0
    assert not stakes.is_on_roll(world, "validator 3")


def test_one_culprit_loses_the_base_and_several_of_an_epoch_three_times_their_part_at_least() -> None:
    parameters = Parameters()
    assert slash_bps(parameters, [10], 100) == 500
    assert slash_bps(parameters, [10, 1], 1_000) == 500
    assert slash_bps(parameters, [10, 10], 100) == 6_000
    assert slash_bps(parameters, [33], 100) == 500
    assert slash_bps(parameters, [1], 3) == BASIS
    assert slash_bps(parameters, [34], 100) == BASIS
    assert slash_bps(parameters, [20, 20], 100) == BASIS


def test_who_was_convicted_first_pays_no_less_than_who_follows() -> None:
    world = kit.a_world(stakes.a_stake_genesis(validators=7, rewards=0))
    world.must("validator 5", Undelegate(validator=kit.address("validator 5"), amount=100 * KARAT))
    world.block(evidence=[stakes.a_double_vote(world, "validator 6")])
    assert stakes.validator(world, "validator 6").stake == 950 * KARAT
    world.block(evidence=[stakes.a_double_vote(world, "validator 5")])
    rows = {who: row for _, who, row in world.state.convictions()}
    assert [row.slash_bps for row in rows.values()] == [3 * 2 * BASIS // 7] * 2
    kept = BASIS - 3 * 2 * BASIS // 7
    for name, stake in (("validator 6", 1_000), ("validator 5", 900)):
        assert abs(stakes.validator(world, name).stake - stake * KARAT * kept // BASIS) <= 1
    assert rows[kit.address("validator 5")].slashed >= 1_000 * KARAT * (BASIS - kept) // BASIS - 1
    world.block(evidence=[stakes.a_double_vote(world, "validator 4")])
    assert [stakes.validator(world, f"validator {at}").stake for at in (4, 5, 6)] == [0, 0, 0]
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_it_is_all_the_same_whether_offences_of_an_epoch_come_in_one_block_or_in_several() -> None:
    together, apart = (kit.a_world(stakes.a_stake_genesis(validators=7, rewards=0)) for _ in range(2))
    pieces = [stakes.a_double_vote(together, f"validator {at}") for at in (4, 5, 6)]
    together.block(evidence=pieces[:2])
    for piece in pieces[:2]:
        apart.block(evidence=[piece])
    for at in (4, 5):
        stakes_left = [stakes.validator(world, f"validator {at}").stake for world in (together, apart)]
        assert max(stakes_left) - min(stakes_left) <= 1
    fields = ("slash_bps", "offence", "weight")
    assert [[getattr(row, field) for field in fields] for *_, row in together.state.convictions()] == [
        [getattr(row, field) for field in fields] for *_, row in apart.state.convictions()
    ]


def test_to_accuse_oneself_never_gains_even_with_others_stake(world: World) -> None:
    world.must("client", Delegate(validator=CULPRIT, amount=900 * KARAT))
    before = world.balance("validator 3")
    world.block(evidence=[stakes.a_double_vote(world, "validator 3")], proposer=3)
    gained = world.balance("validator 3") - before
    own = 1_000 * KARAT
    ((_, _, row),) = world.state.convictions()
    assert row.reporter == CULPRIT
    assert 0 < gained < own * row.slash_bps // BASIS // 10


def test_a_block_takes_a_limited_number_of_pieces() -> None:
    world = kit.a_world(stakes.a_stake_genesis(validators=EVIDENCE_MAX + 4, rewards=0))
    pieces = [stakes.a_double_vote(world, f"validator {at}") for at in range(EVIDENCE_MAX + 4)]
    assert world.block(evidence=pieces).block.evidence == pieces[:EVIDENCE_MAX]
    assert max(len(codec.encode(each)) for each in pieces) <= EVIDENCE_BYTES_MAX
    block = world.block(evidence=pieces).block
    assert len(block.evidence) == 4
    assert block_id(block.header) == world.chain.head.id
    assert not any(world.state.validators().index_of(who) is None for _, who, _ in world.state.convictions())
