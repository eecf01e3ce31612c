"""Transactions of one key, sent until they are final: nonces in a row, lost ones sent again (D8)."""

import logging

import trio

from ledger.fees import suggested_cap
from ledger.transaction import Body, Payload, sign_transaction
from node.compute.blocks import BlockSignal
from node.ports import ChainView, TxState
from primitives.address import address_of
from primitives.ed25519 import public_key_of
from primitives.reasons import Fact, Reason, Refused

VALID_MS = 120_000
"""Far longer than a block takes, far shorter than the least deadline times the blocks in it."""
LOOK_S = 10.0
"""How long to wait for a block before looking whether the pool still has a transaction."""
HEADROOM = 16
"""Times what is advised: a worker would rather pay than be late, and what is not needed is not paid."""
TRIES_MAX = 20
"""Times that a transaction is signed anew, or refused for what a block may mend."""
PASSING = (
    Reason.NONCE_TOO_LOW,
    Reason.NONCE_GAP,
    Reason.MEMPOOL_FULL,
    Reason.ACCOUNT_LIMIT,
    Reason.FEE_TOO_LOW,
    Reason.REPLACEMENT_TOO_CHEAP,
    Reason.EXPIRED,
    Reason.BUSY,
)
"""Reasons that lie in the moment, not in the payload."""

_log = logging.getLogger("assay.worker")


class Sender:
    """Signs and sends for one key."""

    def __init__(self, chain: ChainView, seed: bytes, blocks: BlockSignal) -> None:
        self._chain = chain
        self._seed = seed
        self._public = public_key_of(seed)
        self._blocks = blocks
        self._lock = trio.Lock()  # from choosing a nonce until the pool has it
        self.address = address_of(self._public)

    async def send(self, payload: Payload) -> None:
        """Return when a transaction with this payload is final and succeeded.

        Raises Refused with the reason for which the pool or a block refused it.
        """
        last = Refused(Reason.BUSY, what="transactions")
        for _ in range(TRIES_MAX):
            try:
                async with self._lock:
                    body, raw = self._sign(payload)
                    txid = await self._chain.submit(raw)
            except Refused as refused:
                if refused.reason not in PASSING:
                    raise
                last = refused
                await self._blocks.wait()
                continue
            if await self._is_final(body, txid, raw):
                return
            last = Refused(Reason.EXPIRED, transaction=txid)
        raise last

    def _sign(self, payload: Payload) -> tuple[Body, bytes]:
        genesis = self._chain.genesis
        body = Body(
            sender=self._public,
            nonce=self._chain.next_nonce(self.address),
            fee_cap=HEADROOM * suggested_cap(self._chain.state().clock().base_fee),
            tip=0,
            valid_until=self._chain.head.timestamp_ms + min(VALID_MS, genesis.parameters.validity_ms_max),
            payload=payload,
        )
        return body, sign_transaction(self._seed, self._chain.genesis_hash, body)

    async def _is_final(self, body: Body, txid: bytes, raw: bytes) -> bool:
        """Wait until a transaction is final; False if it never will be. Raises Refused if it failed."""
        while True:
            status = self._chain.transaction(txid)
            if status.receipt is not None:
                if not status.receipt.ok:
                    raise Refused(Reason(status.receipt.reason), **_facts(status.receipt.facts))
                return True
            if status.state is TxState.UNKNOWN:  # the pool has lost it
                if self._is_void(body):
                    return False
                await self._again(raw)
            with trio.move_on_after(LOOK_S):
                await self._blocks.wait()

    def _is_void(self, body: Body) -> bool:
        """Tell whether no block can hold it any more: its nonce is used by another, or its time is over."""
        used = self._chain.state().account(self.address).nonce > body.nonce
        return used or self._chain.head.timestamp_ms > body.valid_until

    async def _again(self, raw: bytes) -> None:
        try:
            await self._chain.submit(raw)
        except Refused as refused:
            _log.info("a transaction was not taken again: %s", refused)


def _facts(told: list[tuple[str, int | str | None]]) -> dict[str, Fact]:
    return {name: value for name, value in told if name not in ("self", "reason")}
