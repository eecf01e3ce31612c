import json
from typing import Any

import pytest
import trio

from node.rpc.dispatch import BATCH_MAX, BODY_BYTES_MAX
from node.rpc.server import UPLOADS_MAX
from primitives.reasons import Reason
from tests.node.rpc.served import Answer, Node


def a_request(**changed: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "method": "chain.head", "params": {}} | changed


async def test_a_request_gets_its_result_under_its_own_id(node: Node) -> None:
    answer = await node.post(a_request(id="mine"))
    assert answer.status == 200
    assert answer.json["id"] == "mine"
    assert answer.json["jsonrpc"] == "2.0"
    assert answer.json["result"]["height"] == 0


async def test_params_may_be_absent_where_none_are_wanted(node: Node) -> None:
    answer = await node.post({"jsonrpc": "2.0", "id": 1, "method": "chain.head"})
    assert "result" in answer.json


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"nonsense",
        b'{"jsonrpc": "2.0", "id": 1, "method": "chain.head"',
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "chain.head", "params": ' + b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "chain.head", "params": {"x": NaN}}',
        b"[1, 2",
    ],
)
async def test_what_is_no_json_is_a_parse_error(node: Node, body: bytes) -> None:
    answer = await node.post(body)
    assert answer.status == 200
    assert answer.json["error"]["code"] == -32700
    assert answer.json["error"]["data"]["code"] == "AS-701"
    assert answer.json["id"] is None


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        1,
        None,
        "chain.head",
        {"jsonrpc": "1.0", "id": 1, "method": "chain.head"},
        {"id": 1, "method": "chain.head"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "method": 3},
        {"jsonrpc": "2.0", "id": 1.5, "method": "chain.head"},
        {"jsonrpc": "2.0", "id": {}, "method": "chain.head"},
        {"jsonrpc": "2.0", "id": 1, "method": "chain.head", "extra": 1},
        [],
        [{"jsonrpc": "2.0", "id": 1, "method": "chain.head"}] * (BATCH_MAX + 1),
    ],
)
async def test_what_is_no_request_is_invalid(node: Node, request_body: Any) -> None:
    answer = await node.post(json.dumps(request_body).encode())
    assert answer.json["error"]["code"] == -32600


async def test_an_invalid_request_is_told_under_its_id(node: Node) -> None:
    answer = await node.post({"jsonrpc": "2.0", "id": 9, "method": "chain.head", "extra": 1})
    assert answer.json["id"] == 9


async def test_an_unknown_method_is_named(node: Node) -> None:
    error = await node.refusal("chain.tail")
    assert error["code"] == -32601
    assert error["data"] == {
        "code": "AS-702",
        "reason": Reason.REQUEST_UNKNOWN_METHOD,
        "facts": {"seen": "chain.tail"},
        "help": "rpc.discover tells all methods",
    }


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("chain.tx", {}),
        ("chain.tx", {"id": "zz"}),
        ("chain.tx", {"id": "AB" * 32}),
        ("chain.tx", {"id": "ab" * 31}),
        ("chain.tx", {"id": 5}),
        ("chain.tx", {"id": "ab" * 32, "more": 1}),
        ("chain.tx", ["ab" * 32]),
        ("chain.head", {"x": 1}),
        ("chain.head", None),
        ("chain.state_root", {"height": -1}),
        ("chain.state_root", {"height": 1e400}),
        ("chain.state_root", {"height": 2**70}),
        ("chain.state_root", {"height": "1"}),
        ("chain.state_root", {"height": True}),
        ("job.list", {"limit": 0}),
        ("job.list", {"limit": 1001}),
        ("tx.submit", {"raw": "abc"}),
        ("tx.submit", {"raw": ""}),
        ("model.check", {"root": "ab" * 32, "length": 1, "shapes": [[-1]]}),
    ],
)
async def test_wrong_params_are_refused_with_what_was_wanted(node: Node, method: str, params: object) -> None:
    raw = json.dumps(a_request(method=method, params=params)).replace("Infinity", "1e400")
    error = (await node.post(raw.encode())).json["error"]
    assert error["code"] in (-32602, -32700)
    assert error["data"]["reason"] == Reason.REQUEST_INVALID
    assert error["data"]["facts"]["why"]


async def test_params_that_are_no_utf_8_are_refused_as_such(node: Node) -> None:
    error = (await node.post(b'{"jsonrpc":"2.0","id":1,"method":"tx.submit","params":{"raw":"\xff"}}')).json["error"]
    assert (error["code"], error["data"]["reason"]) == (-32602, Reason.REQUEST_INVALID)


async def test_uploads_that_stall_give_their_places_up(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.rpc.server.UPLOAD_S", 0.2)
    host, port = node.at.split(":")
    stalled = [await trio.open_tcp_stream(host, int(port)) for _ in range(UPLOADS_MAX)]
    for each in stalled:
        await each.send_all(f"PUT /blob HTTP/1.1\r\nHost: {node.at}\r\nContent-Length: 2\r\n\r\na".encode())
    with trio.fail_after(10):
        while (await node.ask("PUT", "/blob", b"in time")).status != 200:
            await trio.lowlevel.checkpoint()
        for each in stalled:
            assert (await each.receive_some()).startswith(b"HTTP/1.1 503")
            await each.aclose()


async def test_a_body_over_a_mebibyte_is_refused(node: Node) -> None:
    answer = await node.post(b" " * (BODY_BYTES_MAX + 1))
    assert answer.status == 413
    assert answer.json["error"]["data"]["code"] == "AS-102"


async def test_a_body_without_an_end_is_refused_once_it_is_too_long(node: Node) -> None:
    host, port = node.at.split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    head = f"POST / HTTP/1.1\r\nHost: {node.at}\r\nTransfer-Encoding: chunked\r\n\r\n"
    await stream.send_all(head.encode())
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = b""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                try:
                    for _ in range(64):
                        await stream.send_all(piece)
                except trio.BrokenResourceError:
                    return

            nursery.start_soon(send)
            answer = await stream.receive_some()
            nursery.cancel_scope.cancel()
    assert answer.startswith(b"HTTP/1.1 413")
    await trio.aclose_forcefully(stream)


async def test_a_batch_is_answered_in_order_and_one_bad_request_spoils_only_itself(node: Node) -> None:
    batch = [a_request(id=1), a_request(id=2, method="no"), 5, a_request(id=3)]
    answers = (await node.post(batch)).json
    assert [each["id"] for each in answers] == [1, 2, None, 3]
    assert ["error" in each for each in answers] == [False, True, True, False]


async def test_notifications_are_not_answered(node: Node) -> None:
    quiet = {"jsonrpc": "2.0", "method": "chain.head"}
    assert (await node.post(quiet)).status == 204
    assert (await node.post([quiet, quiet])).status == 204
    assert [each["id"] for each in (await node.post([quiet, a_request(id=4)])).json] == [4]


async def test_content_is_held_for_whoever_asks_for_its_head(node: Node) -> None:  # R9
    content = await node.remote.put(b"a model")
    path = f"/blob/{content.root.hex()}/{content.length}"
    assert not node.blobs.has(content)
    assert await node.ask("HEAD", path) == Answer(200, b"")
    assert node.blobs.has(content)
    assert (await node.ask("GET", path)).body == b"a model"
    assert (await node.ask("HEAD", "/blob/" + "ab" * 32 + "/1")).status == 404


async def test_other_paths_and_verbs_do_not_exist(node: Node) -> None:
    assert (await node.ask("GET", "/")).status == 405
    assert (await node.ask("GET", "/etc/passwd")).status == 404
    assert (await node.ask("DELETE", "/blob/" + "ab" * 32 + "/1")).status == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_web_page_may_not_ask(node: Node, headers: dict[str, str]) -> None:
    answer = await node.ask("POST", "/", json.dumps(a_request()).encode(), headers)
    assert answer.status == 403
    assert answer.json["error"]["data"]["reason"] == Reason.REQUEST_NOT_LOCAL


async def test_a_local_name_may_ask(node: Node) -> None:
    port = node.at.split(":")[1]
    answer = await node.ask("POST", "/", json.dumps(a_request()).encode(), {"Host": f"localhost:{port}"})
    assert answer.status == 200


async def test_a_client_that_hangs_up_does_no_harm(node: Node) -> None:
    host, port = node.at.split(":")
    for path in ("POST /", "PUT /blob"):
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(f"{path} HTTP/1.1\r\nHost: {node.at}\r\nContent-Length: 1000\r\n\r\nhalf".encode())
        await trio.aclose_forcefully(stream)
    assert "result" in (await node.post(a_request())).json
