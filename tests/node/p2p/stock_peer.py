"""An unmodified py-libp2p host, for tests: `stock_peer.py ROLE MULTIADDR [WORDS]`, one line of JSON per finding."""

import json
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def make_host(*, plaintext: bool = False) -> Any:
    keys = create_new_key_pair()
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    security = {PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)} if plaintext else {NOISE_ID: noise}
    return new_host(key_pair=keys, sec_opt=security, muxer_opt={YAMUX_ID: Yamux})


async def gossip(host: Any, met: Any, hears: str, speaks: str) -> None:
    """Join, tell what is heard on one topic, and say something on another."""
    router = GossipSub(protocols=[PROTOCOL_ID_V11], degree=6, degree_low=4, degree_high=12, heartbeat_interval=1)
    pubsub = Pubsub(host, router, strict_signing=True)
    async with background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
        heard = await pubsub.subscribe(hears)
        await pubsub.subscribe(speaks)
        await host.connect(met)
        await pubsub.wait_for_subscription(met.peer_id, hears, timeout=20)
        await pubsub.wait_for_mesh(met.peer_id, speaks, timeout=20)
        say("subscribed")
        await pubsub.publish(speaks, b"stock says hello")
        while True:
            say((await heard.get()).data.decode())


async def knock(host: Any, met: Any, *protocols: str) -> None:
    """Open a stream of each protocol, say something, and tell how it ended."""
    await host.connect(met)
    say("connected")
    for protocol in protocols:
        try:
            stream = await host.new_stream(met.peer_id, [protocol])
            await stream.write(struct.pack("!IBB", 0, 0, 2))
            await stream.read(1)
            say("answered")
        except BaseLibp2pError:
            say("refused")


async def dial(host: Any, met: Any) -> None:
    """Tell whether a connection can be had."""
    try:
        await host.connect(met)
        say("connected")
    except BaseLibp2pError:
        say("refused")


async def come_and_go(host: Any, met: Any, times: str) -> None:
    """Connect and disconnect many times, eight at once."""
    del host
    failed = 0

    async def visit() -> None:
        nonlocal failed
        for _ in range(int(times) // 8):
            visitor = make_host()
            async with visitor.run([]):
                try:
                    await visitor.connect(met)
                except BaseLibp2pError:
                    failed += 1
                await visitor.close()

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(visit)
    say({"failed": failed})


def rude_rpcs(topic: str) -> Iterator[bytes]:
    """Yield what a gossip stream may carry to end a process."""
    yield varint(5) + b"\xff\xff\xff\xff\xff"  # no protobuf
    strange = rpc_pb2.Message(from_id=b"\x12\x20" + b"k" * 32, seqno=b"1", topicIDs=[topic], data=b"d")
    strange.key, strange.signature = b"\x08\x09no key", b"no signature"
    raw = rpc_pb2.RPC(publish=[strange]).SerializeToString()
    yield varint(len(raw)) + raw
    empty = rpc_pb2.RPC(publish=[rpc_pb2.Message()]).SerializeToString()
    yield varint(len(empty)) + empty
    yield varint(1 << 40)  # a length that nobody holds
    yield b"\xff" * 11  # a length that never ends
    control = rpc_pb2.RPC()
    for number in range(2000):
        control.control.ihave.add(topicID=f"made up {number}", messageIDs=[b"zz"])
        control.control.prune.add(topicID=f"made up {number}", backoff=10**9)
    raw = control.SerializeToString()
    yield varint(len(raw)) + raw


async def rude(host: Any, met: Any, topic: str, link: str, requests: str) -> None:
    """Do to a node what ended stock nodes."""
    await host.connect(met)
    for raw in rude_rpcs(topic):
        stream = await host.new_stream(met.peer_id, [PROTOCOL_ID_V11])
        await stream.write(raw)
        await stream.close()
    say("gossip")
    for protocol in (link, requests, "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"):
        for raw in (b"\xff" * 64, b"\x00" * 64, struct.pack("!I", 3) + b"\xc1\xc1\xc1"):
            try:
                stream = await host.new_stream(met.peer_id, [protocol])
                await stream.write(raw)
                await stream.close()
            except BaseLibp2pError:
                pass
    say("streams")


async def overrun(host: Any, met: Any, requests: str) -> None:
    """Send 24 MiB on a window of 256 KiB."""
    await host.connect(met)
    muxer = host.get_network().get_connections(met.peer_id)[0].muxed_conn
    stream = await host.new_stream(met.peer_id, [requests])
    question = b"\x92\xa4sync\xc4\x04rude"  # which nobody answers, so that nobody reads what follows
    await stream.write(struct.pack("!I", len(question)) + question)
    number = stream.muxed_stream.stream_id
    say(await until_cut_off(muxer, 400, struct.pack("!BBHII", 0, 0, 0, number, 60_000) + bytes(60_000)))


async def read_nothing(host: Any, met: Any, requests: str) -> None:
    """Ask for much on sixteen streams and read none of it."""
    await host.connect(met)
    question = b"\x92\xa4sync\xc4\x04much"
    streams = [await host.new_stream(met.peer_id, [requests]) for _ in range(16)]
    for stream in streams:
        await stream.write(struct.pack("!I", len(question)) + question)
    say("asked")


async def flood_with_streams(host: Any, met: Any) -> None:
    """Open 12,000 streams that negotiate nothing."""
    await host.connect(met)
    muxer = host.get_network().get_connections(met.peer_id)[0].muxed_conn
    first = muxer.next_stream_id
    frames = (struct.pack("!BBHII", 0, 1, 1, first + 2 * number, 0) for number in range(12_000))
    say(await until_cut_off(muxer, 12_000, *frames))


async def flood_with_pings(host: Any, met: Any, seconds: str) -> None:
    """Send pings as fast as they are taken, for a time."""
    await host.connect(met)
    muxer = host.get_network().get_connections(met.peer_id)[0].muxed_conn
    say("pinging")
    with trio.move_on_after(float(seconds)):
        await until_cut_off(muxer, 10**9, struct.pack("!BBHII", 0, 2, 1, 0, 7) * 100)
    say("done")


async def until_cut_off(muxer: Any, times: int, *frames: bytes) -> str:
    """Write frames, the last one again and again, and tell whether that was let pass."""
    try:
        for at in range(times):
            await muxer.secured_conn.write(frames[min(at, len(frames) - 1)])
            await trio.lowlevel.checkpoint()
        await trio.sleep(2)  # what is on its way arrives
        await muxer.secured_conn.write(frames[-1])
    except (BaseLibp2pError, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        return "cut off"
    return "cut off" if muxer.is_closed else "let pass"


ROLES: dict[str, Callable[..., Awaitable[None]]] = {
    "gossip": gossip,
    "knock": knock,
    "dial": dial,
    "plaintext": dial,
    "come_and_go": come_and_go,
    "rude": rude,
    "overrun": overrun,
    "read_nothing": read_nothing,
    "flood_with_streams": flood_with_streams,
    "flood_with_pings": flood_with_pings,
}


async def main() -> None:
    role, where, *words = sys.argv[1:]
    host = make_host(plaintext=role == "plaintext")
    async with host.run([multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        await ROLES[role](host, info_from_p2p_addr(multiaddr.Multiaddr(where)), *words)
        await trio.sleep_forever()


trio.run(main)
