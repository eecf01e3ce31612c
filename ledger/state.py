"""The state: typed rows over bytes, and one overlay per block that is not on disk yet (L40, L71)."""

from collections.abc import Iterator
from heapq import merge
from typing import Protocol, TypeVar, cast

import msgspec

from ledger.limits import STATE_ROW_BYTES_MAX
from ledger.records import (
    Account,
    Amount,
    Clock,
    Due,
    DueKind,
    Job,
    LoweringEntry,
    Marker,
    ModelEntry,
    Revealed,
    Tip,
    Totals,
    Track,
    Worker,
)
from ledger.stake.epochs import Epoch, EpochSet
from ledger.stake.records import Claim, Conviction, Delegation, Pool, RuleVersion, RuleVersions, Validator
from primitives import codec
from primitives.record import Record

R = TypeVar("R", bound=Record)
ROWS_MAX = 2**62
"""Where a scan has no limit of its own."""

# Namespaces: the first byte of a key (L40).
ACCOUNT = b"\x01"
WORKER = b"\x02"
MODEL = b"\x03"
JOB = b"\x04"
TIP = b"\x05"
TOTALS = b"\x06"
CLOCK = b"\x07"
DEADLINE = b"\x08"
"""‖ live time, 8 bytes ‖ id of a job, dispute, filing or batch."""
DRAW = b"\x09"
"""‖ height of the commitment, 8 bytes ‖ job: waits for the beacon."""
UNBONDING = b"\x0a"
"""‖ block time, 8 bytes ‖ address."""
REVEALED = b"\x0b"
EPOCH_SET = b"\x0c"
"""‖ epoch, 8 bytes."""
EPOCH = b"\x0d"
VALIDATOR = b"\x0e"
DELEGATION = b"\x0f"
"""‖ delegator's address ‖ validator's."""
POOL = b"\x10"
"""‖ validator's address ‖ epoch, 8 bytes."""
CLAIM = b"\x11"
"""‖ block time, 8 bytes ‖ delegator's address ‖ validator's."""
KEY_OWNER = b"\x12"
CONVICTION = b"\x13"
"""‖ epoch, 8 bytes ‖ validator's address."""
VERSIONS = b"\x14"
ROLL = b"\x15"
"""‖ validator's address: the end of an epoch looks at it."""
SAMPLE = b"\x1e"
"""‖ job: waits for the beacon to pick leaves of its values."""
LOWERING = b"\x16"
"""‖ model ‖ lowering."""
BATCH = b"\x1b"
CANARY = b"\x1c"
"""‖ provider's address."""
TRACK = b"\x1d"
"""‖ provider's address."""

WITHHELD = b"\x1a"
"""‖ filing."""
WITHHELD_OF_JOB = b"\x1f"
"""‖ job ‖ filing."""
WITHHELD_LINE = b"\x20"
JACKPOT = b"\x22"
"""‖ epoch, 8 bytes."""


def number(value: int) -> bytes:
    """Return a number as it stands in keys: 8 bytes, big-endian, so that key order is number order."""
    return value.to_bytes(8, "big")


def account_key(address: bytes) -> bytes:
    """Return the key of an account."""
    return ACCOUNT + address


def worker_key(address: bytes) -> bytes:
    """Return the key of a worker."""
    return WORKER + address


def model_key(model_id: bytes) -> bytes:
    """Return the key of a model."""
    return MODEL + model_id


def lowering_key(model_id: bytes, lowering_id: bytes) -> bytes:
    """Return the key of a lowering of a model."""
    return LOWERING + model_id + lowering_id


def job_key(job_id: bytes) -> bytes:
    """Return the key of a job."""
    return JOB + job_id


def tip_key(validator: bytes) -> bytes:
    """Return the key of the onion tip of a validator, by its address."""
    return TIP + validator


def deadline_key(live_ms: int, identity: bytes) -> bytes:
    """Return the key of an entry of the deadline index: of a job, dispute, filing or batch (32-byte id)."""
    return DEADLINE + number(live_ms) + identity


def draw_key(height: int, job_id: bytes) -> bytes:
    """Return the key of an entry of the queue for the draw."""
    return DRAW + number(height) + job_id


def unbonding_key(time_ms: int, address: bytes) -> bytes:
    """Return the key of stake that is being unbonded."""
    return UNBONDING + number(time_ms) + address


def track_key(provider: bytes) -> bytes:
    """Return the key of what a provider's jobs have come to."""
    return TRACK + provider


def sample_key(job_id: bytes) -> bytes:
    """Return the key of an entry of the queue of jobs whose leaves the beacon has not picked yet."""
    return SAMPLE + job_id


def revealed_key(job_id: bytes) -> bytes:
    """Return the key of the provider's bundles."""
    return REVEALED + job_id


def validator_key(address: bytes) -> bytes:
    """Return the key of a validator."""
    return VALIDATOR + address


def delegation_key(delegator: bytes, validator: bytes) -> bytes:
    """Return the key of what one account has delegated to one validator."""
    return DELEGATION + delegator + validator


def pool_key(validator: bytes, epoch: int) -> bytes:
    """Return the key of the stake that was taken from a validator in an epoch."""
    return POOL + validator + number(epoch)


def claim_key(time_ms: int, delegator: bytes, validator: bytes) -> bytes:
    """Return the key of an account's part of such stake, which is due at a block time."""
    return CLAIM + number(time_ms) + delegator + validator


def key_owner_key(key: bytes) -> bytes:
    """Return the key of the row that says whose a vote key or network key is."""
    return KEY_OWNER + key


def named_onion_key(onion: bytes, validator: bytes) -> bytes:
    """Return the key of the row that says that a validator has named an onion."""
    return KEY_OWNER + onion + validator


def roll_key(validator: bytes) -> bytes:
    """Return the key of a validator's place on the roll."""
    return ROLL + validator


def conviction_key(epoch: int, validator: bytes) -> bytes:
    """Return the key of a validator's offence in an epoch."""
    return CONVICTION + number(epoch) + validator


def epoch_set_key(epoch: int) -> bytes:
    """Return the key of the validators of an epoch."""
    return EPOCH_SET + number(epoch)


class Reader(Protocol):
    """Rows by key: what a store offers."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a row."""

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """Return at most `limit` rows whose key begins with `prefix`, in key order."""


class MemoryReader:
    """Rows in memory: a store for tests, the simulator and the start of a network."""

    def __init__(self, rows: dict[bytes, bytes] | None = None) -> None:
        self.rows = dict(rows or {})

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a row."""
        return self.rows.get(key)

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """Return at most `limit` rows whose key begins with `prefix`, in key order."""
        found = sorted(key for key in self.rows if key.startswith(prefix))
        for key in found[:limit]:
            yield key, self.rows[key]

    def write(self, writes: dict[bytes, bytes | None]) -> None:
        """Carry out the writes of a block."""
        for key, value in writes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


_ABSENT: object = object()


class State:
    """The rows after a block: its own writes over those of its parent, over a reader.

    A state is changed only while its block is executed; `freeze` ends that. What one transaction wrote can be undone.
    """

    def __init__(self, below: "State | Reader") -> None:
        self._below = below
        # By namespace, so that a scan of an index need not look at every account that changed.
        self._changes: dict[bytes, dict[bytes, Record | None]] = {}
        self._read: dict[bytes, Record | None] = {}
        self._journal: list[tuple[bytes, object]] = []
        self._frozen = False

    # --- rows of every kind

    def find(self, kind: type[R], key: bytes) -> R | None:
        """Return the row of `kind` at `key`."""
        at = self
        while True:  # not by recursion: hundreds of blocks may wait to be final
            changes = at._changes.get(key[:1])
            if changes is not None and key in changes:
                return changes[key]  # type: ignore[return-value]  # a namespace holds one kind
            if key in at._read:
                return at._read[key]  # type: ignore[return-value]  # a namespace holds one kind
            if not isinstance(at._below, State):
                break
            at = at._below
        raw = at._below.get(key)
        row = None if raw is None else codec.decode(kind, raw, at_most=STATE_ROW_BYTES_MAX)
        at._read[key] = row
        return row

    def put(self, key: bytes, row: Record | None) -> None:
        """Write a row; None removes it."""
        assert not self._frozen
        changes = self._changes.setdefault(key[:1], {})
        self._journal.append((key, changes.get(key, _ABSENT)))
        changes[key] = row

    def scan(self, kind: type[R], prefix: bytes, *, limit: int = ROWS_MAX) -> Iterator[tuple[bytes, R]]:
        """Return at most `limit` rows whose key begins with `prefix` (its namespace at least), in key order."""
        given = 0
        for key, row in self._rows(prefix, limit, kind):
            if row is None:
                continue
            if given == limit:
                return
            given += 1
            yield key, row

    def _rows(self, prefix: bytes, limit: int, kind: type[R]) -> Iterator[tuple[bytes, R | None]]:
        """Return the rows under `prefix`, removed ones as None, and no key twice."""
        changed: dict[bytes, R | None] = {}
        at = self
        while True:
            changes = cast("dict[bytes, R | None]", at._changes.get(prefix[:1], {}))  # a namespace holds one kind
            for key, row in changes.items():
                if key.startswith(prefix):
                    changed.setdefault(key, row)
            if not isinstance(at._below, State):
                break
            at = at._below
        wider = min(ROWS_MAX, limit + len(changed))  # so many of those in the reader may be removed or replaced
        stored = ((key, at._decoded(kind, key, raw)) for key, raw in at._below.scan(prefix, wider))
        if not changed:
            yield from stored
            return
        unchanged = ((key, row) for key, row in stored if key not in changed)
        yield from merge(sorted(changed.items(), key=_key_of), unchanged, key=_key_of)

    def _decoded(self, kind: type[R], key: bytes, raw: bytes) -> R:
        row = self._read.get(key)
        if row is None:
            row = self._read[key] = codec.decode(kind, raw, at_most=STATE_ROW_BYTES_MAX)
        return row  # type: ignore[return-value]  # a namespace holds one kind

    # --- one kind each

    def account(self, address: bytes) -> Account:
        """Return an account; one that never was reads as zeros."""
        return self.find(Account, ACCOUNT + address) or _NO_ACCOUNT

    def worker(self, address: bytes) -> Worker | None:
        """Return the worker with this address."""
        return self.find(Worker, worker_key(address))

    def track(self, provider: bytes) -> Track:
        """Return what a provider's jobs have come to; of one that never had any, zeros."""
        return self.find(Track, track_key(provider)) or _NO_TRACK

    def model(self, model_id: bytes) -> ModelEntry | None:
        """Return a published model."""
        return self.find(ModelEntry, model_key(model_id))

    def lowering(self, model_id: bytes, lowering_id: bytes) -> LoweringEntry | None:
        """Return a registered lowering of a model."""
        return self.find(LoweringEntry, lowering_key(model_id, lowering_id))

    def job(self, job_id: bytes) -> Job | None:
        """Return a job."""
        return self.find(Job, job_key(job_id))

    def tip(self, validator: bytes) -> Tip:
        """Return the onion tip of a validator that is or was a member of an epoch, by its address."""
        tip = self.find(Tip, tip_key(validator))
        assert tip is not None
        return tip

    def epoch(self) -> Epoch:
        """Return the epoch of the next block."""
        epoch = self.find(Epoch, EPOCH)
        assert epoch is not None
        return epoch

    def epoch_set(self, epoch: int) -> EpochSet | None:
        """Return the validators of an epoch: the running one, the next, or one that can still be accused (Q5)."""
        return self.find(EpochSet, epoch_set_key(epoch))

    def validators(self, ahead: int = 0) -> EpochSet:
        """Return the validators of the next block's epoch, or of the one after it with `ahead` 1."""
        found = self.epoch_set(self.epoch().number + ahead)
        assert found is not None
        return found

    def totals(self) -> Totals:
        """Return the pots."""
        totals = self.find(Totals, TOTALS)
        assert totals is not None
        return totals

    def clock(self) -> Clock:
        """Return block time, live time and beacon."""
        clock = self.find(Clock, CLOCK)
        assert clock is not None
        return clock

    def workers(self) -> Iterator[tuple[bytes, Worker]]:
        """Return all workers (address and row), by address."""
        return ((key[1:], row) for key, row in self.scan(Worker, WORKER))

    def models(self, *, limit: int = ROWS_MAX) -> Iterator[tuple[bytes, ModelEntry]]:
        """Return models (id and row), by id."""
        return ((key[1:], row) for key, row in self.scan(ModelEntry, MODEL, limit=limit))

    def lowerings(self, model_id: bytes, *, limit: int = ROWS_MAX) -> Iterator[tuple[bytes, LoweringEntry]]:
        """Return the lowerings of a model (id and row), by id."""
        return ((key[33:], row) for key, row in self.scan(LoweringEntry, LOWERING + model_id, limit=limit))

    def jobs(self, *, limit: int = ROWS_MAX) -> Iterator[tuple[bytes, Job]]:
        """Return jobs (id and row), by id."""
        return ((key[1:], row) for key, row in self.scan(Job, JOB, limit=limit))

    def revealed(self, job_id: bytes) -> Revealed | None:
        """Return the provider's bundles of a job that is being checked."""
        return self.find(Revealed, revealed_key(job_id))

    def deadlines(self, *, limit: int = ROWS_MAX) -> Iterator[tuple[int, DueKind, bytes]]:
        """Return deadlines (live time, and what is due: kind and id), the earliest first."""
        return ((_number_in(key), row.kind, key[9:]) for key, row in self.scan(Due, DEADLINE, limit=limit))

    def unsampled(self, *, limit: int = ROWS_MAX) -> Iterator[bytes]:
        """Return jobs whose leaves the beacon has not picked yet."""
        return (key[1:] for key, _ in self.scan(Marker, SAMPLE, limit=limit))

    def draws(self, *, limit: int = ROWS_MAX) -> Iterator[tuple[int, bytes]]:
        """Return pending draws (height of the commitment and job), the earliest first."""
        return ((_number_in(key), key[9:]) for key, _ in self.scan(Marker, DRAW, limit=limit))

    def unbonding(self, *, limit: int = ROWS_MAX) -> Iterator[tuple[int, bytes, int]]:
        """Return stake that is being unbonded (block time, address, grains), the earliest first."""
        return ((_number_in(key), key[9:], row.grains) for key, row in self.scan(Amount, UNBONDING, limit=limit))

    def validator(self, address: bytes) -> Validator | None:
        """Return a validator by its address."""
        return self.find(Validator, validator_key(address))

    def registered_validators(self) -> Iterator[tuple[bytes, Validator]]:
        """Return the validators on the roll (address and row), in a set or not, by address (Q18)."""
        for key, _ in self.scan(Marker, ROLL):
            row = self.validator(key[1:])
            assert row is not None
            yield key[1:], row

    def delegation(self, delegator: bytes, validator: bytes) -> int:
        """Return the shares of a validator's stake that an account holds."""
        found = self.find(Delegation, delegation_key(delegator, validator))
        return 0 if found is None else found.shares

    def delegations(self, delegator: bytes, *, limit: int = ROWS_MAX) -> Iterator[tuple[bytes, int]]:
        """Return what an account has delegated (validator's address and shares), by validator."""
        return ((key[21:], row.shares) for key, row in self.scan(Delegation, DELEGATION + delegator, limit=limit))

    def pools(self, validator: bytes) -> Iterator[tuple[int, Pool]]:
        """Return the stake that was taken from a validator and is not paid yet (epoch and row), the earliest first."""
        return ((int.from_bytes(key[21:], "big"), row) for key, row in self.scan(Pool, POOL + validator))

    def claims(self, *, limit: int = ROWS_MAX) -> Iterator[tuple[int, bytes, bytes, Claim]]:
        """Return who is to be paid out of pools (block time, delegator, validator, row), the earliest first."""
        rows = self.scan(Claim, CLAIM, limit=limit)
        return ((_number_in(key), key[9:29], key[29:], row) for key, row in rows)

    def conviction(self, epoch: int, validator: bytes) -> Conviction | None:
        """Return a validator's proved offence in an epoch."""
        return self.find(Conviction, conviction_key(epoch, validator))

    def convictions(
        self, *, epoch: int | None = None, limit: int = ROWS_MAX
    ) -> Iterator[tuple[int, bytes, Conviction]]:
        """Return proved offences (epoch, validator's address, row), of one epoch or of all, the earliest first."""
        prefix = CONVICTION if epoch is None else CONVICTION + number(epoch)
        return ((_number_in(key), key[9:], row) for key, row in self.scan(Conviction, prefix, limit=limit))

    def rule_versions(self) -> list[RuleVersion]:
        """Return the rules and when each comes into force, the earliest first."""
        found = self.find(RuleVersions, VERSIONS)
        assert found is not None
        return found.planned

    # --- execution

    def child(self) -> "State":
        """Return an empty overlay on this state."""
        return State(self)

    def mark(self) -> int:
        """Return a point that `undo` can go back to."""
        return len(self._journal)

    def undo(self, mark: int) -> None:
        """Take back every write since `mark`."""
        while len(self._journal) > mark:
            key, before = self._journal.pop()
            if before is _ABSENT:
                del self._changes[key[:1]][key]
            else:
                self._changes[key[:1]][key] = before  # type: ignore[assignment]  # what stood there

    def freeze(self) -> dict[bytes, bytes | None]:
        """End the execution and return the writes, encoded, by key."""
        self._frozen = True
        self._journal.clear()
        rows = [item for namespace in sorted(self._changes) for item in self._changes[namespace].items()]
        return {key: None if row is None else codec.encode(row) for key, row in rows}

    def rebase(self, below: Reader) -> None:
        """Stand on a reader that holds everything that the state below held."""
        self._below = below
        self._read.clear()


_NO_ACCOUNT = Account(nonce=0, balance=0)
_NO_TRACK = Track(settled=0, trusted=0, rejected=0, convicted=0, grey=0, forced=0)


def _number_in(key: bytes) -> int:
    return int.from_bytes(key[1:9], "big")


def _key_of(item: tuple[bytes, object]) -> bytes:
    return item[0]


def change(row: R, **fields: object) -> R:
    """Return a copy of a row with some fields changed."""
    return msgspec.structs.replace(row, **fields)
