"""The names under which we meet others on libp2p: one set per network, so that networks never mix (N5)."""


def _short_id(network_id: bytes) -> str:
    return network_id.hex()[:8]


def link_protocol(network_id: bytes) -> str:
    """Return the protocol of direct links between validators."""
    return f"/assay/link/1/{_short_id(network_id)}"


def request_protocol(network_id: bytes) -> str:
    """Return the protocol of requests."""
    return f"/assay/req/1/{_short_id(network_id)}"


def topic_name(name: str, network_id: bytes) -> str:
    """Return the gossip topic for a short name such as `tx`."""
    return f"/assay/{name}/1/{_short_id(network_id)}"
