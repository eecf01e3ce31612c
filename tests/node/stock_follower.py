"""An unmodified py-libp2p host that follows the topic of final blocks: prints one line of hexadecimal per message."""

import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service


async def follow(address: str, topic: str) -> None:
    keys = create_new_key_pair()
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    host = new_host(key_pair=keys, sec_opt={NOISE_ID: noise}, muxer_opt={YAMUX_ID: Yamux})
    router = GossipSub(protocols=[PROTOCOL_ID_V11], degree=6, degree_low=4, degree_high=12, heartbeat_interval=1)
    pubsub = Pubsub(host, router, strict_signing=True)
    running = host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")])
    async with running, background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
        heard = await pubsub.subscribe(topic)
        await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(address)))
        while True:
            sys.stdout.write((await heard.get()).data.hex() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    trio.run(follow, *sys.argv[1:])
