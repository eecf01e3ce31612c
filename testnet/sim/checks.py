"""What must hold in every simulated run. These checks see committed blocks and signed messages, nothing inside a node.

Blocks and votes are named by epoch and view; validators by the number of their node, whatever their index.
"""

import bisect
import itertools
from collections.abc import Callable, Collection, Sequence

from consensus.messages import Certificate, Certificates, Message, Proposal, SignedVote, Vote, VoteKind, sign_bytes
from testnet.sim.application import Final, Ground, Links
from testnet.sim.committee import Committee

EVIDENCE = "evidence"
"""Why somebody is accused who signed two votes that contradict each other."""
Key = tuple[int, int]
"""Epoch and view."""


class Broken(Exception):
    """Something that must hold does not."""

    def __init__(self, check: str, what: str) -> None:
        self.check = check
        self.what = what
        super().__init__(f"{check}: {what}")


class Checks:
    """Agreement, validity, valid certificates, no vote against C7, durability, nobody honest accused or stopped."""

    def __init__(
        self, ground: Ground, *, nodes: int, liars: frozenset[int], committee: Callable[[int], Committee]
    ) -> None:
        """`committee` gives the validators of an epoch that some honest node has reached."""
        self._ground = ground
        self._links_of: Callable[[bytes, bytes], Links | None] = ground.links_of
        self._committee = committee
        self._liars = liars
        self.chain: list[Final] = []
        """What is committed, by any honest node: the longest."""
        self.heights = [0] * nodes
        """How many blocks each node committed."""
        self._finals: dict[Key, bytes] = {}
        self._final_keys: list[Key] = []
        self._parents: dict[bytes, bytes] = {}
        self._invalid: set[bytes] = set()
        self._notarized: dict[Vote, set[int]] = {}
        """Who notarized what, by votes and certificates that honest nodes sent; the liars always among them."""
        self._votes: dict[tuple[int, int, int], list[Vote]] = {}
        self.certificates: dict[tuple[VoteKind, int, int, bytes, bytes], Certificate] = {}
        """Every certificate that an honest node sent, by vote and signers."""
        self.caught: set[int] = set()
        """Liars whom an honest node blamed for a broken rule."""
        self.convicted: set[int] = set()
        """Liars against whom an honest node has evidence."""

    # Messages.

    def sent(self, sender: int, message: Message) -> None:
        """Look at what a node says; of a liar's words only blocks matter, which honest nodes may make final."""
        if isinstance(message, Proposal):
            block = message.vote.vote.block
            links = self._links_of(block, message.body)
            if links is not None and block not in self._parents:
                self._parents[block] = links.parent.block
                if not links.valid:
                    self._invalid.add(block)
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
        before = self._votes.setdefault((sender, vote.epoch, vote.view), [])
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
            known = {sender, *self._notarized.get(notarize, self._liars)}
            if not self._committee(vote.epoch).is_quorum(known):
                raise Broken("notarized before finalized", f"node {sender} signed {vote}")

    def _certified(self, certificate: Certificate) -> None:
        """Check a certificate by counting for itself; blocks that are final must all lie on one chain."""
        vote = certificate.vote
        key = (vote.kind, vote.epoch, vote.view, vote.block, certificate.signers)
        if key in self.certificates:
            return
        self.certificates[key] = certificate
        committee = self._committee(vote.epoch)
        bits = int.from_bytes(certificate.signers, "little")
        signers = [node for index, node in enumerate(committee.nodes) if bits >> index & 1]
        message = sign_bytes(committee.instance.genesis_hash, vote)
        good = [self._ground.keyring.sign(committee, signer, message) for signer in signers] == certificate.signatures
        if not good or not committee.is_quorum(signers):
            raise Broken("valid certificates", f"{vote} by {signers}")
        if vote.kind is VoteKind.NOTARIZE:
            self._notarized.setdefault(vote, set(self._liars)).update(signers)
        if vote.kind is VoteKind.FINALIZE:
            self._final((vote.epoch, vote.view), vote.block)

    def _final(self, key: Key, block: bytes) -> None:
        if key in self._finals:
            if self._finals[key] != block:
                raise Broken("agreement", f"two final blocks of epoch and view {key}")
            return
        self._finals[key] = block
        if block in self._invalid:
            raise Broken("validity", f"an invalid block of epoch and view {key} is final")
        at = bisect.bisect(self._final_keys, key)
        self._final_keys.insert(at, key)
        around = self._final_keys[max(0, at - 1) : at + 2]
        for lower, higher in itertools.pairwise(around):
            if not self._descends(self._finals[higher], self._finals[lower]):
                raise Broken("agreement", f"final block of {higher} does not descend from that of {lower}")

    def _descends(self, block: bytes, ancestor: bytes) -> bool:
        while block != ancestor:
            parent = self._parents.get(block)
            if parent is None:
                return False
            block = parent
        return True

    # Nodes.

    def committed(self, node: int, certificate: Certificate, news: Sequence[Final]) -> None:
        """Look at what a node committed."""
        if node in self._liars:
            return
        self._certified(certificate)
        vote = certificate.vote
        if not news or news[-1].block != vote.block or vote.kind is not VoteKind.FINALIZE:
            raise Broken("durability", f"node {node} committed {news} by {vote}")
        for final in news:
            if self.heights[node] == len(self.chain):
                if self.chain and self._parents.get(final.block) != self.chain[-1].block:
                    raise Broken("agreement", f"node {node} committed {final} on another parent than {self.chain[-1]}")
                self.chain.append(final)
            elif self.chain[self.heights[node]] != final:
                raise Broken("agreement", f"node {node} committed {final}, another {self.chain[self.heights[node]]}")
            self.heights[node] += 1

    def lost_disk(self, node: int, height: int) -> None:
        """Note that a node's disk is lost, or an older one: it goes on from a height that it had."""
        self.heights[node] = height

    def restarted(self, node: int, last: Final) -> None:
        """Look at what a node still holds final after a restart."""
        height = self.heights[node]
        if node not in self._liars and last.block != (self.chain[height - 1].block if height else last.block):
            raise Broken("durability", f"node {node} came back with {last} after {self.chain[height - 1]}")

    def accused(self, node: int, culprit: int | None, why: str) -> None:
        """Look at whom a node accuses."""
        if node in self._liars or culprit is None:
            return
        if culprit not in self._liars:
            raise Broken("accusation", f"node {node} accuses node {culprit} of {why}")
        (self.convicted if why == EVIDENCE else self.caught).add(culprit)

    def halted(self, node: int, why: str) -> None:
        """Look at a node that gave up, which an honest one never must while a third of the weight is honest enough."""
        if node not in self._liars:
            raise Broken("halt", f"node {node} halted: {why}")

    def height(self, nodes: Collection[int]) -> int:
        """Return what all of `nodes` have committed."""
        return min(self.heights[node] for node in nodes)
