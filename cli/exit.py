"""What a command's exit status says."""

import enum

from primitives.reasons import Reason


class Exit(enum.IntEnum):
    """Exit statuses; documented in docs/reference/cli.md."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    LOCKED = 4
    REJECTED = 5
    UNREACHABLE = 6
    PENDING = 7
    PROBLEMS = 8
    BUG = 70
    INTERRUPTED = 130


_SINGLED_OUT = {
    Reason.WORKER_UNKNOWN: Exit.NOT_FOUND,
    Reason.MODEL_UNKNOWN: Exit.NOT_FOUND,
    Reason.JOB_UNKNOWN: Exit.NOT_FOUND,
    Reason.BATCH_UNKNOWN: Exit.NOT_FOUND,
    Reason.DISPUTE_UNKNOWN: Exit.NOT_FOUND,
    Reason.PROVIDER_UNKNOWN: Exit.NOT_FOUND,
    Reason.VALIDATOR_UNKNOWN: Exit.NOT_FOUND,
    Reason.DELEGATION_UNKNOWN: Exit.NOT_FOUND,
    Reason.NOT_FOUND: Exit.NOT_FOUND,
    Reason.CONTENT_NOT_FOUND: Exit.NOT_FOUND,
    Reason.KEY_UNKNOWN: Exit.NOT_FOUND,
    Reason.TESTNET_UNKNOWN: Exit.NOT_FOUND,
    Reason.NODE_UNKNOWN: Exit.NOT_FOUND,
    Reason.KEY_WRONG_PASSWORD: Exit.LOCKED,
    Reason.KEY_EXPOSED: Exit.LOCKED,
    Reason.REQUEST_INVALID: Exit.USAGE,
    Reason.NODE_UNREACHABLE: Exit.UNREACHABLE,
    Reason.STILL_PENDING: Exit.PENDING,
    Reason.JOB_VOID: Exit.PROBLEMS,
}
_RULES = (range(200, 700), range(1_100, 1_200))
"""Reasons that the network's own rules give: transactions, blocks, market, models, runs; stake."""


def exit_of(reason: Reason) -> Exit:
    """Return the exit status for a refusal."""
    return _SINGLED_OUT.get(reason, Exit.REJECTED if any(reason in rules for rules in _RULES) else Exit.FAILED)
