"""Evidence that waits for a block: found by this node's consensus, or heard on the public topic "evidence" (N77)."""

import logging

from ledger.stake.evidence import find, is_fresh
from ledger.stake.records import Evidence
from ledger.state import State
from node.mempool.gossip import Publisher
from node.p2p.ipc import Gossip, Verdict
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused

TOPIC = "evidence"
EVIDENCE_BYTES_MAX = 512
"""Two signed votes."""
WAITING_MAX = 256
"""Offenders that wait for their punishment: twice the validators of an epoch."""
JUDGED_MAX = 32
"""Messages judged between two final blocks; each costs two checks of signatures, and liars may send more."""

_log = logging.getLogger("assay.node")


class EvidencePool:
    """One proof for each validator and epoch, until a final block holds it or one like it."""

    def __init__(self, network: Publisher, genesis_hash: bytes) -> None:
        self._network = network
        self._genesis_hash = genesis_hash
        self._waiting: dict[tuple[int, int], Evidence] = {}
        self._judged = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def accuse(self, evidence: Evidence, state: State) -> None:
        """Take what this node's consensus has found, and make it known."""
        if self._keep(evidence, state):
            self._network.publish(TOPIC, encode(evidence))

    def _keep(self, evidence: Evidence, state: State) -> bool:
        """Keep evidence that is news; tell whether it was."""
        name = _offender(evidence)
        if name in self._waiting or len(self._waiting) >= WAITING_MAX or not is_fresh(state, evidence):
            return False
        self._waiting[name] = evidence
        return True

    def receive(self, message: Gossip, state: State) -> Verdict:
        """Take in what another node says, and say whether it may travel on."""
        try:
            evidence = decode(Evidence, message.body, at_most=EVIDENCE_BYTES_MAX)
            if _offender(evidence) in self._waiting or not is_fresh(state, evidence) or self._judged >= JUDGED_MAX:
                return Verdict.IGNORE
            self._judged += 1
            found = find(self._genesis_hash, state, evidence)
        except Refused as refused:
            return Verdict.IGNORE if refused.reason is Reason.EVIDENCE_STALE else Verdict.REJECT
        if not self._keep(evidence, state):
            return Verdict.IGNORE
        _log.warning("validator %s has broken its word in epoch %d", found.validator.hex(), found.epoch)
        return Verdict.ACCEPT

    def waiting(self) -> list[Evidence]:
        """Return what waits, the oldest epoch first."""
        return [self._waiting[name] for name in sorted(self._waiting)]

    def settle(self, state: State) -> None:
        """Drop what a block that became final has made stale, and judge anew what others say."""
        self._judged = 0
        for name, evidence in list(self._waiting.items()):
            if not is_fresh(state, evidence):
                del self._waiting[name]


def _offender(evidence: Evidence) -> tuple[int, int]:
    """Return epoch and index of whom evidence names."""
    return evidence.first.vote.epoch, evidence.first.signer
