"""Results that were sealed to the client of a job: whoever has its key fetches and opens them anywhere (K5, K6)."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from node.keys.envelopes import open_result, reply_key, reply_secret
from node.keys.files import Key
from node.rpc.json_value import Json, records
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused

if TYPE_CHECKING:
    from cli.client import Client

OpenKey = Callable[[], Key]
"""Opens the key of a job's client."""


def sealed_result(client: "Client", told: dict[str, Json], key: Key) -> bytes:
    """Return the encoded output of a job that was sealed to a key, from whichever party delivers it first.

    Raises Refused SEAL_BROKEN if it was sealed to another key; and if nobody delivers it the failure of the last party
    that should: CONTENT_NOT_FOUND, SEAL_BROKEN or CONTENT_MISMATCH.
    """
    secret = _secret(told, key)
    failure: Refused | None = None
    for sealer, sealed in _deliveries(told):
        try:
            return _opened(client, told, secret, sealer, sealed)
        except Refused as refused:
            if refused.reason not in (Reason.CONTENT_NOT_FOUND, Reason.SEAL_BROKEN, Reason.CONTENT_MISMATCH):
                raise
            failure = refused
    assert failure is not None
    raise failure


def _opened(client: "Client", told: dict[str, Json], secret: bytes, sealer: str, sealed: ContentId) -> bytes:
    """Return the output as one party has sealed it. Raises Refused."""
    raw = client.rpc.get_blob(sealed)
    job, genesis = bytes.fromhex(str(told["id"])), client.network.genesis_hash
    found = open_result(raw, secret, genesis=genesis, job=job, sealer=client.address(sealer))
    seen, wanted = content_id(found), content_of(told["outputs"])
    if seen != wanted:
        raise Refused(Reason.CONTENT_MISMATCH, sealer=sealer, seen=seen.root, wanted=wanted.root)
    return found


def _secret(told: dict[str, Json], key: Key) -> bytes:
    """Return the secret that opens a job's result. Raises Refused SEAL_BROKEN if it was sealed to another key."""
    salt = told["canary"] if told["batch"] is None else told["model"]
    secret = reply_secret(key.seed, bytes.fromhex(str(salt)))
    if reply_key(secret).hex() != told["reply_key"]:
        raise Refused(Reason.SEAL_BROKEN, job=str(told["id"]), seen=key.info.address_text, wanted=str(told["client"]))
    return secret


def _deliveries(told: dict[str, Json]) -> Iterator[tuple[str, ContentId]]:
    """Yield who sealed the result, and to which content: the provider first, then verifiers that hold it (J72)."""
    for each in [{"worker": told["provider"], "sealed": told["sealed"]}, *records(told["verifiers"])]:
        if each["sealed"] is not None:
            yield str(each["worker"]), content_of(each["sealed"])


def content_of(told: Json) -> ContentId:
    """Return the id of content as a node tells it."""
    assert isinstance(told, dict)
    return ContentId(root=bytes.fromhex(str(told["root"])), length=int(str(told["length"])))
