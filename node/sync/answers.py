"""What this node tells others about the chain: how far it is, ranges of final blocks, single blocks (N62)."""

import logging
from typing import assert_never

import trio

from consensus.messages import Certificate
from node.final_chain import FinalChain
from node.peers.rate import Bucket, Rate
from node.sync.messages import (
    RANGE_BLOCKS_MAX,
    RANGE_BYTES_MAX,
    BodyRequest,
    NotHere,
    Range,
    RangeRequest,
    Status,
    StatusRequest,
    decode_request,
)
from primitives.codec import encode
from primitives.reasons import Refused

WAIT_S = 2.0
"""How long an answer waits for a block that is not final yet: two blocks of an idle chain."""
BREATH_BLOCKS = 8
"""Blocks that are read before others have their turn: a millisecond."""
READING = Rate(per_s=1 / 8, burst=0.05)
"""Seconds of reading in a second, and at once after a quiet time: whoever asks for much, and be it by many names, does
not keep this node from its own work, and followers, each of which asks for the last block, don't wait for each other.
It is enough for five hundred blocks in a second."""

_log = logging.getLogger("assay.sync")


class SyncAnswers:
    """Answers the request protocol "sync" from the final chain."""

    def __init__(self, chain: FinalChain) -> None:
        self._chain = chain
        self._reading = trio.Lock()
        self._share = Bucket(READING, 0.0)

    async def answer(self, body: bytes) -> bytes | None:
        """Return the answer to a peer's request; None for what is no request, or not known here."""
        try:
            asked = decode_request(body)
        except Refused:
            return None
        match asked:
            case StatusRequest():
                head = self._chain.head
                return encode(Status(height=head.height, block=head.block_id, lowest=self._chain.lowest))
            case RangeRequest():
                return await self._range(asked.first, asked.last)
            case BodyRequest():
                return self._body(asked.block)
            case _:
                assert_never(asked)

    async def _range(self, first: int, last: int) -> bytes | None:
        with trio.move_on_after(WAIT_S):
            await self._chain.wait_for_height(first)
        if first < self._chain.lowest:  # N66
            return encode(NotHere(lowest=self._chain.lowest))
        async with self._reading:
            began = trio.current_time()
            found = await self._read(first, last)
            now = trio.current_time()
            await trio.sleep(self._share.owe(now - began, now))
        return None if found is None else encode(found)

    async def _read(self, first: int, last: int) -> Range | None:
        """Return final blocks from `first` on, up to the first certificate at or after `last`, as many as fit."""
        blocks: list[bytes] = []
        size, certified = 0, 0
        certificate: Certificate | None = None
        epoch = self._chain.epoch_at(first)
        for height in range(first, min(self._chain.head.height, first + RANGE_BLOCKS_MAX - 1) + 1):
            if self._chain.epoch_at(height) != epoch or (height > last and certified == len(blocks)):
                break
            raw = self._stored(height)
            if raw is None or (blocks and size + len(raw) > RANGE_BYTES_MAX):
                break
            blocks.append(raw)
            size += len(raw)
            if len(blocks) % BREATH_BLOCKS == 0:
                await trio.lowlevel.checkpoint()
            found = self._chain.certificate_at(height)
            if found is not None:
                certificate, certified = found, len(blocks)
        if not blocks:
            return None
        return Range(blocks=blocks[:certified] if certified else blocks, certificate=certificate)

    def _stored(self, height: int) -> bytes | None:
        """Return a final block as it is stored; None if it is damaged here, which others need not suffer from (N45)."""
        try:
            return self._chain.encoded_block(height)
        except Refused as fault:
            _log.error("a block can't be given to a peer: %s", fault)
            return None

    def _body(self, name: bytes) -> bytes | None:
        try:
            return self._chain.body(name)
        except Refused as fault:
            _log.error("a block can't be given to a peer: %s", fault)
            return None
