"""Methods about the node, the chain, accounts and transactions."""

import msgspec

from ledger.apply import precheck
from ledger.block import Block, block_id
from ledger.transaction import open_transaction
from node.genesis_file import render_genesis
from node.p2p.peer_id import peer_id_text
from node.ports import TxState, TxStatus
from node.rpc import views
from node.rpc.content_check import check_content
from node.rpc.method import Method, Nothing
from node.rpc.parameter_shapes import ParametersShape
from node.rpc.services import Services
from node.rpc.shapes import (
    AccountShape,
    BlockShape,
    ByAddress,
    ByHeight,
    ByHeightOrId,
    ById,
    ChainHead,
    Checked,
    GenesisShape,
    NodeStatus,
    Pids,
    RawBlock,
    RawTransaction,
    StateRoot,
    Submitted,
    TransactionShape,
    TransactionStatus,
)
from node.rpc.views import Views
from primitives.address import parse_address
from primitives.codec import encode
from primitives.reasons import Reason, Refused

VERSION = "0.1.0"


async def node_status(services: Services, _: Nothing) -> NodeStatus:
    """Tell how this node stands."""
    chain, facts = services.chain, services.facts()
    head, peer = chain.head, peer_id_text(facts.peer_id)
    return NodeStatus(
        version=VERSION,
        network=chain.genesis.prefix,
        genesis_hash=chain.genesis_hash.hex(),
        peer_id=peer,
        p2p_address=f"{peer}@{facts.p2p_host}:{facts.p2p_port}",
        roles=list(facts.roles),
        height=head.height,
        head=head.block_id.hex(),
        state_root=head.state_root.hex(),
        state_root_height=head.height,
        live_ms=head.live_ms,
        final_age_ms=services.now_ms() - head.timestamp_ms,
        mempool=facts.mempool,
        refused={str(int(reason)): count for reason, count in sorted(facts.refused.items())},
        peers=[peer_id_text(each) for each in facts.peers],
        pids=Pids(node=facts.node_pid, network=facts.network_pid, sandboxes=list(facts.sandbox_pids)),
        sandbox_layers=list(facts.sandbox_layers),
        known_answers=None if facts.deviating is None else not facts.deviating,
        deviating=list(facts.deviating or ()),
        worker=Views(chain.genesis.prefix).address_or_none(facts.worker),
        worker_balance=None if facts.worker is None else str(chain.state().account(facts.worker).balance),
        worker_reserve=None if facts.reserve is None else str(facts.reserve),
        voting=facts.voting,
    )


async def chain_head(services: Services, _: Nothing) -> ChainHead:
    """Return the last final block's place and the state root after it."""
    head = services.chain.head
    return ChainHead(
        height=head.height,
        id=head.block_id.hex(),
        timestamp_ms=head.timestamp_ms,
        live_ms=head.live_ms,
        state_root=head.state_root.hex(),
    )


async def chain_block(services: Services, params: ByHeightOrId) -> BlockShape:
    """Return a final block by its height or its id."""
    chain = services.chain
    if (params.height is None) == (params.id is None):
        raise Refused(Reason.REQUEST_INVALID, wanted="either height or id")
    height = params.height if params.id is None else chain.height_of(bytes.fromhex(params.id))
    found = None if height is None else chain.block(height)
    if found is None:
        raise _no_block(services, seen=params.id or params.height)
    block, certificate = found
    header = block.header
    root = chain.state_root_at(header.height)
    return BlockShape(
        id=block_id(header).hex(),
        height=header.height,
        epoch=header.epoch,
        view=header.view,
        parent=header.parent.hex(),
        timestamp_ms=header.timestamp_ms,
        proposer=header.proposer,
        state_root=None if root is None else root.hex(),
        parent_state_root=header.state_root.hex(),
        parent_receipts_root=header.receipts_root.hex(),
        tx_root=header.tx_root.hex(),
        beacon_reveal=header.beacon_reveal.hex(),
        certificate=views.certificate(certificate),
        transactions=[_opened(services, raw) for raw in block.transactions],
    )


async def chain_raw_block(services: Services, params: ByHeight) -> RawBlock:
    """Return a final block as it is encoded, for programs that trust nothing else."""
    found = services.chain.block(params.height)
    if found is None:
        head = services.chain.head.height
        raise Refused(Reason.NOT_FOUND, what="final block", seen=params.height, head=head)
    return RawBlock(height=params.height, raw=encode(found[0]).hex())


async def chain_tx(services: Services, params: ById) -> TransactionStatus:
    """Tell where a transaction stands, and what came of it once it is final."""
    status: TxStatus = services.chain.transaction(bytes.fromhex(params.id))
    block: Block | None = None
    if status.state is TxState.FINAL and status.height is not None:
        found = services.chain.block(status.height)
        block = None if found is None else found[0]
    opened = None
    if block is not None and status.index is not None:
        opened = _opened(services, block.transactions[status.index])
    return TransactionStatus(
        id=params.id,
        state=status.state.value,
        height=status.height,
        index=status.index,
        block=None if block is None else block_id(block.header).hex(),
        receipt=None if status.receipt is None else views.receipt(status.receipt),
        transaction=opened,
    )


async def chain_state_root(services: Services, params: ByHeight) -> StateRoot:
    """Return the state root after the final block at a height."""
    root = services.chain.state_root_at(params.height)
    if root is None:
        raise _no_block(services, seen=params.height)
    return StateRoot(height=params.height, state_root=root.hex())


async def chain_params(services: Services, _: Nothing) -> ParametersShape:
    """Return the numbers that genesis fixed: fees, shares, bonds and deadlines."""
    numbers = msgspec.structs.asdict(services.chain.genesis.parameters)
    amounts = (
        "base_fee_min",
        "validator_bond_min",
        "worker_bond_min",
        "verifier_fee",
        "canary_jackpot",
        "dispute_carriage",
    )
    told = {name: str(value) if name in amounts else value for name, value in numbers.items()}
    tiers = {name: msgspec.structs.asdict(terms) for name, terms in msgspec.structs.asdict(numbers["tiers"]).items()}
    return msgspec.convert({**told, "tiers": tiers}, ParametersShape)


async def chain_genesis(services: Services, _: Nothing) -> GenesisShape:
    """Return what the network started from, as genesis.json has it."""
    return msgspec.json.decode(render_genesis(services.chain.genesis), type=GenesisShape)


async def account_get(services: Services, params: ByAddress) -> AccountShape:
    """Return an account's balance, nonces and bond; one that never was has nothing."""
    chain = services.chain
    address = parse_address(params.address, chain.genesis.prefix)
    state = chain.state()
    account, worker = state.account(address), state.worker(address)
    bond, free = (worker.bond, worker.free_bond) if worker else (0, 0)
    return AccountShape(
        address=Views(chain.genesis.prefix).address(address),
        balance=str(account.balance),
        nonce=account.nonce,
        next_nonce=chain.next_nonce(address),
        bond=str(bond),
        bond_free=str(free),
        bond_locked=str(bond - free),
    )


async def tx_submit(services: Services, params: RawTransaction) -> Submitted:
    """Take a signed transaction and gossip it; one that is known already is not taken twice, and that is no error."""
    raw = bytes.fromhex(params.raw)
    await check_content(services, open_transaction(raw, services.chain.genesis_hash))
    # R6: so does the chain's own `submit`.
    return Submitted(id=(await services.chain.submit(raw)).hex())


async def tx_check(services: Services, params: RawTransaction) -> Checked:
    """Tell whether a signed transaction would be taken and would succeed, without taking it."""
    chain = services.chain
    transaction = open_transaction(bytes.fromhex(params.raw), chain.genesis_hash)
    precheck(
        services.charter,
        chain.state(),
        transaction,
        now_ms=services.now_ms(),
        next_nonce=chain.next_nonce(transaction.sender),
    )
    await check_content(services, transaction)
    return Checked(id=transaction.id.hex(), ok=True)


def _no_block(services: Services, *, seen: str | int | None) -> Refused:
    """Return the refusal of a block that is not final yet, or pruned."""
    progress = services.progress()
    return Refused(
        Reason.NOT_FOUND,
        what="final block",
        seen=seen,
        head=services.chain.head.height,
        lowest_block=progress.lowest_block,
        lowest_history=progress.lowest_history,
    )


def _opened(services: Services, raw: bytes) -> TransactionShape:
    chain = services.chain
    opened = open_transaction(raw, chain.genesis_hash, verified=lambda _: True)  # it is in a final block
    return Views(chain.genesis.prefix).transaction(opened)


METHODS = (
    Method(name="node.status", params=Nothing, result=NodeStatus, answer=node_status),
    Method(name="chain.head", params=Nothing, result=ChainHead, answer=chain_head),
    Method(name="chain.block", params=ByHeightOrId, result=BlockShape, answer=chain_block),
    Method(name="chain.raw_block", params=ByHeight, result=RawBlock, answer=chain_raw_block),
    Method(name="chain.tx", params=ById, result=TransactionStatus, answer=chain_tx),
    Method(name="chain.state_root", params=ByHeight, result=StateRoot, answer=chain_state_root),
    Method(name="chain.params", params=Nothing, result=ParametersShape, answer=chain_params),
    Method(name="chain.genesis", params=Nothing, result=GenesisShape, answer=chain_genesis),
    Method(name="account.get", params=ByAddress, result=AccountShape, answer=account_get),
    Method(name="tx.submit", params=RawTransaction, result=Submitted, answer=tx_submit),
    Method(name="tx.check", params=RawTransaction, result=Checked, answer=tx_check),
)
