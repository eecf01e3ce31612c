"""One flood against one node: `python -m benches.flooder KIND HOST:PORT PEER_ID GENESIS_HASH SECONDS`.

It says that it is ready, begins when it is given a line, and says at the end what it did.

Floods come from loopback addresses that the nodes treat as strangers': each of 127.66.x.y stands for a machine on the
Internet. An attacker that is cut off or banned comes back under another name from another address.
"""

import functools
import json
import os
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11
from libp2p.pubsub.pb import rpc_pb2
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from ledger.transaction import Body, Transfer, sign_transaction
from node.mempool.gossip import TransactionBatch
from node.p2p.foreign import Foreign, Host, Message
from node.p2p.names import link_protocol, request_protocol, topic_name
from node.p2p.peer_id import parse_peer_id
from node.sync.messages import PROTOCOL, RangeRequest
from primitives.codec import encode
from primitives.ed25519 import SigningKey

NETWORKS = 40
"""Of /24 addresses that the attacker has: 127.66.0.0/24 and following."""
CONNECTORS = 16
IDLE_SOCKETS = 600
HOSTS = 8
"""Attackers that speak libp2p."""
QUESTIONS = 16
BATCH = 20
"""Transactions of one gossip message."""
BATCHES = 50
PAUSE_S = 0.002

done: Counter[str] = Counter()
open_stream = trio.open_tcp_stream


class Target:
    """The node that is attacked."""

    def __init__(self, where: str, peer: str, genesis_hash: str) -> None:
        host, _, port = where.rpartition(":")
        self.host, self.port = host, int(port)
        self.peer = parse_peer_id(peer)
        self.genesis_hash = bytes.fromhex(genesis_hash)


def some_address() -> str:
    """Return one of the attacker's addresses."""
    return f"127.66.{random.randrange(NETWORKS)}.{random.randrange(1, 250)}"


async def knock(target: Target) -> trio.SocketStream | None:
    """Open a TCP connection from one of the attacker's addresses."""
    done["sockets"] += 1
    try:
        return await open_stream(target.host, target.port, local_address=some_address())
    except OSError:
        done["sockets refused"] += 1
        return None


async def connections(target: Target) -> None:
    """Connect, begin a handshake and hang up, over and over."""

    async def work() -> None:
        while True:
            stream = await knock(target)
            if stream is not None:
                await quietly(stream.send_all, b"\x13/multistream/1.0.0\n\x07/noise\n")
                await stream.aclose()
            await trio.sleep(PAUSE_S)

    await many(CONNECTORS, work)


async def idle(target: Target) -> None:
    """Hold sockets open without a word, and open others for those that are closed."""

    async def work() -> None:
        while True:
            stream = await knock(target)
            if stream is not None:
                await quietly(stream.receive_some)
                await stream.aclose()
            await trio.sleep(0.1)

    await many(IDLE_SOCKETS, work)


async def garbage(target: Target) -> None:
    """Connect and talk nonsense."""

    async def work() -> None:
        while True:
            stream = await knock(target)
            if stream is not None:
                await quietly(stream.send_all, random.randbytes(random.choice((10, 1_000, 64_000))))
                await stream.aclose()
            await trio.sleep(PAUSE_S)

    await many(CONNECTORS, work)


async def oversized(target: Target) -> None:
    """Announce frames that nobody could hold, in every protocol."""
    too_long = b"\xff\xff\xff\xff"
    words = (
        (request_protocol(target.genesis_hash), too_long + bytes(60_000)),
        (link_protocol(target.genesis_hash), too_long + bytes(60_000)),
        (PROTOCOL_ID_V11, b"\xff" * 9 + b"\x01" + bytes(60_000)),
        ("/ipfs/id/push/1.0.0", b"\xff" * 9 + b"\x01" + bytes(60_000)),
    )

    async def speak(host: Host, muxer: Foreign) -> None:
        for protocol, raw in words:
            stream = await host.new_stream(ID(target.peer), [protocol])
            await stream.write(raw)
            done["oversized"] += 1
        await muxer.secured_conn.write(struct.pack("!BBHII", 0, 0, 0, 1, 2**32 - 1))
        await trio.sleep(0.05)

    await many(HOSTS, functools.partial(as_peers, target, speak))


async def slow_readers(target: Target) -> None:
    """Ask for as many blocks as one may and read no answer."""
    body = encode(RangeRequest(first=1, last=256))
    question = encode([PROTOCOL, body])
    raw = struct.pack("!I", len(question)) + question

    async def speak(host: Host, _: Foreign) -> None:
        streams = [
            await host.new_stream(ID(target.peer), [request_protocol(target.genesis_hash)]) for _ in range(QUESTIONS)
        ]
        for _ in range(50):
            for stream in streams:
                await stream.write(raw)
                done["questions"] += 1
            await trio.sleep(0.1)

    await many(HOSTS, functools.partial(as_peers, target, speak))


async def spam(target: Target) -> None:
    """Gossip transactions in due form, of accounts that have nothing, as fast as they are taken."""
    topic = topic_name("tx", target.genesis_hash)
    batches = [batch_of_nobody(target) for _ in range(BATCHES)]  # sent again and again with new numbers

    async def speak(host: Host, _: Foreign) -> None:
        stream = await host.new_stream(ID(target.peer), [PROTOCOL_ID_V11])
        while True:
            raw = rpc_pb2.RPC(publish=[signed(host, topic, random.choice(batches))]).SerializeToString()
            await stream.write(varint(len(raw)) + raw)
            done["messages"] += 1

    await many(HOSTS, functools.partial(as_peers, target, speak))


def batch_of_nobody(target: Target) -> bytes:
    """Return transactions of an account that has nothing."""
    seed = os.urandom(32)
    sender = SigningKey(seed).public_key
    until = int(time.time() * 1e3) + 600_000
    payload = Transfer(to=bytes(20), amount=1)
    transactions = []
    for nonce in range(BATCH):
        body = Body(
            sender=sender,
            nonce=nonce,
            fee_cap=10**6,
            tip=0,
            valid_until=until,
            payload=payload,
        )
        transactions.append(sign_transaction(seed, target.genesis_hash, body))
    return encode(TransactionBatch(transactions=transactions))


def signed(host: Host, topic: str, body: bytes) -> Message:
    """Return a gossip message by this host."""
    message = rpc_pb2.Message(from_id=host.get_id().to_bytes(), seqno=os.urandom(8), topicIDs=[topic], data=body)
    message.signature = host.get_private_key().sign(b"libp2p-pubsub:" + message.SerializeToString())
    message.key = host.get_public_key().serialize()
    return message


def varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths."""
    out = b""
    while number >> 7:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


async def as_peers(target: Target, speak: Callable[[Host, Foreign], Awaitable[None]]) -> None:
    """Connect under one new name after another and do the worst."""
    while True:
        keys = create_new_key_pair()
        noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
        host = new_host(key_pair=keys, sec_opt={NOISE_ID: noise}, muxer_opt={YAMUX_ID: Yamux})
        done["names"] += 1
        try:
            async with host.run([]):
                await host.connect(PeerInfo(ID(target.peer), [Multiaddr(f"/ip4/{target.host}/tcp/{target.port}")]))
                done["connections"] += 1
                try:
                    await speak(host, host.get_network().get_connections(ID(target.peer))[0].muxed_conn)
                finally:
                    await host.close()
        except* Exception as ended:  # noqa: BLE001 - supervisor: however the node ends it, the attacker comes again
            done["ended"] += len(ended.exceptions)
        await trio.sleep(0.1)


async def quietly(action: Callable[..., Awaitable[object]], *args: object) -> None:
    """Do something to a socket that may be closed."""
    try:
        await action(*args)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        done["closed on us"] += 1


async def many(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run as many of the same at once."""
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(work)


async def busy(_: Target) -> None:
    """Touch nobody and use the machine: what a flood costs beyond this, it costs the nodes."""
    while True:
        random.randbytes(64_000)
        done["rounds"] += 1
        await trio.lowlevel.checkpoint()


KINDS: dict[str, Callable[[Target], Awaitable[None]]] = {
    "busy": busy,
    "connections": connections,
    "idle": idle,
    "garbage": garbage,
    "oversized": oversized,
    "slow-readers": slow_readers,
    "spam": spam,
}


async def main(kind: str, where: str, peer: str, genesis_hash: str, seconds: str) -> None:
    """Flood for a time and say what was done."""
    # libp2p dials from whatever address the system chooses: here from one of the attacker's.
    trio.open_tcp_stream = functools.partial(open_stream, local_address=some_address())
    with trio.move_on_after(float(seconds)):
        await KINDS[kind](Target(where, peer, genesis_hash))
    sys.stdout.write(json.dumps(dict(done)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # to begin together, and not while imports keep the machine busy
    # The attacker's own work would be done by other machines: here it takes the time that everybody else leaves.
    os.nice(19)
    trio.run(main, *sys.argv[1:])
    os._exit(0)  # libp2p's threads and sockets have nothing to lose
