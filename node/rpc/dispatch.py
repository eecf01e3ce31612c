"""JSON-RPC 2.0 on bytes: one request or a batch in, the answer out."""

import logging
from typing import Literal

import msgspec

from node.rpc.failure import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    REFUSED,
    UNKNOWN_METHOD,
    RequestError,
    error_object,
)
from node.rpc.method import Method, Shape
from node.rpc.services import Services
from primitives.reasons import Reason, Refused

BODY_BYTES_MAX = 1 << 20
"""R1. The largest transaction is 64 KiB, 128 KiB in hexadecimal; a batch of small requests is far below."""
BATCH_MAX = 50
"""R2. Requests of one batch: they are answered one after another, and others wait meanwhile."""
METHOD_CHARS_MAX = 64

_log = logging.getLogger("assay.rpc")

_Id = str | int | None


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """R3."""

    jsonrpc: Literal["2.0"]
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    id: _Id | msgspec.UnsetType = msgspec.UNSET


class Dispatcher:
    """Answers requests by the table of methods."""

    def __init__(self, methods: tuple[Method, ...], services: Services) -> None:
        self._methods = {method.name: method for method in methods}
        assert len(self._methods) == len(methods)
        self._services = services
        self._prefix = services.chain.genesis.prefix

    async def answer(self, body: bytes) -> bytes | None:
        """Return the answer to a request's body; None if there is nothing to answer (notifications)."""
        if len(body) > BODY_BYTES_MAX:
            return self._failed(None, INVALID_REQUEST, Refused(Reason.TOO_LARGE, seen=len(body), wanted=BODY_BYTES_MAX))
        try:
            return await self._answer_batch(_batch(body)) if body.lstrip()[:1] == b"[" else await self._answer_one(body)
        except RequestError as fault:
            return self._failed(None, fault.code, fault.refused)

    async def _answer_batch(self, requests: list[msgspec.Raw]) -> bytes | None:
        answers = [await self._answer_one(bytes(request)) for request in requests]
        told = [answer for answer in answers if answer is not None]
        return b"[" + b",".join(told) + b"]" if told else None

    async def _answer_one(self, raw: bytes) -> bytes | None:
        try:
            request = _request(raw)
        except RequestError as fault:
            return self._failed(_id_of(raw), fault.code, fault.refused)
        is_notification = request.id is msgspec.UNSET
        number = None if isinstance(request.id, msgspec.UnsetType) else request.id
        try:
            result = await self._call(request)
            answer = msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": result})
        except RequestError as fault:
            answer = self._failed(number, fault.code, fault.refused)
        except Refused as refused:
            answer = self._failed(number, REFUSED, refused)
        except Exception:  # noqa: BLE001  # supervisor: a bug in one method must not end the node that others rely on
            _log.exception("method %s failed", request.method[:METHOD_CHARS_MAX])
            answer = self._failed(number, INTERNAL_ERROR, Refused(Reason.INTERNAL, method=request.method))
        return None if is_notification else answer  # R2

    async def _call(self, request: _Request) -> Shape:
        method = self._methods.get(request.method)
        if method is None:
            seen = request.method[:METHOD_CHARS_MAX]
            raise RequestError(UNKNOWN_METHOD, Reason.REQUEST_UNKNOWN_METHOD, seen=seen)
        try:
            params = msgspec.json.decode(request.params, type=method.params)  # R3
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
            wanted = ", ".join(method.params.__struct_fields__) or "no parameters"
            raise RequestError(
                INVALID_PARAMS, Reason.REQUEST_INVALID, method=method.name, why=str(fault), wanted=wanted
            ) from None
        return await method.answer(self._services, params)

    def _failed(self, number: _Id, code: int, refused: Refused) -> bytes:
        error = error_object(code, refused, prefix=self._prefix)
        return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "error": error})


def _batch(body: bytes) -> list[msgspec.Raw]:
    try:
        requests = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise RequestError(PARSE_ERROR, Reason.REQUEST_INVALID, why=str(fault)) from None
    if not 1 <= len(requests) <= BATCH_MAX:
        raise RequestError(
            INVALID_REQUEST, Reason.REQUEST_INVALID, what="batch", seen=len(requests), wanted=f"1 to {BATCH_MAX}"
        )
    return requests


def _request(raw: bytes) -> _Request:
    try:
        return msgspec.json.decode(raw, type=_Request)
    except msgspec.ValidationError as fault:
        raise RequestError(INVALID_REQUEST, Reason.REQUEST_INVALID, why=str(fault)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise RequestError(PARSE_ERROR, Reason.REQUEST_INVALID, why=str(fault)) from None


class _WithId(msgspec.Struct):
    id: _Id = None


def _id_of(raw: bytes) -> _Id:
    """Return the id of a request that is not well formed, if it has one all the same."""
    try:
        return msgspec.json.decode(raw, type=_WithId).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
