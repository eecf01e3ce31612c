"""How a failed request is told: JSON-RPC's codes, and the reason's number, facts and help as data (R5)."""

from primitives.address import ADDRESS_BYTES, address_text
from primitives.reasons import Fact, Reason, Refused

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
UNKNOWN_METHOD = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
REFUSED = -32000
"""The request was understood, and its content refused: `data.reason` says why."""

HELP = {
    Reason.NONCE_TOO_LOW: "account.get tells next_nonce: sign again with that",
    Reason.NONCE_GAP: "account.get tells next_nonce: one before this is missing",
    Reason.FEE_TOO_LOW: "fee.estimate tells what to offer",
    Reason.REPLACEMENT_TOO_CHEAP: "sign again with a fee_cap and a tip that are a tenth higher, or wait for the other",
    Reason.ACCOUNT_LIMIT: "wait until some of this account's are final; mempool.content tells them",
    Reason.EXPIRED: "sign again with a later valid_until; chain.head tells the block time",
    Reason.INSUFFICIENT_BALANCE: "account.get tells the balance; a job also escrows the verifiers' fees",
    Reason.MEMPOOL_FULL: "offer a higher tip, which fee.estimate tells, or try again in a few seconds",
    Reason.BUSY: "try again in a few seconds",
    Reason.MODEL_UNKNOWN: "model.list tells which models are published",
    Reason.JOB_UNKNOWN: "a job's id is the id of the transaction that submitted it; chain.tx tells what came of that",
    Reason.TOO_FEW_VERIFIERS: "worker.list tells who is registered; a job needs three besides its provider",
    Reason.PROVIDER_UNKNOWN: "worker.list tells who is registered",
    Reason.CONTENT_NOT_FOUND: "whoever holds it must be connected; an output is held once its provider has revealed it",
    Reason.REQUEST_UNKNOWN_METHOD: "rpc.discover tells all methods",
    Reason.WRONG_NETWORK: "node.status tells which network this node belongs to",
}
"""What to do about it, where that is known."""


class RequestError(Exception):
    """A request that is not well formed: a code of JSON-RPC, a reason of the 7xx and the facts."""

    def __init__(self, code: int, reason: Reason, **facts: Fact) -> None:
        self.code = code
        self.refused = Refused(reason, **facts)
        super().__init__(code, self.refused)


def error_object(code: int, refused: Refused, *, prefix: str) -> dict[str, object]:
    """Return the `error` member for a refusal; addresses in the facts are told as text with `prefix`."""
    data: dict[str, object] = {
        "code": f"AS-{int(refused.reason)}",
        "reason": int(refused.reason),
        "facts": facts_of(refused, prefix),
    }
    if refused.reason in HELP:
        data["help"] = HELP[refused.reason]
    return {"code": code, "message": refused.reason.name.lower().replace("_", " "), "data": data}


def facts_of(refused: Refused, prefix: str) -> dict[str, str | int | None]:
    """Return the facts of a refusal as JSON has them."""
    return {name: _told(value, prefix) for name, value in refused.facts.items()}


def _told(value: Fact, prefix: str) -> str | int | None:
    if isinstance(value, bytes):
        return address_text(value, prefix) if len(value) == ADDRESS_BYTES else value.hex()
    return value
