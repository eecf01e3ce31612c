import gc
import weakref
from collections.abc import Callable

import pytest

from ledger.apply import DRIFT_MS_MAX, apply_block
from ledger.block import Block, block_id, check_size, decode_block, transactions_root
from ledger.chain import Chain, ParentUnknown, TreeFull, start_chain
from ledger.genesis import charter_of
from ledger.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_TXS_MAX,
    ORDINARY_BYTES_MAX,
    ORDINARY_TXS_MAX,
    REVEAL_BYTES_MAX,
    SUBMISSIONS_MAX,
    UNFINAL_BLOCKS_MAX,
)
from ledger.onion import reveal
from ledger.records import JobState
from ledger.state import MemoryReader, change
from ledger.transaction import JobAccept, JobCommit, ProviderReveal, Transfer, VerifierCommit, sign_transaction
from ledger.tree import tree_of
from primitives import codec
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit

CHARTER = charter_of(kit.a_genesis())
NOW = kit.GENESIS_MS + 1_000
GIFT = Transfer(to=kit.address("stranger"), amount=1)


@pytest.fixture
def chain() -> Chain:
    return start_chain(CHARTER)[0]


def propose(
    chain: Chain, parent: bytes, *raws: bytes, view: int | None = None, now_ms: int = NOW, proposer: int = 0
) -> Block:
    parent_view = chain.outcome(parent).header.view
    return chain.propose(
        parent,
        view=parent_view + 1 if view is None else view,
        transactions=raws,
        now_ms=now_ms,
        proposer=proposer,
        reveal=reveal(kit.onion_of(proposer), chain.state(parent).tip(kit.address(f"validator {proposer}")).reveals),
    )


def gift(amount: int = 5, nonce: int = 0) -> bytes:
    return kit.a_transfer(CHARTER, payer="client", payee="stranger", amount=amount, nonce=nonce)


def balance(chain: Chain, identity: bytes) -> int:
    return chain.state(identity).account(kit.address("stranger")).balance


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.reason


def test_another_node_finds_the_same_as_the_proposer(chain: Chain) -> None:
    block = propose(chain, chain.head.id, gift())
    other, _ = start_chain(CHARTER)
    outcome = other.check(block, now_ms=NOW)
    mine = chain.outcome(outcome.id)
    assert (outcome.state_root, outcome.receipts_root, outcome.writes) == (
        mine.state_root,
        mine.receipts_root,
        mine.writes,
    )


def test_two_children_of_one_block_have_states_of_their_own(chain: Chain) -> None:
    root = chain.head.id
    left, right = propose(chain, root, gift(1), view=1), propose(chain, root, gift(2), view=2)
    ids = [block_id(block.header) for block in (left, right)]
    assert [balance(chain, each) for each in (*ids, root)] == [1, 2, 0]
    grandchild = propose(chain, ids[1], gift(10, nonce=1), now_ms=NOW + 1)
    assert balance(chain, block_id(grandchild.header)) == 12


def test_a_block_whose_parent_is_not_here_is_pending_and_not_invalid(chain: Chain) -> None:
    first = propose(chain, chain.head.id, gift())
    second = propose(chain, block_id(first.header), now_ms=NOW + 1)
    other, _ = start_chain(CHARTER)
    with pytest.raises(ParentUnknown) as caught:
        other.check(second, now_ms=None)
    assert caught.value.parent == block_id(first.header)
    other.check(first, now_ms=None)
    other.check(second, now_ms=None)


def test_a_block_from_ahead_of_the_voters_clock_is_refused_until_it_is_time(chain: Chain) -> None:
    block = propose(chain, chain.head.id)
    other, _ = start_chain(CHARTER)
    early = NOW - DRIFT_MS_MAX - 1
    assert refusal(lambda: other.check(block, now_ms=early)) is Reason.BLOCK_WRONG_TIME
    other.check(block, now_ms=early + 1)


def test_a_block_that_others_made_final_is_checked_without_a_clock(chain: Chain) -> None:
    block = propose(chain, chain.head.id)
    start_chain(CHARTER)[0].check(block, now_ms=None)


def test_a_known_header_with_other_transactions_is_refused(chain: Chain) -> None:
    block = propose(chain, chain.head.id, gift())
    forged = Block(header=block.header, transactions=[])
    assert refusal(lambda: chain.check(forged, now_ms=None)) is Reason.BLOCK_WRONG_TX_ROOT


def test_finality_takes_the_ancestors_along_in_order_and_forgets_the_rest() -> None:
    chain, reader = start_chain(CHARTER)
    root = chain.head.id
    first = propose(chain, root, gift(1))
    loser = propose(chain, root, gift(9), view=2)
    second = propose(chain, block_id(first.header), gift(2, nonce=1), now_ms=NOW + 1)
    beside = propose(chain, block_id(first.header), view=3, now_ms=NOW + 2)
    third = propose(chain, block_id(second.header), gift(3, nonce=2), now_ms=NOW + 3)

    finals = chain.finalize(block_id(second.header))
    assert [each.block for each in finals] == [first, second]
    for each in finals:
        reader.write(each.outcome.writes)
    assert chain.head.header == second.header
    assert balance(chain, block_id(third.header)) == 6
    for gone in (root, block_id(first.header), block_id(loser.header), block_id(beside.header)):
        with pytest.raises(ParentUnknown):
            chain.state(gone)

    finals = chain.finalize(block_id(third.header))
    assert [each.block for each in finals] == [third]
    reader.write(finals[0].outcome.writes)
    fourth = propose(chain, block_id(third.header), gift(4, nonce=3), now_ms=NOW + 4)
    assert balance(chain, block_id(fourth.header)) == 10
    assert chain.finalize(chain.head.id) == []


def test_finality_of_a_block_that_is_not_here_changes_nothing(chain: Chain) -> None:
    block = propose(chain, chain.head.id)
    with pytest.raises(ParentUnknown):
        chain.finalize(bytes(32))
    assert chain.head.header.height == 0
    assert chain.block(block_id(block.header)) == block


def test_the_state_does_not_depend_on_when_the_store_is_written() -> None:
    chain, reader = start_chain(CHARTER)
    ids = [chain.head.id]
    for at in range(6):
        ids.append(block_id(propose(chain, ids[-1], gift(1, nonce=at), now_ms=NOW + at).header))
    for at in (2, 3, 5, 6):
        finals = chain.finalize(ids[at])
        assert balance(chain, ids[at]) == at
        assert balance(chain, ids[-1]) == 6
        for each in finals:
            reader.write(each.outcome.writes)
        assert balance(chain, ids[at]) == at
        assert balance(chain, ids[-1]) == 6


def test_final_states_are_let_go() -> None:
    world = kit.a_world()
    world.block()
    first = weakref.ref(world.state)
    world.blocks(3)
    world.finals.clear()
    gc.collect()
    assert first() is None


def test_a_chain_goes_on_from_what_a_store_holds() -> None:
    chain, reader = start_chain(CHARTER)
    block = propose(chain, chain.head.id, gift(1))
    (final,) = chain.finalize(block_id(block.header))
    reader.write(final.outcome.writes)
    again = Chain(
        CHARTER,
        reader=MemoryReader(reader.rows),
        tree=tree_of(reader.rows.items()),
        final=block.header,
        receipts_root=final.outcome.receipts_root,
    )
    assert again.head.state_root == chain.head.state_root
    child = propose(chain, chain.head.id, gift(1, nonce=1), now_ms=NOW + 1)
    assert again.check(child, now_ms=None).writes == chain.outcome(block_id(child.header)).writes


def test_the_tree_of_unfinal_blocks_has_a_limit(chain: Chain) -> None:
    made = [chain.head.id]
    for view in range(1, UNFINAL_BLOCKS_MAX + 1):
        made.append(block_id(propose(chain, made[-1], view=view, now_ms=NOW + view).header))
    with pytest.raises(TreeFull):
        propose(chain, made[-1], view=UNFINAL_BLOCKS_MAX + 1)
    chain.finalize(made[1])
    propose(chain, made[-1], view=UNFINAL_BLOCKS_MAX + 1, now_ms=NOW + UNFINAL_BLOCKS_MAX + 1)


def test_blocks_that_nothing_stands_on_never_fill_the_tree(chain: Chain) -> None:
    kept = block_id(propose(chain, chain.head.id, view=1).header)
    child = block_id(propose(chain, kept, view=2, now_ms=NOW + 1).header)
    lost = [propose(chain, kept, view=view, now_ms=NOW + 1) for view in range(3, UNFINAL_BLOCKS_MAX + 10)]
    assert chain.block(kept) is not None
    assert chain.block(child) is None
    assert chain.block(block_id(lost[0].header)) is None
    assert len(chain.finalize(block_id(lost[-1].header))) == 2


def test_a_block_keeps_a_quarter_for_the_commitments_and_reveals_of_a_jobs_parties() -> None:
    world = kit.a_world()
    kit.publish(world)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=KARAT))
    gifts = [world.sign("client", GIFT, ahead=at) for at in range(ORDINARY_TXS_MAX)]
    more = world.sign("publisher", GIFT)
    strangers = world.sign("worker 1", JobCommit(job=job_id, commitment=bytes(32)))
    partys = world.sign("worker 0", JobCommit(job=job_id, commitment=bytes(32)))
    assert world.block(*gifts, more, strangers, partys).block.transactions == [*gifts, partys]


def test_what_a_job_does_not_wait_for_has_no_claim_on_that_quarter() -> None:
    world = kit.a_world()
    ended = kit.run_job(world)
    late = [world.sign("worker 0", JobCommit(job=ended, commitment=bytes(32)), ahead=at) for at in range(BLOCK_TXS_MAX)]
    assert len(world.block(*late).block.transactions) == ORDINARY_TXS_MAX


def test_a_party_has_one_try_for_each_job_in_a_block() -> None:
    world = kit.a_world()
    kit.publish(world)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=KARAT))
    world.must("worker 0", JobCommit(job=job_id, commitment=bytes(32)))
    world.until(lambda _: world.job(job_id).state is JobState.VERIFYING)
    for each in world.job(job_id).verifiers:
        world.must(world.name(each.worker), VerifierCommit(job=job_id, commitment=bytes(32)))
    vain = ProviderReveal(job=job_id, salt=bytes(32), cut=b"opens nothing", outputs=b"")
    twice = [world.sign("worker 0", vain, ahead=at) for at in range(2)]
    assert world.block(*twice).block.transactions == [twice[0]]
    assert world.block(twice[1]).block.transactions == [twice[1]]


def test_a_block_that_takes_the_protocols_space_is_invalid(chain: Chain) -> None:
    gifts = [gift(1, nonce=at) for at in range(ORDINARY_TXS_MAX + 1)]
    header = change(propose(chain, chain.head.id).header, tx_root=transactions_root(gifts))
    greedy = Block(header=header, transactions=gifts)
    assert refusal(lambda: chain.check(greedy, now_ms=None)) is Reason.BLOCK_BAD_TRANSACTION


def test_a_block_takes_a_limited_number_of_submissions(chain: Chain) -> None:
    bodies = [kit.a_body("client", kit.a_submission(), nonce=at) for at in range(SUBMISSIONS_MAX + 1)]
    raws = [sign_transaction(kit.seed_of("client"), CHARTER.hash, body) for body in bodies]
    assert propose(chain, chain.head.id, *raws).transactions == raws[:-1]


def test_a_block_takes_as_many_bytes_as_its_limit_allows(chain: Chain) -> None:
    reveal_nothing = ProviderReveal(
        job=bytes(32), salt=bytes(32), cut=bytes(REVEAL_BYTES_MAX), outputs=bytes(REVEAL_BYTES_MAX)
    )
    bodies = [kit.a_body("client", reveal_nothing, nonce=at) for at in range(50)]
    raws = [sign_transaction(kit.seed_of("client"), CHARTER.hash, body) for body in bodies]
    block = propose(chain, chain.head.id, *raws)
    size = sum(map(len, block.transactions))
    assert ORDINARY_BYTES_MAX - len(raws[0]) < size <= ORDINARY_BYTES_MAX
    assert decode_block(codec.encode(block)) == block
    assert sum(map(len, raws)) > BLOCK_BYTES_MAX
    over = Block(header=block.header, transactions=raws)
    assert refusal(lambda: check_size(over)) is Reason.BLOCK_TOO_LARGE
    many = Block(header=block.header, transactions=[b""] * (BLOCK_TXS_MAX + 1))
    assert refusal(lambda: check_size(many)) is Reason.BLOCK_TOO_LARGE


def test_a_signature_that_the_mempool_verified_is_not_verified_again() -> None:
    asked: list[bytes] = []

    def verified(raw: bytes) -> bool:
        asked.append(raw)
        return True

    chain, _ = start_chain(CHARTER, verified=verified)
    propose(chain, chain.head.id, gift())
    assert asked == [gift()]


def test_a_time_before_the_parents_is_moved_after_it(chain: Chain) -> None:
    block = propose(chain, chain.head.id, now_ms=kit.GENESIS_MS - 5)
    assert block.header.timestamp_ms == kit.GENESIS_MS + 1


def test_a_child_is_urgent_while_a_draw_waits_for_reveals_or_a_deadline_is_due() -> None:
    world = kit.a_world()
    kit.publish(world)
    assert not world.chain.urgent(world.chain.head.id)
    job_id = world.must("client", kit.a_submission())
    world.must("worker 0", JobAccept(job=job_id, price=KARAT))
    assert not world.chain.urgent(world.chain.head.id)
    world.must("worker 0", JobCommit(job=job_id, commitment=bytes(32)))
    assert world.chain.urgent(world.chain.head.id)
    world.blocks(2)
    assert not world.chain.urgent(world.chain.head.id)
    due = world.job(job_id).due_live_ms or 0
    world.until(lambda state: due - state.clock().live_ms <= 1_000)
    assert not world.chain.urgent(world.chain.head.id)
    assert not world.chain.urgent(world.chain.head.id, now_ms=world.now_ms + 999)
    assert world.chain.urgent(world.chain.head.id, now_ms=world.now_ms + 1_000)


def test_a_change_of_header_is_another_block(chain: Chain) -> None:
    block = propose(chain, chain.head.id)
    other = change(block.header, view=2)
    assert block_id(other) != block_id(block.header)
    outcome = apply_block(CHARTER, chain.head, change(block, header=other))
    assert outcome.receipts_root == chain.outcome(block_id(block.header)).receipts_root
