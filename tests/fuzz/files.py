"""Texts that people write and files that a node reads: settings, genesis, manifests, keys, peers, blocks."""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cli.bundles import bundle_of_file, json_of_bundle
from cli.out import error_lines
from node.config import Config, parse_config, render_config
from node.genesis_file import parse_genesis, render_genesis
from node.keys.files import KeyKind, create_key, load_key
from node.p2p.peer_id import parse_peer_id, peer_id_of, peer_id_text
from node.peers.addresses import host_port_text, parse_host_port
from node.peers.saved import MAGIC, read_peers, write_peers
from node.rpc.client import RpcClient, refusal
from node.store.disk import Disk
from node.store.segments import FOLDER, START, Segments
from primitives.address import address_text, parse_address
from primitives.hashing import HASH_BYTES, sha256
from testnet.kit import ledger_builders as kit
from testnet.manifest import MANIFESTS, read_manifest
from tests.fuzz.decoders import samples
from tests.fuzz.target import Feed, Target, plainly

PASSWORD = b"a password"
CHEAP = 1 << 10
"""scrypt's cost of the seeds. Files say their cost themselves, and a program must not be made to work for an hour."""
BLOCKS = [b"the first block", b"", b"\x00" * 40]


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _address(raw: bytes) -> None:
    text = _text(raw)
    assert address_text(parse_address(text, "dasy"), "dasy") == text.lower()


def _peer_id(raw: bytes) -> None:
    text = _text(raw)
    assert peer_id_text(parse_peer_id(text)) == text


def _endpoint(raw: bytes) -> None:
    host, port = parse_host_port(_text(raw))
    assert parse_host_port(host_port_text(host, port)) == (host, port)


def _genesis(raw: bytes) -> None:
    genesis = parse_genesis(_text(raw))
    assert parse_genesis(render_genesis(genesis)) == genesis


def _config(raw: bytes) -> None:
    config = parse_config(_text(raw))
    assert parse_config(render_config(config)) == config


def _rpc_answer(raw: bytes) -> None:
    """Read what a node, or something else, answers to a client."""
    with RpcClient("http://127.0.0.1:1") as client:
        answer = client._parse(200, raw)
    told = refusal(answer["error"]) if "error" in answer else None
    if told is not None:
        error_lines(told)
        raise told


def _answers() -> list[bytes]:
    data = '{"code": "AS-206", "reason": 206, "facts": {"seen": 5, "wanted": "more", "of": null, "reason": [1]}}'
    return [
        b'{"jsonrpc": "2.0", "id": 1, "result": {"height": 7}}',
        f'{{"jsonrpc": "2.0", "id": 1, "error": {{"code": -32000, "message": "x", "data": {data}}}}}'.encode(),
    ]


def _input(raw: bytes) -> None:
    """Read what somebody gives to a model, and tell it again."""
    bundle = bundle_of_file(raw)
    json_of_bundle(bundle)


def _inputs() -> list[bytes]:
    return [
        b'{"x": {"dtype": "float32", "shape": [1, 2], "data": [1.5, -2]}}',
        b'{"x": {"dtype": "int64", "shape": [], "data": [7]}, "y": {"dtype": "bool", "shape": [2], "data": [0, 1]}}',
        kit.a_bundle(b"x", [1.0, float("nan")]),
    ]


def _in_a_file(name: str, read: Callable[[Path], object]) -> Callable[[], AbstractContextManager[Feed]]:
    """Return the `open` of a target that reads a file."""

    @contextmanager
    def opened() -> Iterator[Feed]:
        with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as folder:
            path = Path(folder) / name
            path.touch(mode=0o600)

            def feed(raw: bytes) -> None:
                path.write_bytes(raw)
                read(path)

            yield feed

    return opened


def _key_file(kind: KeyKind, password: bytes | None) -> bytes:
    with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as folder:
        path = Path(folder) / "key.json"
        create_key(path, kind=kind, network="dasy", password=password, seed=kit.seed_of("client"), cost=CHEAP)
        return path.read_bytes()


def _keys() -> list[bytes]:
    return [_key_file(KeyKind.WALLET, None), _key_file(KeyKind.WALLET, PASSWORD)]


def _load_key(path: Path) -> None:
    key = load_key(path, kind=KeyKind.WALLET, network="dasy", password=PASSWORD)
    assert key.seed == kit.seed_of("client") or key.info.public != kit.key_of("client")


def _peers(raw: bytes) -> None:
    """Read a file of peers; half the time with its checksum made good."""
    body = raw[len(MAGIC) + HASH_BYTES :]
    if len(body) % 2:
        raw = MAGIC + sha256(body) + body
    book, bans = read_peers(raw, random.Random(1))
    again, _ = read_peers(write_peers(book, bans), random.Random(1))
    assert len(again) == len(book)


def _peer_files() -> list[bytes]:
    bodies: Sequence[bytes] = samples("node.peers.saved.SavedPeers")
    return [MAGIC + sha256(body) + body for body in bodies]


def _segment() -> bytes:
    with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as folder:
        segments = Segments(Path(folder), Disk())
        segments.open(START.segment, START, 0)
        segments.append(list(enumerate(BLOCKS)))
        segments.close()
        return segments.path(START.segment).read_bytes()


@contextmanager
def _segments() -> Iterator[Feed]:
    """Put an input in the place of a segment, open it at its index, and read what the index tells of."""
    with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as name:
        folder = Path(name) / FOLDER
        disk = Disk()
        written = Segments(folder, disk)
        written.open(START.segment, START, 0)
        spots = written.append(list(enumerate(BLOCKS)))
        written.close()

        def feed(raw: bytes) -> None:
            written.path(START.segment).write_bytes(raw)
            segments = Segments(folder, disk)
            segments.open(START.segment, spots[-1], len(BLOCKS) - 1)
            for height, spot in enumerate(spots):
                assert segments.read(spot, height) == BLOCKS[height], "a block that was never written"

        yield feed


def _manifests() -> list[bytes]:
    return [path.read_bytes() for path in sorted(MANIFESTS.glob("*.toml"))]


def files() -> list[Target]:
    """Return the targets of this module."""
    genesis = [render_genesis(kit.a_genesis(validators=1, workers=1)).encode()]
    addresses = [address_text(kit.address(name), "dasy").encode() for name in ("client", "publisher")]
    peer_ids = [peer_id_text(peer_id_of(kit.key_of(name))).encode() for name in ("client", "publisher")]
    endpoints = [b"127.0.0.1:4001", b"[2001:db8::1]:80", b"0.0.0.0:1"]
    return [
        Target(name="address", seeds=lambda: addresses, open=plainly(_address), is_text=True, weight=2),
        Target(name="peer-id", seeds=lambda: peer_ids, open=plainly(_peer_id), is_text=True, weight=2),
        Target(name="endpoint", seeds=lambda: endpoints, open=plainly(_endpoint), is_text=True, weight=2),
        Target(name="genesis-json", seeds=lambda: genesis, open=plainly(_genesis), is_text=True, weight=2),
        Target(
            name="config-toml",
            seeds=lambda: [render_config(Config()).encode()],
            open=plainly(_config),
            is_text=True,
            weight=2,
        ),
        Target(name="manifest-toml", seeds=_manifests, open=_in_a_file("net.toml", read_manifest), is_text=True),
        Target(name="key-file", seeds=_keys, open=_in_a_file("key.json", _load_key), is_text=True),
        Target(name="rpc-answer", seeds=_answers, open=plainly(_rpc_answer), is_text=True, weight=4),
        Target(name="input-json", seeds=_inputs, open=plainly(_input), is_text=True, weight=4),
        Target(name="peers-file", seeds=_peer_files, open=plainly(_peers), weight=2),
        Target(name="segment", seeds=lambda: [_segment()], open=_segments),
    ]
