"""Making a home for a node: its keys, its configuration, the network's genesis."""

from pathlib import Path

import msgspec

from node.config import Config, NetworkSection, RolesSection, parse_peer, render_config
from node.genesis_file import read_genesis, write_genesis
from node.home import Home, write_whole
from node.keys.files import KeyKind, create_key
from node.keys.onions import create_onion
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.rpc.json_value import Json
from primitives.reasons import Reason, Refused


def make_home(
    root: Path,
    *,
    genesis: Path,
    peers: list[str],
    roles: RolesSection,
    password: bytes | None,
    password_file: Path | None,
) -> dict[str, Json]:
    """Make a home and tell what is in it. Raises Refused HOME_IN_USE if there is one, and KEY_NOT_ENCRYPTED."""
    home = Home(root)
    if home.config.exists():
        raise Refused(Reason.HOME_IN_USE, home=str(root))
    network = read_genesis(genesis)
    for peer in peers:
        parse_peer(peer)
    home.make()
    config = Config(network=NetworkSection(peers=peers), roles=roles)
    if password_file is not None:
        keys = msgspec.structs.replace(config.keys, password_file=str(password_file.resolve()))
        config = msgspec.structs.replace(config, keys=keys)
    identity = create_key(
        home.path_of(config.keys.network), kind=KeyKind.NETWORK, network=network.prefix, password=password
    )
    told: dict[str, Json] = {
        "home": str(root),
        "network": network.name.decode(errors="replace"),
        "peer_id": peer_id_text(peer_id_of(identity.info.public)),
    }
    if roles.worker:
        account = create_key(
            home.path_of(config.keys.worker), kind=KeyKind.WORKER, network=network.prefix, password=password
        )
        told["worker"] = account.info.address_text
    if roles.validator:
        create_key(
            home.path_of(config.keys.validator), kind=KeyKind.VALIDATOR, network=network.prefix, password=password
        )
        create_onion(home.path_of(config.keys.onion), network=network.prefix, password=password)
    write_genesis(home.genesis, network)
    write_whole(home.config, render_config(config).encode())
    return told
