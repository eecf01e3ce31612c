"""What peers call themselves: libp2p asks them (identify) and throws the answer away."""

from collections import OrderedDict

import libp2p.host.basic_host as library
from libp2p.identity.identify import identify

from node.p2p.foreign import Foreign, Id

OWN_AGENT = "assay/1"
"""What we call ourselves: the version of the wire protocol, which is all that concerns a stranger."""
AGENT_CHARS_MAX = 64
REMEMBERED_MAX = 1024

agents: OrderedDict[bytes, str] = OrderedDict()
"""By peer id, the latest ones."""


def apply() -> None:
    """Keep the printable beginning of each answer."""
    update = library.update_peerstore_from_identify
    identify.AGENT_VERSION = OWN_AGENT

    async def update_and_keep(peerstore: Foreign, peer: Id, message: Foreign) -> None:
        await update(peerstore, peer, message)
        told = str(message.agent_version)[:AGENT_CHARS_MAX]
        agents[peer.to_bytes()] = "".join(c if c.isascii() and c.isprintable() else "?" for c in told)
        if len(agents) > REMEMBERED_MAX:
            agents.popitem(last=False)

    library.update_peerstore_from_identify = update_and_keep
