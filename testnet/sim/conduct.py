"""What honest nodes owe the others: the duties of docs/spec/consensus.md, checked on what goes into and out of a core.

Safety needs only that some things are never done; these checks find what is left undone. They decide by what they
have seen arrive and leave, by the view and the final point of the core, and by nothing that a rule could have spoilt.
"""

from collections import Counter
from collections.abc import Sequence

from consensus.ancestry import Point, Standing
from consensus.core import Core
from consensus.io import Effect, FetchBlock, Input, Received, RetryDue, Send, SetTimer, Start, Validate, Verdict
from consensus.messages import (
    Certificate,
    CertificateRequest,
    Certificates,
    Message,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
)
from testnet.sim.checks import Broken
from testnet.sim.node import SimNode

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
BROADCASTS_A_VIEW = 6
"""One each of N, S and F, as votes and as certificates; a proposal stands for its N vote."""
BROADCASTS_A_RETRY = 13
"""Two certificates in one message, N or proposal, S, eight F votes, one request, at most; and one to spare."""
ANSWERS_A_RETRY = 2


class Seen:
    """What a node did and heard in its life, in one epoch."""

    def __init__(self, life: int) -> None:
        self.life = life
        self.start_view = 0
        self.view = 0
        """After its last step."""
        self.passed = 0
        """The highest view of whose end it told all others."""
        self.skips: dict[int, set[int]] = {}
        """Honest signers of S votes that arrived in time, by view."""
        self.proposal: Proposal | None = None
        """The last that came from an honest leader."""
        self.asked: set[int] = set()
        """Views with a proposal whose verdict was asked for."""
        self.answered: Counter[int] = Counter()
        self.requested = False
        self.retry_view = -1
        self.final = 0


class Conduct:
    """Watches every step of every honest node."""

    def __init__(self, liars: frozenset[int]) -> None:
        self._liars = liars
        self._seen: dict[int, Seen] = {}
        self._mine: dict[int, dict[tuple[int, int, VoteKind], Vote]] = {}
        """The votes that each node has sent, by epoch, view and kind."""
        self._proposed: dict[int, tuple[int, int]] = {}
        """Epoch and view of each node's latest proposal."""
        self._lost: set[int] = set()
        """Nodes that once lost what they had: they may learn of votes of their own whose bodies they do not hold."""
        self._retries: Counter[int] = Counter()
        self._sends: Counter[int] = Counter()
        self._last_views: dict[int, int] = {}

    def lost_disk(self, node: int) -> None:
        """Note that a node can't know any more what it said."""
        self._lost.add(node)
        self._mine.pop(node, None)
        self._proposed.pop(node, None)

    def said(self, node: SimNode, message: Message, receivers: int) -> None:
        """Note what a node has sent."""
        if node.liar:
            return
        self._sends[node.index] += receivers
        if isinstance(message, Proposal):
            self._proposed[node.index] = (node.epoch, message.vote.vote.view)
        if isinstance(message, SignedVote | Proposal):
            vote = message.vote if isinstance(message, SignedVote) else message.vote.vote
            self._mine.setdefault(node.index, {})[node.epoch, vote.view, vote.kind] = vote
            self._last_views[node.epoch] = max(vote.view, self._last_views.get(node.epoch, 0))

    @property
    def views(self) -> int:
        """Return the views of all epochs together in which honest nodes voted."""
        return sum(self._last_views.values())

    @property
    def messages(self) -> int:
        """What honest nodes sent, each receiver counted."""
        return sum(self._sends.values())

    def stepped(self, node: SimNode, given: Input, effects: Sequence[Effect]) -> None:
        """Look at a step of a core, before its effects are carried out."""
        core = node.core
        if node.liar or core is None or core.me is None or core.halted:
            return
        seen = self._seen.get(node.index)
        if seen is None or seen.life != node.life:
            seen = self._seen[node.index] = Seen(node.life)
        if isinstance(given, Received):
            sender = given.sender
            if sender is None or node.committee.nodes[sender] in self._liars:
                self._acts(node, core, seen, effects)
            else:
                self._hears(core, seen, sender, given.message)
                self._acts(node, core, seen, effects)
                self._answers(node, core, seen, sender, given.message)
        else:
            if isinstance(given, Start):
                seen.start_view = core.view
                self._recalls(node, core)
            self._acts(node, core, seen, effects)
            if isinstance(given, RetryDue):
                self._retries_on(node, core, seen, effects)
        seen.view = core.view

    # What arrives.

    def _hears(self, core: Core, seen: Seen, sender: int, message: Message) -> None:
        """Note what came from an honest node."""
        if isinstance(message, SignedVote):
            vote = message.vote
            if vote.kind is S and core.view <= vote.view <= core.view + 1:
                seen.skips.setdefault(vote.view, set()).add(sender)
        elif isinstance(message, Proposal) and core.view <= message.vote.vote.view <= core.view + 1:
            seen.proposal = message

    def _answers(self, node: SimNode, core: Core, seen: Seen, sender: int, message: Message) -> None:
        """Look whether who speaks of a view long past is answered (C9), and what is lacking asked for (C2)."""
        if isinstance(message, SignedVote):
            vote = message.vote
            stale = vote.kind is not F and vote.view + 1 < seen.view
            if stale and not seen.answered[sender] and seen.start_view < seen.view:
                raise Broken("answers the stale", f"{_name(node)} in view {seen.view} leaves {vote} unanswered")
        elif message is seen.proposal and message.vote.vote.view == core.view and _is_free(core):
            parent = Point(message.parent_view, message.parent)
            missing = core.ancestry.standing(core.view, parent) is Standing.MISSING
            if missing and not seen.requested and core.view not in seen.asked:
                raise Broken("asks for certificates", f"{_name(node)} lacks what leads to a proposal of {core.view}")

    # What leaves.

    def _acts(self, node: SimNode, core: Core, seen: Seen, effects: Sequence[Effect]) -> None:
        armed = None
        for effect in effects:
            if isinstance(effect, Send):
                self._says(node, seen, effect)
            elif isinstance(effect, SetTimer):
                armed = effect.delay_ms
            elif isinstance(effect, Validate):
                seen.asked.add(effect.view)
        if core.final.view != seen.final or armed is not None:
            seen.final = core.final.view
            armed = node.armed_ms if armed is None else armed
            rounds = (core.view - 1 - core.final.view) // len(core.instance.validators)
            if armed > core.timing.view_ms(rounds):
                raise Broken("timer", f"{_name(node)} waits {armed} ms in view {core.view}, final {core.final.view}")
        self._joins(node, core, seen, effects)

    def _says(self, node: SimNode, seen: Seen, effect: Send) -> None:
        message = effect.message
        match message:
            case SignedVote():
                self._votes(node, seen, message.vote)
            case Proposal():
                self._votes(node, seen, message.vote.vote)
            case Certificate():
                if effect.to is None:
                    seen.passed = max(seen.passed, message.vote.view)
            case Certificates():
                views = [certificate.vote.view for certificate in message.certificates]
                if effect.to is None:
                    seen.passed = max([seen.passed, *views])
                else:
                    seen.answered[effect.to] += 1
                    if seen.answered[effect.to] > ANSWERS_A_RETRY:
                        raise Broken("answers seldom", f"{_name(node)} answers validator {effect.to} again and again")
            case CertificateRequest():
                seen.requested = True

    def _votes(self, node: SimNode, seen: Seen, vote: Vote) -> None:
        """Look at a vote that is sent, perhaps not for the first time."""
        if (node.epoch, vote.view, vote.kind) in self._mine.get(node.index, {}):
            return
        if vote.kind is not S and node.verdicts.get((node.epoch, vote.view, vote.block)) is not Verdict.VALID:
            raise Broken("votes for what it has judged", f"{_name(node)} signed {vote} without a verdict")
        entered = vote.view in {1, seen.start_view} or seen.passed >= vote.view - 1
        if vote.kind is not F and not entered:
            raise Broken(
                "passes certificates on", f"{_name(node)} signed {vote} and told nobody what ended the view before"
            )

    def _joins(self, node: SimNode, core: Core, seen: Seen, effects: Sequence[Effect]) -> None:
        """Look whether a view that somebody honest skips, or its leader, is skipped (C6)."""
        skips = seen.skips.get(core.view)
        if not skips or core.quarantined or core.view <= core.guard.doubted:
            return
        weights = core.instance.validators.weights
        blamed = sum(weights[signer] for signer in skips) >= core.instance.validators.blame
        mine = self._mine.get(node.index, {})
        done = any((node.epoch, core.view, kind) in mine for kind in (S, F)) or any(
            isinstance(effect, Send)
            and isinstance(effect.message, SignedVote)
            and (effect.message.vote.view, effect.message.vote.kind) in {(core.view, S), (core.view, F)}
            for effect in effects
        )
        if (blamed or core.leader in skips) and not done:
            raise Broken("joins in skipping", f"{_name(node)} stays in view {core.view}, which {sorted(skips)} skip")

    # After a crash.

    def _recalls(self, node: SimNode, core: Core) -> None:
        """Look whether what was said before a crash is known after it, with the bodies that were voted for (C12)."""
        for (epoch, view, kind), vote in self._mine.get(node.index, {}).items():
            if epoch != node.epoch or view <= core.final.view:
                continue
            kept = core.guard.vote(kind, view)
            if kept is None or kept.vote != vote:
                raise Broken("durability", f"{_name(node)} came back without its vote {vote}")
            if kind is N and node.index not in self._lost and node.application.body(vote.block) is None:
                raise Broken("durability", f"{_name(node)} came back without the body that it voted for, {vote}")

    # While nothing goes on.

    def _retries_on(self, node: SimNode, core: Core, seen: Seen, effects: Sequence[Effect]) -> None:
        stuck, seen.retry_view = seen.retry_view == core.view, core.view
        self._retries[node.index] += 1
        seen.answered.clear()
        seen.requested = any(isinstance(e, Send) and isinstance(e.message, CertificateRequest) for e in effects)
        if core.final.view > core.ancestry.committed.view and not any(isinstance(e, FetchBlock) for e in effects):
            raise Broken("fetches again", f"{_name(node)} lacks a body below view {core.final.view}, and does not ask")
        if stuck:
            self._repeats(node, core, seen, [e.message for e in effects if isinstance(e, Send) and e.to is None])
        self._reconsiders(node, core, seen)
        leads = core.leader == core.me and not node.building and _is_free(core)
        if leads and isinstance(core.ancestry.parent_for(core.view), int) and not seen.requested:
            raise Broken(
                "asks for certificates", f"{_name(node)} leads view {core.view} without a parent, and asks nobody"
            )

    def _repeats(self, node: SimNode, core: Core, seen: Seen, said: Sequence[object]) -> None:
        """Look whether what a view that lasts stands on is said again (C8)."""
        mine, epoch = self._mine.get(node.index, {}), node.epoch
        said_votes = [message.vote for message in said if isinstance(message, SignedVote)]
        proposals = [message.vote.vote for message in said if isinstance(message, Proposal)]
        if core.view > 1 and seen.passed and not any(isinstance(message, Certificates) for message in said):
            raise Broken("repeats", f"{_name(node)} is stuck in view {core.view} and does not say how it came there")
        if self._proposed.get(node.index) == (epoch, core.view) and not proposals:
            raise Broken("repeats", f"{_name(node)} is stuck in view {core.view} and does not propose again")
        owed = [vote for kind in (N, S) if (vote := mine.get((epoch, core.view, kind))) is not None]
        unfinal = [view for (of, view, kind) in mine if of == epoch and kind is F and view > core.final.view]
        if unfinal:
            owed.append(mine[epoch, max(unfinal), F])
        for vote in owed:
            if vote not in said_votes and vote not in proposals:
                raise Broken("repeats", f"{_name(node)} is stuck in view {core.view} and keeps {vote} to itself")
        idle = core.leader == core.me and not node.building and not proposals
        if idle and not owed and _is_free(core):
            raise Broken("leads", f"{_name(node)} leads view {core.view}, and neither proposes nor skips")

    def _reconsiders(self, node: SimNode, core: Core, seen: Seen) -> None:
        """Look whether what could be voted for is judged, once nothing is missing (C0)."""
        proposal = seen.proposal
        if proposal is None or proposal.vote.vote.view != core.view or core.view in seen.asked or not _is_free(core):
            return
        parent = Point(proposal.parent_view, proposal.parent)
        if core.ancestry.standing(core.view, parent) is Standing.CERTIFIED and core.ancestry.unrooted(parent) is None:
            raise Broken("reconsiders", f"{_name(node)} holds a proposal of view {core.view} and does not look at it")

    # At the end.

    def sums_up(self, nodes: Sequence[SimNode], views: int) -> None:
        """Look whether anybody sent more than the rules ever call for."""
        for node in nodes:
            if node.liar:
                continue
            others = node.nodes - 1
            retries = self._retries[node.index] + node.life
            broadcasts = BROADCASTS_A_VIEW * (views + 1) + BROADCASTS_A_RETRY * retries
            budget = others * (broadcasts + ANSWERS_A_RETRY * retries)
            if self._sends[node.index] > budget:
                raise Broken(
                    "messages", f"{_name(node)} sent {self._sends[node.index]}, at most {budget} are called for"
                )


def _is_free(core: Core) -> bool:
    """Tell whether the node may still vote for a proposal of its view."""
    if core.quarantined or core.view <= max(core.final.view, core.guard.doubted):
        return False
    return all(core.guard.vote(kind, core.view) is None for kind in (N, S, F))


def _name(node: SimNode) -> str:
    return f"node {node.index}"
