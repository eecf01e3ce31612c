"""What must hold in every simulated run. The checks see committed blocks and signed messages, nothing inside a node."""

import bisect
import itertools
from collections.abc import Callable, Collection

from consensus.ancestry import Point
from consensus.messages import Certificate, Certificates, Message, Proposal, SignedVote, Vote, VoteKind, sign_bytes
from consensus.validators import Instance
from testnet.sim.application import Links
from testnet.sim.keyring import sign_as


class Broken(Exception):
    """Something that must hold does not."""

    def __init__(self, check: str, what: str) -> None:
        self.check = check
        self.what = what
        super().__init__(f"{check}: {what}")


class Checks:
    """Agreement, validity, valid certificates, no vote against C7, durability, nobody honest accused or stopped."""

    def __init__(
        self,
        instance: Instance,
        genesis: Point,
        liars: frozenset[int],
        links_of: Callable[[bytes, bytes], Links | None],
    ) -> None:
        self._instance = instance
        self._links_of = links_of
        self._liars = liars
        self.chain: list[Point] = [genesis]
        """What is committed, by any honest node: the longest."""
        nodes = len(instance.validators)
        self.heights = [0] * nodes
        """How many blocks each node committed."""
        self._finals: dict[int, bytes] = {}
        self._final_views: list[int] = []
        self._parents: dict[bytes, bytes] = {}
        self._invalid: set[bytes] = set()
        self._notarized: dict[Vote, set[int]] = {}
        """Who notarized what, by votes and certificates that honest nodes sent; the liars always among them."""
        self._votes: dict[tuple[int, int], list[Vote]] = {}
        self.certificates: dict[tuple[VoteKind, int, bytes, bytes], Certificate] = {}
        """Every certificate that an honest node sent, by vote and signers."""
        self.caught: set[int] = set()
        """Liars against whom there is evidence."""

    def sent(self, sender: int, message: Message) -> None:
        """Look at what a node says; of a liar's words only blocks matter, which honest nodes may make final."""
        if isinstance(message, Proposal):
            links = self._links_of(message.vote.vote.block, message.body)
            if links is not None:
                self._parents[message.vote.vote.block] = links.parent.block
                if not links.valid:
                    self._invalid.add(message.vote.vote.block)
        if sender in self._liars:
            return
        match message:
            case SignedVote():
                self._voted(sender, message)
            case Proposal():
                self._voted(sender, message.vote)
            case Certificate():
                self._certified(message)
            case Certificates():
                for certificate in message.certificates:
                    self._certified(certificate)
            case _:
                pass

    def _voted(self, sender: int, signed: SignedVote) -> None:
        vote = signed.vote
        before = self._votes.setdefault((sender, vote.view), [])
        if vote in before:
            return
        for other in before:
            same_kind = other.kind == vote.kind
            skips_and_finalizes = {other.kind, vote.kind} == {VoteKind.NULLIFY, VoteKind.FINALIZE}
            if same_kind or skips_and_finalizes:
                raise Broken("double signing", f"node {sender} signed {other} and {vote}")
        before.append(vote)
        if vote.kind is VoteKind.NOTARIZE:
            self._notarized.setdefault(vote, set(self._liars)).add(sender)
        elif vote.kind is VoteKind.FINALIZE:
            notarize = Vote(epoch=vote.epoch, view=vote.view, kind=VoteKind.NOTARIZE, block=vote.block)
            # Its own vote may have been written, and never sent for a crash.
            if not self._is_quorum({sender, *self._notarized.get(notarize, self._liars)}):
                raise Broken("notarized before finalized", f"node {sender} signed {vote}")

    def _is_quorum(self, signers: Collection[int]) -> bool:
        weight = sum(self._instance.validators.weights[signer] for signer in signers)
        return 3 * weight > 2 * self._instance.validators.total

    def _certified(self, certificate: Certificate) -> None:
        """Check a certificate by counting for itself; blocks that are final must all lie on one chain."""
        vote = certificate.vote
        key = (vote.kind, vote.view, vote.block, certificate.signers)
        if key in self.certificates:
            return
        self.certificates[key] = certificate
        bits = int.from_bytes(certificate.signers, "little")
        signers = [index for index in range(len(self._instance.validators)) if bits >> index & 1]
        message = sign_bytes(self._instance.genesis_hash, vote)
        good = [sign_as(signer, message) for signer in signers] == certificate.signatures
        if not good or not self._is_quorum(signers):
            raise Broken("valid certificates", f"{vote} by {signers}")
        if vote.kind is VoteKind.NOTARIZE:
            self._notarized.setdefault(vote, set(self._liars)).update(signers)
        if vote.kind is VoteKind.FINALIZE:
            self._final(vote.view, vote.block)

    def _final(self, view: int, block: bytes) -> None:
        if view in self._finals:
            if self._finals[view] != block:
                raise Broken("agreement", f"two final blocks of view {view}")
            return
        self._finals[view] = block
        if block in self._invalid:
            raise Broken("validity", f"an invalid block of view {view} is final")
        at = bisect.bisect(self._final_views, view)
        self._final_views.insert(at, view)
        around = self._final_views[max(0, at - 1) : at + 2]
        for lower, higher in itertools.pairwise(around):
            if not self._descends(self._finals[higher], self._finals[lower]):
                raise Broken("agreement", f"final block of view {higher} does not descend from that of view {lower}")

    def _descends(self, block: bytes, ancestor: bytes) -> bool:
        while block != ancestor:
            parent = self._parents.get(block)
            if parent is None:
                return False
            block = parent
        return True

    def committed(self, node: int, certificate: Certificate, news: list[Point]) -> None:
        """Look at what a node committed."""
        if node in self._liars:
            return
        self._certified(certificate)
        vote = certificate.vote
        if not news or news[-1] != (vote.view, vote.block) or vote.kind is not VoteKind.FINALIZE:
            raise Broken("valid certificates", f"node {node} committed {news[-1:]} by {vote}")
        for point in news:
            self.heights[node] += 1
            if self.heights[node] == len(self.chain):
                if self._parents.get(point.block) != self.chain[-1].block:
                    raise Broken("agreement", f"node {node} committed {point} on another parent than {self.chain[-1]}")
                self.chain.append(point)
            elif self.chain[self.heights[node]] != point:
                raise Broken("agreement", f"node {node} committed {point}, another {self.chain[self.heights[node]]}")

    def restarted(self, node: int, last: Point) -> None:
        """Look at what a node still holds final after a restart."""
        if node not in self._liars and self.chain[self.heights[node]] != last:
            raise Broken("durability", f"node {node} came back with {last} after {self.chain[self.heights[node]]}")

    def accused(self, node: int, culprit: int | None, why: str) -> None:
        """Look at whom a node accuses."""
        if node in self._liars or culprit is None:
            return
        if culprit not in self._liars:
            raise Broken("accusation", f"node {node} accuses node {culprit} of {why}")
        self.caught.add(culprit)

    def halted(self, node: int, why: str) -> None:
        """Look at a node that gave up, which an honest one never must while a third of the weight is honest enough."""
        if node not in self._liars:
            raise Broken("halt", f"node {node} halted: {why}")

    def height(self, nodes: list[int]) -> int:
        """Return what all of `nodes` have committed."""
        return min(self.heights[node] for node in nodes)
