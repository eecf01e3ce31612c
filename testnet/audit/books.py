"""The books of a network: every balance, from its genesis and its blocks alone."""

import copy
from typing import Any

import msgspec

from testnet.audit import disputes, epochs, jobs, orders, parts, stakes, withheld, workers
from testnet.audit.holdings import At, Holdings, Worker
from testnet.audit.rules import (
    BATCHES,
    KIND_GAS,
    BeyondError,
    Header,
    Kind,
    RefusedError,
    Why,
    WrongError,
    address_of,
    gas_of,
    merkle_root,
    must,
    next_base_fee,
    tagged,
)

WORKER_KINDS = (Kind.WORKER_REGISTER, Kind.WORKER_BOND, Kind.WORKER_UPDATE, Kind.WORKER_EXIT)
ORDER_KINDS = (
    Kind.MODEL_PUBLISH,
    Kind.LOWERING_PUBLISH,
    Kind.JOB_SUBMIT,
    Kind.BATCH_SUBMIT,
    Kind.JOB_ACCEPT,
    Kind.BATCH_ACCEPT,
    Kind.JOB_DECLINE,
    Kind.CANARY_OPEN,
)
SWEEP_MAX = 256


class Books:
    """All money of a network, followed from genesis block by block."""

    def __init__(self, genesis: dict[str, Any]) -> None:
        """Open the books with what genesis.json gives: {"hash": ..., "genesis": {...}}."""
        told = genesis["genesis"]
        self.holdings = Holdings(
            genesis_hash=bytes.fromhex(genesis["hash"]),
            parameters=told["parameters"],
            balances={bytes.fromhex(each["address"]): int(each["balance"]) for each in told["accounts"]},
            workers={bytes.fromhex(each["address"]): _worker(each) for each in told["workers"]},
            stakes=epochs.first_stakes(told),
            versions=told["versions"],
            beacon=bytes.fromhex(told["beacon"]),
            rewards=int(told["rewards"]),
            time_ms=int(told["timestamp_ms"]),
        )
        self.transactions = self.failed = 0
        self.supply = self.holdings.total()
        self._floor = int(told["parameters"]["base_fee_min"])
        self._last: tuple[Header, bytes] | None = None
        self._receipts: list[bytes] = []
        self._gas = 0
        """Of ordinary transactions of the last block (L27)."""

    @property
    def height(self) -> int:
        """The block up to which the books are kept."""
        return self._last[0].height if self._last else 0

    @property
    def balances(self) -> dict[bytes, int]:
        """What each account has."""
        return self.holdings.balances

    def take(self, raw: bytes) -> None:
        """Enter the next block. Raises WrongError and BeyondError."""
        _, fields, transactions, evidence = msgspec.msgpack.decode(raw)
        header = Header(*fields)
        self._check(header, transactions)
        self._begin(header)
        proposer = self.holdings.stakes.running.members[header.proposer].validator
        epochs.punish(self.holdings, evidence, proposer)
        tips = burned = 0
        for envelope in transactions:
            paid, tip = self._enter(header, envelope)
            burned, tips = burned + paid, tips + tip
        self._finish()
        holdings = self.holdings  # what a batch that failed had done was given up, with what held it
        holdings.burned += burned
        holdings.give(proposer, tips)
        epochs.end_epoch(holdings)
        if holdings.total() != self.supply:  # no rule above makes or loses money
            raise WrongError(f"{holdings.total()} grains at height {header.height}, not {self.supply}")
        self._last = (header, tagged(b"assay/block", msgspec.msgpack.encode(fields)))

    def _check(self, header: Header, transactions: list[bytes]) -> None:
        """Check that a block follows the last one, and that its parent's receipts are those of these books."""
        wanted = [
            ("network", header.genesis, self.holdings.genesis_hash),
            ("height", header.height, self.height + 1),
            ("transactions", header.tx_root, merkle_root(transactions)),
            ("epoch", header.epoch, running := self.holdings.stakes.epoch),
            ("validators", header.validators_hash, epochs.set_hash(self.holdings.stakes, running)),
            ("next validators", header.next_validators_hash, epochs.set_hash(self.holdings.stakes, running + 1)),
        ]
        if self._last is not None:
            last, name = self._last
            wanted += [
                ("parent", header.parent, name),
                ("parent's receipts", header.receipts_root, merkle_root(self._receipts)),
                ("parent's gas", header.parent_gas_used, self._gas),
                ("base fee", header.base_fee, next_base_fee(last.base_fee, self._gas, self._floor)),
            ]
        for what, seen, right in wanted:
            if seen != right and what == "parent's receipts" and self.holdings.presumed:
                raise BeyondError(f"block {self.height} holds what these books have presumed, and it was not so")
            if seen != right:
                raise WrongError(f"{what} of block {header.height}: {seen!r}, by these books {right!r}")

    def _begin(self, header: Header) -> None:
        """Set the clocks, and count the reveal (L41, L45)."""
        holdings = self.holdings
        holdings.live_ms += min(header.timestamp_ms - holdings.time_ms, holdings.tell("live_step_ms_max"))
        holdings.height, holdings.epoch, holdings.time_ms = header.height, header.epoch, header.timestamp_ms
        holdings.beacon = tagged(b"assay/beacon", holdings.beacon + header.beacon_reveal)
        epochs.count_views(holdings, header)
        holdings.presumed = False
        self._receipts, self._gas = [], 0

    def _enter(self, header: Header, envelope: bytes) -> tuple[int, int]:
        """Enter a transaction; return what it burns, and its tip."""
        encoded: bytes = msgspec.msgpack.decode(envelope)[0]
        key, nonce, cap, offer, _, payload = msgspec.msgpack.decode(encoded)
        holdings, sender = self.holdings, address_of(key)
        if payload[0] not in KIND_GAS:
            raise BeyondError(f"a transaction of kind {payload[0]} at height {header.height}")
        if nonce != holdings.nonces.get(sender, 0):
            raise WrongError(
                f"nonce {nonce} at height {header.height}, by these books {holdings.nonces.get(sender, 0)}"
            )
        holdings.nonces[sender] = nonce + 1
        kept = self._is_kept(sender, payload)
        price = self._floor if kept else header.base_fee  # L28
        gas = gas_of(payload, len(envelope))
        burned, tip = gas * price, gas * min(int(offer), int(cap) - price)
        if cap < price or holdings.balances.get(sender, 0) < burned + tip:
            raise WrongError(f"a fee that its sender does not offer or have, at height {header.height}")
        holdings.balances[sender] -= burned + tip
        self._gas += 0 if kept else gas
        self.transactions += 1
        name = tagged(b"assay/tx-id", encoded)
        reason = self._carry_out(sender, name, payload, gas * self._floor)
        self.failed += reason > 0
        self._receipts.append(msgspec.msgpack.encode([name, reason, burned + tip]))
        return burned, tip

    def _is_kept(self, sender: bytes, payload: list[Any]) -> bool:
        kind = Kind(payload[0])
        if kind in parts.STATES:
            return parts.is_kept(self.holdings, sender, payload)
        if kind in withheld.KINDS:
            return withheld.is_kept(self.holdings, sender, payload)
        if kind is Kind.CANARY_OPEN:
            return orders.is_kept(self.holdings, sender, payload)
        return kind in disputes.KINDS and disputes.is_kept(self.holdings, sender, payload)

    def _carry_out(self, sender: bytes, name: bytes, payload: list[Any], carriage: int) -> int:
        """Carry a payload out, and return the reason for which it fails, or 0."""
        kind, before = Kind(payload[0]), None
        if kind in BATCHES:  # all of it or nothing: of others nothing is changed before all is checked
            before = copy.deepcopy(self.holdings)
        try:
            self._dispatch(kind, sender, name, payload, carriage)
        except RefusedError as refused:
            self.holdings = before or self.holdings
            return int(refused.why)
        return 0

    def _dispatch(self, kind: Kind, sender: bytes, name: bytes, payload: list[Any], carriage: int) -> None:
        holdings = self.holdings
        if kind is Kind.TRANSFER:
            must(payload[2], Why.ZERO_AMOUNT)
            holdings.take(sender, payload[2])
            holdings.give(payload[1], payload[2])
        elif kind in WORKER_KINDS:
            workers.carry_out(holdings, sender, payload)
        elif kind in stakes.KINDS:
            stakes.carry_out(holdings, sender, payload)
        elif kind in ORDER_KINDS:
            orders.carry_out(holdings, sender, name, payload)
        elif kind in parts.STATES:
            parts.carry_out(holdings, sender, payload)
        elif kind in disputes.KINDS:
            disputes.carry_out(holdings, sender, payload, carriage)
        else:
            withheld.carry_out(holdings, sender, payload)

    def _finish(self) -> None:
        """Draw, let what is due move, and pay what was unbonded (L42, L43, L53)."""
        holdings = self.holdings
        jobs.draw_pending(holdings)
        disputes.draw_pending(holdings)
        jobs.pick_pending(holdings)
        redraws = 0
        due = sorted((live_ms, name) for name, live_ms in holdings.deadlines.items())[:SWEEP_MAX]
        for live_ms, name in due:
            if live_ms > holdings.live_ms or holdings.deadlines.get(name) != live_ms:
                continue
            if name in holdings.disputes:
                disputes.lapse(holdings, holdings.disputes[name])
                continue
            if name in holdings.filings:
                withheld.lapse(holdings, holdings.filings[name])
                continue
            job = holdings.jobs[name]
            if job.state is At.DISPUTED:
                disputes.resume(holdings, job)
                continue
            if jobs.can_redraw(job):
                if redraws == jobs.REDRAWS_MAX:
                    continue
                redraws += 1
                if jobs.redraw(holdings, job):
                    continue
            jobs.lapse(holdings, job)
        for entry in sorted(holdings.unbonding)[:SWEEP_MAX]:
            if entry[0] <= holdings.time_ms:
                holdings.give(entry[1], holdings.unbonding.pop(entry))
        stakes.pay_unbonded(holdings)


def _worker(told: dict[str, Any]) -> Worker:
    return Worker(
        operator=bytes.fromhex(told["operator"]),
        bond=told["bond"],
        capacity=told["capacity"],
        ask=told["ask"],
        gas_ask=told["gas_ask"],
        classes=told["classes"],
        max_model_bytes=told["max_model_bytes"],
        registered=0,
    )
