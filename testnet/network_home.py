"""Writes the directory of a network on one machine: genesis, a home for each node, funded keys for its users.

    DIR/testnet.json        what there is, and how to reach it
    DIR/genesis.json
    DIR/validator0/ ...     a home for each node
    DIR/client/             a home for users: keys dev0, dev1, ...; `rpc` names the node to ask
    DIR/logs/               one file for each node

Only the layout is the same each time; every secret comes from the operating system.
"""

import secrets
import time
from pathlib import Path

import msgspec

from ledger.genesis import Genesis, GenesisAccount, GenesisValidator, GenesisWorker, genesis_hash
from ledger.onion import grow
from node.config import (
    ComputeSection,
    Config,
    ConsensusSection,
    KeysSection,
    NetworkSection,
    RolesSection,
    RpcSection,
    render_config,
)
from node.genesis_file import write_genesis
from node.home import Home, write_whole
from node.keys.files import DEVELOPMENT_PREFIX, SUFFIX, Key, KeyKind, create_key
from node.p2p.peer_id import peer_id_of, peer_id_text
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.manifest import NODES_MAX, Manifest, Worker, connections, names, stake_of
from testnet.ports import free_ports
from vm.lowering import classes_of
from vm.manifest import MODEL_BYTES_MAX, Class

NETWORK_FILE = "testnet.json"
NETWORK_FILE_BYTES_MAX = 1 << 20
"""Forty nodes take some 20 KB."""
CLIENT = "client"
LOGS = "logs"
WORKER_BALANCE = 100 * KARAT
"""Of each worker, for its fees."""
KEYS = KeysSection()


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node as users see it."""

    name: str
    role: str
    """validator, worker or follower."""
    rpc: str
    """http://127.0.0.1:PORT."""
    p2p: str
    """PEER_ID@127.0.0.1:PORT."""
    address: str
    """A worker's account; empty for others."""
    behaviour: str | None
    """What a dishonest worker does; None for the product."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """What `testnet.json` says."""

    manifest: Manifest
    genesis_hash: str
    nodes: list[Node]


def read_network(directory: Path) -> Network:
    """Read what there is in `directory`. Raises Refused TESTNET_UNKNOWN."""
    path = directory / NETWORK_FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(NETWORK_FILE_BYTES_MAX), type=Network)
    except (OSError, msgspec.DecodeError) as fault:
        raise Refused(Reason.TESTNET_UNKNOWN, directory=str(directory), why=str(fault)) from None


def write_network(directory: Path, manifest: Manifest) -> Network:
    """Make a network in a directory of its own. Raises Refused TESTNET_EXISTS if something is there."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Refused(Reason.TESTNET_EXISTS, directory=str(directory))
    everyone = names(manifest)
    if len(everyone) > NODES_MAX:
        raise Refused(Reason.REQUEST_INVALID, seen=len(everyone), wanted=f"at most {NODES_MAX} nodes on one machine")
    homes = {name: Home(directory / name) for name in everyone}
    for home in homes.values():
        home.make()
    (directory / LOGS).mkdir()
    ports = free_ports(2 * len(everyone), directory)
    network_keys = {name: _key(home, KEYS.network, KeyKind.NETWORK) for name, home in homes.items()}
    workers = {
        f"worker{at}": _key(homes[f"worker{at}"], KEYS.worker, KeyKind.WORKER) for at in range(len(manifest.workers))
    }
    nodes = [
        Node(
            name=name,
            role=name.rstrip("0123456789"),
            rpc=f"http://127.0.0.1:{ports[2 * at]}",
            p2p=f"{peer_id_text(peer_id_of(network_keys[name].info.public))}@127.0.0.1:{ports[2 * at + 1]}",
            address=workers[name].info.address_text if name in workers else "",
            behaviour=manifest.workers[int(name.removeprefix("worker"))].behaviour if name in workers else None,
        )
        for at, name in enumerate(everyone)
    ]
    genesis = _genesis(manifest, directory, homes, network_keys, workers)
    dialled = connections(manifest)
    p2p = {node.name: node.p2p for node in nodes}
    for node in nodes:
        write_genesis(homes[node.name].genesis, genesis)
        config = _config(manifest, node, [p2p[other] for other in dialled[node.name]])
        write_whole(homes[node.name].config, render_config(config).encode())
    write_genesis(directory / "genesis.json", genesis)
    (directory / CLIENT / "rpc").write_text(nodes[0].rpc + "\n")
    network = Network(manifest=manifest, genesis_hash=genesis_hash(genesis).hex(), nodes=nodes)
    write_whole(directory / NETWORK_FILE, msgspec.json.format(msgspec.json.encode(network), indent=2))
    return network


def _key(home: Home, file: str, kind: KeyKind) -> Key:
    return create_key(home.path_of(file), kind=kind, network=DEVELOPMENT_PREFIX, password=None)


def _genesis(
    manifest: Manifest, directory: Path, homes: dict[str, Home], network_keys: dict[str, Key], workers: dict[str, Key]
) -> Genesis:
    """Return the genesis; makes the keys that it names and that nobody has yet."""
    accounts = [
        create_key(
            directory / CLIENT / "keys" / f"dev{at}{SUFFIX}",
            kind=KeyKind.WALLET,
            network=DEVELOPMENT_PREFIX,
            password=None,
        )
        for at in range(manifest.accounts)
    ]
    balances = {key.info.address: manifest.balance for key in accounts}
    registered: list[GenesisWorker] = []
    for at, plan in enumerate(manifest.workers):
        key = workers[f"worker{at}"]
        balances[key.info.address] = WORKER_BALANCE + (0 if plan.registered else plan.bond)
        if plan.registered:
            registered.append(_genesis_worker(plan, key, network_keys[f"worker{at}"]))
    return Genesis(
        prefix="dasy",
        name=manifest.name.encode(),
        timestamp_ms=time.time_ns() // 1_000_000,
        validators=[
            _genesis_validator(stake_of(manifest, at), homes[f"validator{at}"], network_keys[f"validator{at}"])
            for at in range(manifest.validators)
        ],
        beacon=secrets.token_bytes(32),
        accounts=[GenesisAccount(address=address, balance=balance) for address, balance in balances.items()],
        workers=registered,
        parameters=manifest.parameters,
    )


def _genesis_validator(stake: int, home: Home, network_key: Key) -> GenesisValidator:
    key = _key(home, KEYS.validator, KeyKind.VALIDATOR)
    seed = secrets.token_bytes(32)
    tip = grow(seed).tip
    create_key(
        home.path_of(KEYS.onion), kind=KeyKind.ONION, network=DEVELOPMENT_PREFIX, password=None, seed=seed, public=tip
    )
    return GenesisValidator(
        key=key.info.public,
        stake=stake,
        onion_tip=tip,
        peer=network_key.info.public,
        operator=key.info.address,
    )


def _genesis_worker(plan: Worker, key: Key, network_key: Key) -> GenesisWorker:
    return GenesisWorker(
        address=key.info.address,
        operator=key.info.address,
        peer=network_key.info.public,
        bond=plan.bond,
        capacity=plan.capacity,
        ask=plan.ask,
        gas_ask=plan.gas_ask,
        classes=classes_of(list(Class)),
        max_model_bytes=MODEL_BYTES_MAX,
    )


def _config(manifest: Manifest, node: Node, peers: list[str]) -> Config:
    plan = manifest.workers[int(node.name.removeprefix("worker"))] if node.role == "worker" else Worker()
    return Config(
        network=NetworkSection(listen=node.p2p.partition("@")[2], peers=peers, outbound=0, test_network=True),
        rpc=RpcSection(listen=node.rpc.removeprefix("http://")),
        roles=RolesSection(validator=node.role == "validator", worker=node.role == "worker"),
        keys=KEYS,
        consensus=ConsensusSection(
            idle_ms=manifest.idle_ms,
            delta_ms=manifest.delta_ms,
            min_block_interval_ms=manifest.min_block_interval_ms,
        ),
        compute=ComputeSection(
            ask_grains=plan.ask,
            gas_ask_grains=plan.gas_ask,
            capacity=plan.capacity,
            bond_grains=plan.bond,
            threads=plan.threads,
            optimisation=plan.optimisation,
            wall_limit_s=plan.wall_limit_s,
            memory_limit_bytes=plan.memory_limit_bytes,
        ),
    )
