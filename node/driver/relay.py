"""Passing proposals on beyond ten validators, and asking for one that a relay keeps back (N14)."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import trio

from consensus.io import Received
from consensus.messages import Certificates, Message, Proposal, SignedVote, VoteKind, decode_message, encode_message
from consensus.messages import sign_bytes as vote_bytes
from consensus.relay_tree import DIRECT_MAX, relay_tree
from consensus.scheme import Ed25519Scheme
from consensus.validators import Instance
from ledger.block import block_id, decode_block
from node.network import PeerUnavailableError
from node.traffic import CONSENSUS_CHANNEL, NetworkPort
from primitives.codec import decode, encode
from primitives.reasons import Refused
from primitives.record import Record
from primitives.units import U64

PROTOCOL = "proposal"
KEPT_MAX = 4
"""Proposals kept for whoever asks: of the last views, of which one matters."""
OF_ONE_VIEW_MAX = 2
"""Blocks of one view that are kept and passed on: with the second its leader has convicted itself."""
ASKED_MAX = 16
"""Questions for proposals under way, one for a view: of the few views around the current one, and of some before."""
ASKING_S = 5.0
"""Until all who are asked for a proposal must have answered; one who keeps silent must not hold the place for long."""
WANTED_BYTES_MAX = 32
PATIENCE_DELTAS = 0.5
"""How long after the first vote for a block its proposal may be on its way, in Δ."""
_MS_PER_S = 1_000

_log = logging.getLogger("assay.driver")


def received(sender: int, message: Message) -> list[Received]:
    """Return what consensus hears of a message: of a relay's, the proposal is its leader's, the certificates are not.

    The leader's vote binds the block alone; a relay must not be able to have it blamed for certificates.
    """
    if not isinstance(message, Proposal) or message.vote.signer == sender:
        return [Received(sender=sender, message=message)]
    bare = Received(sender=message.vote.signer, message=_bare(message))
    if not message.justification:
        return [bare]
    return [Received(sender=sender, message=Certificates(certificates=message.justification)), bare]


def _bare(proposal: Proposal) -> Proposal:
    """Return a proposal without its certificates."""
    return Proposal(
        vote=proposal.vote,
        parent_view=proposal.parent_view,
        parent=proposal.parent,
        justification=[],
        body=proposal.body,
    )


class ProposalWanted(Record):
    """The body of a question of protocol `proposal`; the answer is the encoded message, if the asked has it."""

    epoch: U64
    view: U64


class Relay:
    """One validator's part in the spreading of the proposals of one epoch."""

    def __init__(
        self,
        instance: Instance,
        *,
        me: int | None,
        network: NetworkPort,
        peers: Sequence[bytes],
        delta_ms: int,
        current: Callable[[], int],
        give: Callable[[int, Proposal], Awaitable[None]],
    ) -> None:
        """`peers` are the validators' peer ids by index, `current` tells the view.

        `give` takes a proposal and from whom it came.
        """
        self._instance = instance
        self._me = me
        self._scheme = Ed25519Scheme(instance.validators, None)
        self._network = network
        self._peers = peers
        self._patience_s = PATIENCE_DELTAS * delta_ms / _MS_PER_S
        self._current = current
        self._give = give
        self._kept: OrderedDict[tuple[int, bytes], Proposal] = OrderedDict()
        self._asking: set[int] = set()
        self._is_relayed = len(peers) > DIRECT_MAX

    def spread(self, proposal: Proposal) -> None:
        """Send a proposal of this validator's: to its relays, and to everybody when it is said again (C9)."""
        is_first = self._keep(proposal)
        tree = relay_tree(self._instance.validators, proposal.vote.vote.view)
        self._send(proposal, list(tree) if is_first else None)

    def take(self, sender: int, proposal: Proposal) -> bool:
        """Pass a proposal on, if that is this validator's part; tell whether consensus may hear it.

        What comes from a relay must be the leader's, and whole: consensus would hold a body that is not the block's
        against the leader.
        """
        view = proposal.vote.vote.view
        is_leaders = sender == self._instance.validators.leader(view)
        if is_leaders and not self._is_relayed:
            return True
        known = (view, proposal.vote.vote.block) in self._kept
        if known or not (is_leaders or self._is_near(view)):
            return is_leaders  # said again, or of no more use: checking it would be work for nothing
        if not self._is_genuine(proposal):
            if not is_leaders:  # N14
                self._network.penalise(self._peers[sender], "passed on what its leader did not say", 1)
            return is_leaders  # consensus finds out what is wrong
        leaves = relay_tree(self._instance.validators, view).get(-1 if self._me is None else self._me, [])
        bare = _bare(proposal)  # whoever passes certificates on answers for them, and these are not checked
        if self._is_near(view) and self._keep(bare) and is_leaders and leaves:
            self._send(bare, leaves)
        return True

    def note_vote(self, vote: SignedVote, nursery: trio.Nursery) -> None:
        """Ask for the proposal of a view in which others vote for a block, if none comes soon."""
        view = vote.vote.view
        if vote.vote.kind is not VoteKind.NOTARIZE or not self._is_relayed or not self._is_near(view):
            return
        if self._said_in(view) or view in self._asking or vote.signer >= len(self._peers):
            return
        if len(self._asking) < ASKED_MAX:
            self._asking.add(view)
            nursery.start_soon(self._ask, view, vote.signer)

    def answer(self, body: bytes) -> bytes | None:
        """Answer a validator that has missed a proposal."""
        try:
            wanted = decode(ProposalWanted, body, at_most=WANTED_BYTES_MAX)
        except Refused:
            return None
        if wanted.epoch != self._instance.epoch:
            return None
        return next((encode_message(kept) for (view, _), kept in self._kept.items() if view == wanted.view), None)

    async def _ask(self, view: int, voter: int) -> None:
        """Ask the leader for its proposal, and then the validator whose vote told of it."""
        try:
            await trio.sleep(self._patience_s)
            request = encode(ProposalWanted(epoch=self._instance.epoch, view=view))
            with trio.move_on_after(ASKING_S):
                for holder in dict.fromkeys((self._instance.validators.leader(view), voter)):
                    if not self._said_in(view) and holder != self._me:
                        await self._ask_one(holder, request)
        finally:
            self._asking.discard(view)

    async def _ask_one(self, holder: int, request: bytes) -> None:
        try:
            message = decode_message(await self._network.request(self._peers[holder], PROTOCOL, request))
        except (PeerUnavailableError, Refused) as fault:
            _log.debug("no proposal from validator %d: %s", holder, fault)
            return
        if isinstance(message, Proposal) and self.take(holder, message):
            await self._give(holder, message)

    def _said_in(self, view: int) -> list[tuple[int, bytes]]:
        """Return the names of what is kept of a view."""
        return [name for name in self._kept if name[0] == view]

    def _is_near(self, view: int) -> bool:
        return abs(view - self._current()) <= 1

    def _is_genuine(self, proposal: Proposal) -> bool:
        """Tell whether a proposal is signed by its view's leader and holds the body of its block."""
        vote = proposal.vote
        if vote.vote.epoch != self._instance.epoch or vote.signer != self._instance.validators.leader(vote.vote.view):
            return False
        if not self._scheme.verify(vote.signer, vote_bytes(self._instance.genesis_hash, vote.vote), vote.signature):
            return False
        try:
            header = decode_block(proposal.body).header
        except Refused:
            return False
        # C23: the header tells the place of the first proposal, which is in an earlier view.
        again = proposal.parent == vote.vote.block and header.view < vote.vote.view
        links = (header.view, header.parent_view, header.parent)
        told = (vote.vote.view, proposal.parent_view, proposal.parent)
        return block_id(header) == vote.vote.block and (again or links == told)

    def _keep(self, proposal: Proposal) -> bool:
        """Keep a proposal for those who ask; tell whether it is new, and not the third of its view."""
        view, block = proposal.vote.vote.view, proposal.vote.vote.block
        said = self._said_in(view)
        if (view, block) in said or len(said) >= OF_ONE_VIEW_MAX:
            return False
        self._kept[view, block] = proposal
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return True

    def _send(self, proposal: Proposal, to: list[int] | None) -> None:
        peers = None if to is None else [self._peers[index] for index in to]
        self._network.send(CONSENSUS_CHANNEL, encode_message(proposal), to=peers, priority=False)
