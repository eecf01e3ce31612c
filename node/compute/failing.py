"""What a failure means: whether another try could help, and whether it speaks against the job (D11, D13, D15)."""

from node.compute.duty import Duty
from node.compute.verdict import MODEL_REASONS
from primitives.reasons import Reason

TRIES_MAX = 5
"""Times that an offer is tried, or a run before the job is objected to; what is owed is tried until its deadline."""
DECLINE_REASONS = range(500, 700)
"""Reasons that a decline may tell: in the model or input, and in fetching or running them."""
RUN_REASONS = range(Reason.RUN_TIME_LIMIT, Reason.RUN_ENGINE_ERROR + 1)
"""Reasons that may lie in the machine: worth another try for a job that we owe, not for one that we may decline."""


def is_lasting(duty: Duty, reason: Reason) -> bool:
    """Tell whether another try would find the same, or is not worth it."""
    match duty:
        case Duty.ACCEPT:
            return reason in (*MODEL_REASONS, *RUN_REASONS, Reason.KNOWN_ANSWERS_WRONG)
        case Duty.PROVIDE:
            return reason in MODEL_REASONS
        case Duty.VERIFY:
            return reason in (*MODEL_REASONS, Reason.RUN_TIME_LIMIT)  # there is not the time for another
        case _:
            return False


def may_decline(reason: Reason) -> bool:
    """Tell whether a reason speaks against the job, and not against this machine (D13, D16)."""
    return reason in DECLINE_REASONS and reason is not Reason.KNOWN_ANSWERS_WRONG


def may_object(reason: Reason) -> bool:
    """Tell whether a run that failed for this reason, for good, is one that the job's order does not allow (D15)."""
    return reason in (*MODEL_REASONS, *RUN_REASONS)
