"""The libp2p host: TCP, noise, yamux, an Ed25519 identity, and nothing else (N1; notes/p2p.md 7.1, 10)."""

from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.network.config import ConnectionConfig
from libp2p.rcmgr import ResourceManager
from libp2p.rcmgr.manager import ResourceLimits
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from node.p2p.dialer import multiaddr_of
from node.p2p.foreign import Host

CONNECTIONS_MAX = 1024
"""Never reached: node.p2p.connections decides who may come, with a place for each validator, 60 KB each."""
CONNECTIONS_PER_PEER = 2
"""One from each side, when both dial at once."""
STREAMS_MAX = 8192
MEMORY_MAX_MB = 2048


def listen_address(host: str, port: int) -> Multiaddr:
    """Return where to listen, as libp2p writes it."""
    return multiaddr_of(host, port)


def make_host(identity_seed: bytes, listen: Multiaddr) -> Host:
    """Return a host that is not running yet; `apply_all` must have been called."""
    keys = create_new_key_pair(identity_seed)
    host = new_host(
        key_pair=keys,
        listen_addrs=[listen],
        # By default plaintext and secio are offered too, and plaintext lets anybody claim any peer id.
        sec_opt={NOISE_ID: NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)},
        muxer_opt={YAMUX_ID: Yamux},
        connection_config=ConnectionConfig(
            max_connections=CONNECTIONS_MAX,
            min_connections=0,  # the node says whom to dial; libp2p would dial anybody it has heard of
            low_watermark=0,
            high_watermark=CONNECTIONS_MAX,
            max_connections_per_peer=CONNECTIONS_PER_PEER,
        ),
        resource_manager=ResourceManager(
            limits=ResourceLimits(
                max_connections=2 * CONNECTIONS_MAX, max_memory_mb=MEMORY_MAX_MB, max_streams=STREAMS_MAX
            ),
            enable_circuit_breaker=False,  # five refusals, which strangers can cause, would close us for a minute
            enable_graceful_degradation=False,  # it lowers the limits under load and keeps them there
            enable_metrics=False,
        ),
    )
    host.get_network().retry_config.max_retries = 0  # the dialer has its own back-off
    return host
