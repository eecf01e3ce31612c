"""The client's end: what it makes of answers, good and bad."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from node.rpc.client import RpcClient, refusal
from node.rpc.json_value import Json
from primitives.content import content_id
from primitives.reasons import Reason, Refused

GOOD = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"height": 7}}).encode()


@contextmanager
def answering(*answers: tuple[int, bytes], hang_up: bool = False) -> Iterator[str]:
    """Serve the answers in turn, the last one again and again; with `hang_up`, close after each without saying so."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if hang_up:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    for verb in ("GET", "HEAD", "POST", "PUT"):
        setattr(Handler, f"do_{verb}", Handler._answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def reason_of(url: str) -> Reason:
    with RpcClient(url, tries=1) as client, pytest.raises(Refused) as told:
        client.table("chain.head")
    return told.value.reason


def test_a_result_is_returned() -> None:
    with answering((200, GOOD)) as url, RpcClient(url) as client:
        assert client.table("chain.head") == {"height": 7}


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    with answering((200, GOOD), hang_up=True) as url, RpcClient(url) as client:
        assert [client.table("chain.head") for _ in range(3)] == [{"height": 7}] * 3


def test_nobody_there_is_told_with_what_was_tried() -> None:
    with RpcClient("http://127.0.0.1:1", tries=2) as client, pytest.raises(Refused) as told:
        client.call("chain.head")
    assert told.value.reason is Reason.NODE_UNREACHABLE
    assert told.value.facts["tried"] == 2
    assert "refused" in str(told.value.facts["said"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"result": [1]}',
        b'{"error": "no"}',
        b'{"error": {"code": -32000, "message": "x"}}',
        b"[" * 100_000,
        b'{"error": {"code": -32000, "message": "x", "data": {"reason": [1], "facts": {"reason": 1, "self": 2}}}}',
    ],
)
def test_what_is_no_answer_is_told_as_such(body: bytes) -> None:
    with answering((200, body)) as url:
        assert reason_of(url) is Reason.NODE_ANSWER_INVALID


def test_a_refusal_of_the_node_is_raised_with_its_facts() -> None:
    error: Json = {
        "code": -32000,
        "message": "no",
        "data": {"code": "AS-206", "reason": 206, "facts": {"seen": 1, "wanted": 2}},
    }
    told = refusal(error)
    assert told.reason is Reason.INSUFFICIENT_BALANCE
    assert told.facts == {"seen": 1, "wanted": 2}


@pytest.mark.parametrize(("status", "reason"), [(404, Reason.CONTENT_NOT_FOUND), (507, Reason.NODE_ANSWER_INVALID)])
def test_content_that_a_node_cannot_hold_is_told_by_its_status(status: int, reason: Reason) -> None:
    with answering((status, b"")) as url, RpcClient(url) as client, pytest.raises(Refused) as told:
        client.hold_blob(content_id(b"x"))
    assert told.value.reason is reason


def test_content_that_nobody_has_is_told_by_its_number() -> None:
    error = {"error": {"code": -32000, "message": "", "data": {"reason": 606, "facts": {}}}}
    with answering((404, json.dumps(error).encode())) as url, RpcClient(url) as client, pytest.raises(Refused) as told:
        client.get_blob(content_id(b"x"))
    assert told.value.reason is Reason.CONTENT_NOT_FOUND
