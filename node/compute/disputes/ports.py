"""What the parts of a dispute's service share: the ports of their node, and dispute and job as they stand."""

from dataclasses import dataclass, field

from ledger.market.dispute.records import Dispute
from ledger.market.dispute.rows import find_dispute
from ledger.records import Job
from node.compute.blocks import BlockSignal
from node.compute.disputes.examine import Examiner
from node.compute.disputes.turns import Turns
from node.compute.sender import Sender
from node.ports import ChainView
from primitives.reasons import Reason, Refused


@dataclass(frozen=True, kw_only=True)
class DisputePorts:
    """What disputes need of their node."""

    chain: ChainView
    examiner: Examiner
    sender: Sender
    blocks: BlockSignal
    turns: Turns = field(default_factory=Turns)

    def dispute(self, identity: bytes) -> Dispute:
        """Return a dispute that there is."""
        dispute = find_dispute(self.chain.state(), identity)
        assert dispute is not None  # disputes stay in the state
        return dispute

    def job(self, job_id: bytes) -> Job:
        """Return a job. Raises Refused JOB_UNKNOWN."""
        job = self.chain.state().job(job_id)
        if job is None:
            raise Refused(Reason.JOB_UNKNOWN, job=job_id)
        return job
