"""What a node is told: records read from `config.toml` of its home, and written back with a comment for each key."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, dataclass_transform

import msgspec
from msgspec import Meta, field

from node.p2p.ipc import PeerAddress
from node.p2p.peer_id import parse_peer_id
from node.peers.addresses import parse_host_port
from node.store.pruning import KEEP_BLOCKS_MIN, Mode
from primitives.reasons import Reason, Refused

CONFIG_BYTES_MAX = 1 << 20
"""A configuration that people write; more is a mistaken file."""

CANARIES_PER_DAY_MAX = 100
"""A provider opens no two in ten minutes (J92): more could not be kept to."""

Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Amount = Annotated[int, Meta(ge=0, le=2**63 - 1)]


# So that type checkers know what subclasses inherit.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; the text in each field's Meta becomes its comment."""


class NetworkSection(_Section):
    """Other nodes."""

    listen: Annotated[
        str, Meta(description="Address for other nodes, IPv4:port or [IPv6]:port; port 0 takes any free one.")
    ] = "127.0.0.1:0"
    announce: Annotated[
        list[str], Meta(max_length=4, description="Addresses at which others reach this node; empty: found out.")
    ] = field(default_factory=list)
    peers: Annotated[
        list[str], Meta(max_length=512, description='Nodes to stay connected to: "<peer id>@address:port".')
    ] = field(default_factory=list)
    bootnodes: Annotated[
        list[str], Meta(max_length=64, description="Nodes to ask for others while none is known, in the same form.")
    ] = field(default_factory=list)
    outbound: Annotated[int, Meta(ge=0, le=64, description="Nodes to find and dial besides.")] = 8
    inbound: Annotated[int, Meta(ge=1, le=512, description="Strangers that may be connected.")] = 64
    test_network: Annotated[
        bool, Meta(description="All nodes run on this machine: its own address is never banned.")
    ] = False


class RpcSection(_Section):
    """Clients on this machine."""

    listen: Annotated[str, Meta(description="Address for JSON-RPC; a loopback address. Port 0 takes any free one.")] = (
        "127.0.0.1:0"
    )


class RolesSection(_Section):
    """What this node does; with neither role it follows the chain."""

    validator: Annotated[bool, Meta(description="Vote on blocks with the validator key.")] = False
    worker: Annotated[bool, Meta(description="Run and verify jobs with the worker key.")] = False


class KeysSection(_Section):
    """Key files, relative to the home; see `assay keys`."""

    network: Annotated[str, Meta(description="The libp2p identity.")] = "keys/network.json"
    validator: Annotated[str, Meta(description="Signs votes.")] = "keys/validator.json"
    onion: Annotated[str, Meta(description="The seed of the beacon's hash onion.")] = "keys/onion.json"
    worker: Annotated[str, Meta(description="The account that bonds, commits and is paid.")] = "keys/worker.json"
    canaries: Annotated[
        str, Meta(description="The wallet that orders this worker's canaries, if compute.canaries_per_day is above 0.")
    ] = "keys/canaries.json"
    password_file: Annotated[
        str, Meta(description="File whose first line opens encrypted keys; empty if they are not encrypted.")
    ] = ""


class ConsensusSection(_Section):
    """Times that only affect speed, never safety."""

    idle_ms: Annotated[Milliseconds, Meta(description="How long a leader waits for transactions.")] = 1_000
    delta_ms: Annotated[Milliseconds, Meta(description="How long a message takes at most, usually.")] = 500
    min_block_interval_ms: Annotated[Milliseconds, Meta(description="The least time between two blocks.")] = 250


class ComputeSection(_Section):
    """The worker: its offer, and the limits of its sandboxes."""

    ask_grains: Annotated[Amount, Meta(description="The least price of a job, grains.")] = 1_000_000
    gas_ask_grains: Annotated[Amount, Meta(description="On top, for each million gas of a run.")] = 1_000_000
    capacity: Annotated[int, Meta(ge=1, le=64, description="Jobs at once.")] = 4
    bond_grains: Annotated[Amount, Meta(description="Bond to register with, grains.")] = 1_000_000_000_000
    reserve_grains: Annotated[
        Amount,
        Meta(
            description="Balance to keep for the bonds of claims in disputes, grains: with less, the worker takes no "
            "new jobs and says so. One about a short run takes 1.59 karat with the default parameters."
        ),
    ] = 5_000_000_000
    pool_size: Annotated[int, Meta(ge=1, le=64, description="Sandboxes at once.")] = 1
    threads: Annotated[int, Meta(ge=1, le=256, description="Threads of one run.")] = 1
    optimisation: Annotated[bool, Meta(description="Let ONNX Runtime optimise graphs.")] = True
    wall_limit_s: Annotated[int, Meta(ge=1, le=3_600, description="Seconds after which a run is killed.")] = 60
    audit_bps: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Of 10,000 jobs that nobody was drawn to verify, how many to re-run unasked, and to challenge "
            "with a bond if they are false. Each costs two canonical runs, and earns a share of what a liar loses.",
        ),
    ] = 0
    canaries_per_day: Annotated[
        int,
        Meta(
            ge=0,
            le=CANARIES_PER_DAY_MAX,
            description="How many canaries to plant on the average, at random times: jobs like those that were run "
            "before, which this worker provides wrongly and confesses to. They keep verifiers awake.",
        ),
    ] = 0
    canary_budget_grains: Annotated[
        Amount, Meta(description="The most that they may cost in a day, UTC: fees of verifiers and of transactions.")
    ] = 1_000_000_000
    memory_limit_bytes: Annotated[int, Meta(ge=64 << 20, le=2**40, description="Address space of a sandbox.")] = 2 << 30


class MempoolSection(_Section):
    """Transactions that wait."""

    per_account: Annotated[Count, Meta(description="Of one account; a worker sends several for each job.")] = 64
    total: Annotated[Count, Meta(description="Of all accounts.")] = 50_000
    total_bytes: Annotated[int, Meta(ge=1, le=2**30, description="Of all accounts, bytes.")] = 64 << 20


class StorageSection(_Section):
    """What is kept of the past."""

    mode: Annotated[
        Mode,
        Meta(
            description="archive: everything. full: all blocks, but receipts and the places of transactions of the "
            "last blocks alone. pruned: nothing but the last blocks."
        ),
    ] = Mode.ARCHIVE
    keep_blocks: Annotated[
        int,
        Meta(ge=KEEP_BLOCKS_MIN, le=2**40, description="How many are the last; those of the unbonding time stay too."),
    ] = 100_000


class Config(_Section):
    """The whole file."""

    network: NetworkSection = NetworkSection()
    rpc: RpcSection = RpcSection()
    roles: RolesSection = RolesSection()
    keys: KeysSection = KeysSection()
    consensus: ConsensusSection = ConsensusSection()
    compute: ComputeSection = ComputeSection()
    mempool: MempoolSection = MempoolSection()
    storage: StorageSection = StorageSection()


def read_config(path: Path) -> Config:
    """Read a configuration; raises Refused HOME_INCOMPLETE without the file and CONFIG_INVALID naming the key."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Refused(Reason.HOME_INCOMPLETE, wanted=str(path)) from None
    if len(raw) > CONFIG_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, seen=len(raw), wanted=CONFIG_BYTES_MAX)
    try:
        return parse_config(raw.decode())
    except UnicodeDecodeError as fault:
        raise Refused(Reason.CONFIG_INVALID, why=str(fault), file=str(path)) from None


def parse_config(text: str) -> Config:
    """Read a configuration from TOML; raises Refused CONFIG_INVALID naming the key, and the nearest right one."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as fault:  # of a number with thousands of digits it is no TOMLDecodeError
        raise Refused(Reason.CONFIG_INVALID, why=str(fault)) from None
    _refuse_unknown_keys(tables, Config, "")
    try:
        config = msgspec.convert(tables, Config)
    except msgspec.ValidationError as fault:
        raise Refused(Reason.CONFIG_INVALID, why=str(fault).replace("$.", "")) from None
    parse_listen(config.network.listen, key="network.listen")
    parse_listen(config.rpc.listen, key="rpc.listen")
    for text_of_peer in config.network.peers:
        parse_peer(text_of_peer)
    for text_of_peer in config.network.bootnodes:
        parse_peer(text_of_peer, key="network.bootnodes")
    for text_of_address in config.network.announce:
        parse_listen(text_of_address, key="network.announce")
    return config


def _refuse_unknown_keys(table: dict[str, object], kind: type[_Section], path: str) -> None:
    known = {known_field.name: known_field.type for known_field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = {"nearest": path + near[0]} if near else {}
            raise Refused(Reason.CONFIG_INVALID, key=path + key, why="unknown key", **hint)
        section = known[key]
        if isinstance(value, dict) and isinstance(section, type) and issubclass(section, _Section):
            _refuse_unknown_keys(value, section, f"{path}{key}.")


def parse_listen(text: str, *, key: str) -> tuple[str, int]:
    """Split `IPv4:port` or `[IPv6]:port`; raises Refused CONFIG_INVALID."""
    try:
        return parse_host_port(text)
    except Refused:
        raise Refused(Reason.CONFIG_INVALID, key=key, seen=text, wanted="IPv4:port or [IPv6]:port") from None


def parse_peer(text: str, *, key: str = "network.peers") -> PeerAddress:
    """Read `<peer id>@IPv4:port` or `<peer id>@[IPv6]:port`; raises Refused CONFIG_INVALID or BAD_ADDRESS."""
    peer, _, address = text.partition("@")
    host, port = parse_listen(address, key=key)
    return PeerAddress(peer=parse_peer_id(peer), host=host, port=port)


def render_config(config: Config) -> str:
    """Write a configuration as TOML with a comment for each key; `parse_config` reads it back."""
    lines = ["# A node of Assay. Unknown keys are errors."]
    for section in msgspec.structs.fields(config):
        table = getattr(config, section.name)
        lines += ["", f"# {type(table).__doc__}", f"[{section.name}]"]
        for key in msgspec.structs.fields(table):
            lines += [f"# {_description(key.type)}", f"{key.name} = {_literal(getattr(table, key.name))}"]
    return "\n".join(lines) + "\n"


def _description(kind: object) -> str:
    told = [
        note.description for note in getattr(kind, "__metadata__", ()) if isinstance(note, Meta) and note.description
    ]
    return told[-1]


def _literal(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _quoted(value)
        case list():
            return "[" + ", ".join(_literal(item) for item in value) + "]"
        case _:
            raise AssertionError(value)


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 0x20 or ord(c) == 0x7F else "\\" + c if c in '\\"' else c  # noqa: PLR2004  # ASCII's control characters
        for c in text
    )
    return f'"{escaped}"'
