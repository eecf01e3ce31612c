"""`assay db check`: all that a store holds, held against each other and against the rules (N47)."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from consensus.certificate import check_final
from consensus.guard import decode_record
from consensus.messages import CERTIFICATE_BYTES_MAX, Certificate, VoteKind
from ledger.apply import receipts_root
from ledger.block import Header, block_id, decode_block
from ledger.limits import UNFINAL_BLOCKS_MAX
from ledger.stake.epochs import instance_of
from ledger.state import State
from ledger.transaction import Receipt
from ledger.tree import tree_of
from node.store import schema
from node.store.disk import StoreFailedError
from node.store.pruning import block_row
from node.store.schema import BlockRow, HeadRow
from node.store.store import Store
from primitives.codec import decode
from primitives.hashing import ZERO_HASH
from primitives.reasons import Fact, Reason, Refused

PROBLEMS_MAX = 100
"""As many are told; who has more needs no list."""
STRIDE = 256
"""Blocks between two reports of the progress."""

Progress = Callable[[str, int, int], None]
"""Is told what is being looked at, how much of it is done, and how much there is."""


@dataclass
class Findings:
    """What a check came to."""

    height: int = -1
    blocks: int = 0
    receipts: int = 0
    """Blocks whose receipts were there and right."""
    signed: int = 0
    """Certificates whose signatures were checked."""
    named: int = 0
    """Certificates of epochs whose validators the state does not tell any more: they name their block."""
    state_rows: int = 0
    guard_rows: int = 0
    problems: list[dict[str, Fact]] = field(default_factory=list)

    def add(self, what: str, **facts: Fact) -> None:
        """Note a problem."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append({"what": what, **facts})

    def add_refusal(self, refused: Refused) -> None:
        """Note what was refused."""
        told = {name: each for name, each in refused.facts.items() if name not in ("what", "todo")}
        self.add(str(refused.facts["what"] if refused.reason is Reason.STORE_DAMAGED else refused), **told)


def check_store(store: Store, genesis_hash: bytes, progress: Progress) -> Findings:
    """Return what is wrong with an open store; nothing is changed."""
    return _Check(store, genesis_hash, progress).run()


class _Check:
    """One pass over a store."""

    def __init__(self, store: Store, genesis_hash: bytes, progress: Progress) -> None:
        self._store = store
        self._rows = store.rows
        self._genesis_hash = genesis_hash
        self._progress = progress
        self._found = Findings()
        self._transactions = 0

    def run(self) -> Findings:
        head = self._store.head
        if head is None:
            self._found.add("the store is empty")
            return self._found
        self._found.height = head.height
        for part in (self._blocks, self._certificates, self._state, self._guard, self._index):
            try:
                part(head)
            except Refused as refused:
                self._found.add_refusal(refused)
            except StoreFailedError as failed:
                self._found.add(str(failed))
        return self._found

    # --- blocks, from the lowest on

    def _blocks(self, head: HeadRow) -> None:
        floor = self._store.floor
        before: Header | None = None
        for height in range(floor.blocks, head.height + 1):
            if (height - floor.blocks) % STRIDE == 0:
                self._progress("blocks", height - floor.blocks, head.height + 1 - floor.blocks)
            header = self._block(height, before)
            if header is not None and before is not None and height > floor.history:
                self._roots(height - 1, header)
            before = header
        if self._store.id_at(head.height) != head.block:
            self._found.add("the head is another block", height=head.height, wanted=head.block)

    def _block(self, height: int, before: Header | None) -> Header | None:
        """Check one block, and return its header if it could be read."""
        try:
            row = block_row(self._rows, height)
            raw = self._store.block(height)
            if row is None or raw is None:
                self._found.add("a row of the index is absent", height=height)
                return None
            block = decode_block(raw)
        except Refused as refused:
            self._found.add_refusal(refused)
            return None
        header = block.header
        name = block_id(header)
        parent = ZERO_HASH if before is None else block_id(before)
        if (row.id, row.epoch, row.time_ms, height) != (name, header.epoch, header.timestamp_ms, header.height):
            self._found.add("the index tells of another block", height=height, seen=name, wanted=row.id)
        if before is not None and header.parent != parent:
            self._found.add("the block has another parent", height=height, seen=header.parent, wanted=parent)
        if self._store.height_of(row.id) != height:
            self._found.add("the block's id leads elsewhere", height=height, seen=self._store.height_of(row.id))
        self._found.blocks += 1
        self._history(height, len(block.transactions))
        return header

    def _history(self, height: int, count: int) -> None:
        """Check receipts, and the places of their transactions."""
        if height < self._store.floor.history:
            return
        receipts = self._receipts(height)
        if receipts is None or len(receipts) != count or self._store.state_root(height) is None:
            self._found.add("receipts or the state root are absent", height=height)
            return
        self._transactions += len(receipts)
        for at, receipt in enumerate(receipts):
            if self._store.place_of(receipt.transaction) != (height, at):
                self._found.add("a transaction's place is wrong", height=height, transaction=receipt.transaction)
        self._found.receipts += 1

    def _receipts(self, height: int) -> list[Receipt] | None:
        raw = self._store.receipts(height)
        try:
            return None if raw is None else decode(list[Receipt], raw, at_most=schema.RECEIPTS_BYTES_MAX)
        except Refused as refused:
            self._found.add(f"receipts do not decode: {refused}", height=height)
            return None

    def _roots(self, height: int, child: Header) -> None:
        """Hold the receipts and the state root of a height against its child's header (L33)."""
        if height < self._store.floor.history:
            return
        receipts = self._receipts(height)
        if receipts is not None and receipts_root(receipts) != child.receipts_root:
            self._found.add("the receipts have another root", height=height)
        if self._store.state_root(height) not in (None, child.state_root):
            self._found.add("the state root is another", height=height, wanted=child.state_root)

    # --- certificates, state, guard, index

    def _certificates(self, head: HeadRow) -> None:
        state, last = State(self._store.state), 0
        for key, raw in self._rows.scan(schema.CERTIFICATE):
            height = schema.number_of(key)
            certificate = decode(Certificate, raw, at_most=CERTIFICATE_BYTES_MAX)
            row = block_row(self._rows, height)
            if row is None or certificate.vote.block != row.id or certificate.vote.kind is not VoteKind.FINALIZE:
                self._found.add("the certificate is of no block at its height", height=height)
                continue
            last = height
            self._signatures(state, certificate, row, height)
            if (self._found.signed + self._found.named) % STRIDE == 0:
                self._progress("certificates", height, head.height)
        if head.height - last > UNFINAL_BLOCKS_MAX:
            self._found.add("no certificate covers the last blocks", height=last + 1)

    def _signatures(self, state: State, certificate: Certificate, row: BlockRow, height: int) -> None:
        members = state.epoch_set(certificate.vote.epoch)
        if certificate.vote.epoch != row.epoch:
            self._found.add("the certificate is of another epoch than its block", height=height)
            return
        if members is None:
            self._found.named += 1
            return
        try:
            check_final(certificate, row.id, instance_of(self._genesis_hash, members))
            self._found.signed += 1
        except Refused as refused:
            self._found.add(f"the certificate does not hold: {refused}", height=height)

    def _state(self, head: HeadRow) -> None:
        self._progress("state", 0, 1)
        tree = tree_of(self._counted())
        if tree.root != head.state_root or self._store.state_root(head.height) != head.state_root:
            self._found.add("the state has another root", height=head.height, seen=tree.root, wanted=head.state_root)

    def _counted(self) -> Iterator[tuple[bytes, bytes]]:
        for row in self._store.state.scan():
            self._found.state_rows += 1
            yield row

    def _guard(self, _head: HeadRow) -> None:
        self._progress("guard", 0, 1)
        for _, record in self._rows.scan(schema.GUARD):
            decode_record(record)
            self._found.guard_rows += 1

    def _index(self, head: HeadRow) -> None:
        """Look for rows of no block: above the head, or below what is kept."""
        self._progress("index", 0, 1)
        floor = self._store.floor
        lowest_of = {schema.BLOCK: floor.blocks, schema.RECEIPTS: floor.history, schema.ROOT: floor.history}
        for kind, lowest in lowest_of.items():
            for key, _ in self._rows.scan(kind):
                if not lowest <= schema.number_of(key) <= head.height:
                    self._found.add("a row is of no block that is kept", kind=kind, height=schema.number_of(key))
        counts = Counter({kind: sum(1 for _ in self._rows.scan(kind)) for kind in (schema.TRANSACTION, schema.HEIGHT)})
        if counts[schema.HEIGHT] != head.height + 1 - floor.blocks:
            self._found.add("blocks are told of that are not kept", seen=counts[schema.HEIGHT])
        if counts[schema.TRANSACTION] != self._transactions and not self._found.problems:
            self._found.add(
                "transactions are told of that are not kept",
                seen=counts[schema.TRANSACTION],
                wanted=self._transactions,
            )


def refused_at_opening(refused: Refused) -> Findings:
    """Return the findings on a store that can't even be opened; raises others than STORE_DAMAGED on."""
    if refused.reason is not Reason.STORE_DAMAGED:
        raise refused
    found = Findings()
    found.add_refusal(refused)
    return found
