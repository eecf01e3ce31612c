"""Who pays for the referee's every turn, in disputes of his own, keeps nobody else from being heard (N53, X37)."""

from ledger.market.dispute.payloads import DisputeDefend
from ledger.market.dispute.records import Fall
from ledger.parameters import Parameters
from ledger.transaction import open_transaction
from node.mempool import on_chain
from node.mempool.pool import Pool, PoolLimits
from tests.ledger.market.dispute.crowded import HONEST, idle_proofs, two_disputes

LIMITS = PoolLimits(per_account=64, total=1_000, total_bytes=5_000_000, base_fee_min=Parameters().base_fee_min)
RICH = 1_000_000
"""A tip for each unit of gas: 62 karat for a proof."""


def test_a_proof_is_heard_in_the_next_block_though_dearer_ones_that_show_nothing_wait_x37() -> None:
    world, court, crowd = two_disputes()
    pool, nonces = Pool(LIMITS), dict[str, int]()

    def send(name: str, raw: bytes) -> None:
        transaction = open_transaction(raw, world.charter.hash)
        on_chain.admit(pool, world.charter, world.state, transaction, now_ms=world.now_ms, here=False)
        nonces[name] = nonces.get(name, 0) + 1

    for name, payload in idle_proofs(crowd):
        send(name, world.sign(name, payload, ahead=nonces.get(name, 0), tip=RICH))
    move = court.move(HONEST)
    assert move is not None
    send(HONEST, world.sign(*move))
    state = world.state
    chosen = pool.select(base_fee=state.clock().base_fee, nonces={}, turn=on_chain.turns(state))
    (first,) = (open_transaction(raw, world.charter.hash) for raw in chosen)
    assert isinstance(first.body.payload, DisputeDefend)
    (receipt,) = world.block(*chosen).outcome.receipts
    assert receipt.ok
    assert [each.fall for each in court.dispute.traces] == [None, Fall.WRONG]
