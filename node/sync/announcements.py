"""Final blocks on the public topic "final": with their certificates, said once, judged before they travel (N61)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import trio

from consensus.certificate import check_final
from consensus.messages import Certificate
from consensus.validators import Instance
from ledger.block import Block, Header, block_id, check_roots
from node.mempool.gossip import Publisher
from node.p2p.ipc import Gossip, Verdict
from node.sync.messages import ANNOUNCED_BYTES_MAX, ANNOUNCEMENT_BYTES_MAX, FINAL_TOPIC, Announcement
from primitives.codec import decode, encode
from primitives.reasons import Refused

PROPOSER_FIRST_S = 0.5
"""A block's proposer makes it known; if nobody heard it so long after, everybody does, as the proposer may be gone."""
OLD_BLOCKS = 16
"""An announcement so far below the head helps nobody any more and travels no further."""
SAID_MAX = 2 * OLD_BLOCKS
"""Blocks that are known to have been made known: those that still travel, and some that came out of order."""
_QUEUE_MAX = 64
"""Blocks whose announcement is awaited; a node that finalizes faster skips some, and later ones tell as much."""


class Announcements:
    """Says which blocks are final, and hears it from others."""

    def __init__(
        self,
        network: Publisher,
        *,
        instance_for: Callable[[int], Instance | None],
        is_mine: Callable[[Header], bool],
        heard: Callable[[Sequence[bytes], int], None],
        given: Callable[[Block, Certificate], None],
    ) -> None:
        """`instance_for` gives the validators of an epoch, `is_mine` tells whether this node proposed a block.

        `heard` is told who should have a final block, and its height; `given` a whole block, with what proves it.
        """
        self._network = network
        self._instance_for = instance_for
        self._is_mine = is_mine
        self._heard = heard
        self._given = given
        self._known_height = 0
        self._announced_height = 0
        self._said: OrderedDict[bytes, None] = OrderedDict()
        self._late_in, self._late = trio.open_memory_channel[tuple[float, Announcement]](_QUEUE_MAX)

    def announce(self, block: Block, certificate: Certificate) -> None:
        """Make a block known that this node took part in finalizing."""
        self._known_height = max(self._known_height, block.header.height)
        announcement = announcement_of(block, certificate)
        if self._is_mine(block.header):
            self._publish(announcement)
            return
        try:
            self._late_in.send_nowait((trio.current_time() + PROPOSER_FIRST_S, announcement))
        except trio.WouldBlock:
            return

    async def run(self) -> None:
        """Make known what its proposer did not, for ever."""
        async for due_s, announcement in self._late:
            await trio.sleep_until(due_s)
            if announcement.header.height > self._announced_height:
                self._publish(announcement)

    def receive(self, message: Gossip) -> Verdict:
        """Take in an announcement and say whether it may travel on."""
        try:
            announcement = decode(Announcement, message.body, at_most=ANNOUNCEMENT_BYTES_MAX)
            height = announcement.header.height
            if height + OLD_BLOCKS < self._known_height:
                return Verdict.IGNORE
            name = block_id(announcement.header)
            if name in self._said:  # with another certificate, of which anybody can make many
                self._heard((message.forwarder,), height)
                return Verdict.IGNORE
            instance = self._instance_for(announcement.certificate.vote.epoch)
            if instance is None:  # so far ahead, or made up: whoever passed it on may know more
                self._heard((message.forwarder,), height)
                return Verdict.IGNORE
            if instance.epoch != announcement.header.epoch:  # N61: others than its validators prove nothing of a block
                return Verdict.REJECT
            check_final(announcement.certificate, name, instance)
            block = _block_in(announcement)
        except Refused:
            return Verdict.REJECT
        self._known_height = max(self._known_height, height)
        self._announced_height = max(self._announced_height, height)
        self._remember(name)
        if block is not None:
            self._given(block, announcement.certificate)
        self._heard((message.forwarder, message.author), height)
        return Verdict.ACCEPT

    def _publish(self, announcement: Announcement) -> None:
        self._announced_height = max(self._announced_height, announcement.header.height)
        self._remember(block_id(announcement.header))
        self._network.publish(FINAL_TOPIC, encode(announcement))

    def _remember(self, block: bytes) -> None:
        """Note that a block was made known, by this node or with its consent."""
        self._said[block] = None
        if len(self._said) > SAID_MAX:
            self._said.popitem(last=False)


def announcement_of(block: Block, certificate: Certificate) -> Announcement:
    """Return what makes a final block known: all of it, unless that is much."""
    is_light = sum(map(len, block.transactions)) <= ANNOUNCED_BYTES_MAX and not block.evidence
    transactions = block.transactions if is_light else None
    return Announcement(header=block.header, certificate=certificate, transactions=transactions)


def _block_in(announcement: Announcement) -> Block | None:
    """Return the block of an announcement that holds all of it; raises Refused for what its header does not bind."""
    if announcement.transactions is None:
        return None
    block = Block(header=announcement.header, transactions=announcement.transactions)
    check_roots(block)
    return block
