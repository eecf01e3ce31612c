"""The client's end of a node's JSON-RPC, over the standard library alone: commands must start quickly."""

import http.client
import json
import time
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

from node.rpc.json_value import Json
from primitives.content import ContentId
from primitives.limits import CONTENT_BYTES_MAX
from primitives.reasons import Fact, Reason, Refused

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""The longest JSON answer: a list of a thousand jobs with their histories is well below."""
CALL_S = 30.0
"""A node answers from memory or disk; only content that must be fetched takes longer."""
BLOB_S = 120.0
"""A model from the far end of a home line."""
TRIES = 3
"""Connections tried before a node counts as unreachable: one that restarts is back within a second."""
PAUSE_S = 0.2
"""Between two tries."""
STATUS_OK = 200
STATUS_NOT_FOUND = 404


class RpcClient:
    """One node, asked over one kept connection. Not for use by several threads at once."""

    def __init__(self, url: str, *, tries: int = TRIES, call_s: float = CALL_S) -> None:
        host, port = _host_and_port(url)
        self.url = f"http://{host}:{port}"
        self._tries = tries
        self._call_s = call_s
        self._connection = http.client.HTTPConnection(host, port, timeout=call_s)
        self._calls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def call(self, method: str, **params: Json) -> Json:
        """Call a method and return its result.

        Raises Refused as the node does, NODE_UNREACHABLE if there is no answer, NODE_ANSWER_INVALID for a bad one.
        """
        self._calls += 1
        request = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params}
        body = json.dumps(request).encode()
        status, raw = self._exchange("POST", "/", body, "application/json", self._call_s, ANSWER_BYTES_MAX)
        answer = self._parse(status, raw)
        if "error" in answer:
            raise refusal(answer["error"])
        if "result" not in answer:
            raise Refused(Reason.NODE_ANSWER_INVALID, node=self.url, method=method, seen=status)
        return answer["result"]

    def table(self, method: str, **params: Json) -> dict[str, Json]:
        """Call a method whose result is an object."""
        result = self.call(method, **params)
        if not isinstance(result, dict):
            raise Refused(Reason.NODE_ANSWER_INVALID, node=self.url, method=method, wanted="an object")
        return result

    def put_blob(self, raw: bytes) -> ContentId:
        """Give content to the node and return its id. Raises Refused as `call` does."""
        status, answer = self._exchange("PUT", "/blob", raw, "application/octet-stream", BLOB_S, ANSWER_BYTES_MAX)
        told = self._parse(status, answer)
        if status != STATUS_OK or "error" in told:
            raise refusal(told.get("error"))
        return ContentId(root=bytes.fromhex(str(told["root"])), length=int(str(told["length"])))

    def get_blob(self, content: ContentId) -> bytes:
        """Return content that the node holds or can fetch. Raises Refused CONTENT_NOT_FOUND, and as `call` does."""
        path = f"/blob/{content.root.hex()}/{content.length}"
        status, raw = self._exchange("GET", path, None, None, BLOB_S, CONTENT_BYTES_MAX)
        if status != STATUS_OK:
            raise refusal(self._parse(status, raw).get("error"))
        return raw

    def hold_blob(self, content: ContentId) -> None:
        """Have the node fetch content and serve it from then on, unless it does. Raises Refused CONTENT_NOT_FOUND."""
        path = f"/blob/{content.root.hex()}/{content.length}"
        status, _ = self._exchange("HEAD", path, None, None, BLOB_S, 0)
        if status == STATUS_NOT_FOUND:
            raise Refused(Reason.CONTENT_NOT_FOUND, root=content.root, length=content.length)
        if status != STATUS_OK:
            raise Refused(Reason.NODE_ANSWER_INVALID, node=self.url, status=status, wanted=STATUS_OK)

    def _parse(self, status: int, raw: bytes) -> dict[str, Json]:
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Refused(Reason.NODE_ANSWER_INVALID, node=self.url, status=status, wanted="a JSON object")
        return answer

    def _exchange(
        self, verb: str, path: str, body: bytes | None, kind: str | None, limit_s: float, at_most: int
    ) -> tuple[int, bytes]:
        """Send one request, again on a new connection if the old one is gone: every request may be repeated."""
        last = ""
        for attempt in range(self._tries):
            if attempt > 1:  # the first failure is often just an idle connection that the node has closed
                time.sleep(PAUSE_S)
            try:
                self._connection.timeout = limit_s
                self._connection.request(verb, path, body, {"Content-Type": kind} if kind else {})
                response = self._connection.getresponse()
                raw = response.read(at_most + 1)
            except (OSError, http.client.HTTPException) as fault:
                self._connection.close()
                last = str(fault) or type(fault).__name__
                continue
            if len(raw) > at_most:
                self._connection.close()
                raise Refused(Reason.TOO_LARGE, node=self.url, what="answer", wanted=at_most)
            return response.status, raw
        raise Refused(Reason.NODE_UNREACHABLE, node=self.url, tried=self._tries, said=last)


def _host_and_port(url: str) -> tuple[str, int]:
    """Split the address of a node. Raises Refused REQUEST_INVALID."""
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme == "http" and parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:  # of a port that is none, or of half an IPv6 address
        pass
    raise Refused(Reason.REQUEST_INVALID, what="RPC address", seen=url, wanted="http://HOST:PORT")


def refusal(error: Json) -> Refused:
    """Return the refusal that a JSON-RPC error object tells of."""
    if not isinstance(error, dict):
        return Refused(Reason.NODE_ANSWER_INVALID, seen=str(error)[:200])
    data = error.get("data")
    told = data if isinstance(data, dict) else {}
    number = told.get("reason")
    facts = told.get("facts")
    try:
        reason = Reason(cast("int", number))
    except ValueError:
        return Refused(
            Reason.NODE_ANSWER_INVALID, seen=str(error.get("message", ""))[:200], code=str(error.get("code"))
        )
    named: dict[str, Fact] = {}
    for name, value in (facts if isinstance(facts, dict) else {}).items():
        named[name] = value if value is None or isinstance(value, str | int) else json.dumps(value)
    return Refused(reason, **named)
