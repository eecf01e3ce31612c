"""What this node tells others about the chain: how far it is, ranges of final blocks, single blocks (N62)."""

from typing import assert_never

import trio

from node.final_chain import FinalChain
from node.sync.messages import (
    RANGE_BLOCKS_MAX,
    RANGE_BYTES_MAX,
    BodyRequest,
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


class SyncAnswers:
    """Answers the request protocol "sync" from the final chain."""

    def __init__(self, chain: FinalChain) -> None:
        self._chain = chain

    async def answer(self, body: bytes) -> bytes | None:
        """Return the answer to a peer's request; None for what is no request, or not known here."""
        try:
            asked = decode_request(body)
        except Refused:
            return None
        match asked:
            case StatusRequest():
                head = self._chain.head
                return encode(Status(height=head.height, block=head.block_id))
            case RangeRequest():
                return await self._range(asked.first)
            case BodyRequest():
                return self._chain.body(asked.block)
            case _:
                assert_never(asked)

    async def _range(self, first: int) -> bytes | None:
        with trio.move_on_after(WAIT_S):
            await self._chain.wait_for_height(first)
        blocks: list[bytes] = []
        size = 0
        last = min(self._chain.head.height, first + RANGE_BLOCKS_MAX - 1)
        for height in range(first, last + 1):
            raw = self._chain.encoded_block(height)
            assert raw is not None, "every final block is stored"
            if size + len(raw) > RANGE_BYTES_MAX and blocks:
                break
            blocks.append(raw)
            size += len(raw)
        if not blocks:
            return None
        return encode(self._certified(first, blocks))

    def _certified(self, first: int, blocks: list[bytes]) -> Range:
        """Return the blocks up to the last one with a certificate of its own, or all of them if there is none."""
        for count in range(len(blocks), 0, -1):
            certificate = self._chain.certificate_at(first + count - 1)
            if certificate is not None:
                return Range(blocks=blocks[:count], certificate=certificate)
        return Range(blocks=blocks, certificate=None)
