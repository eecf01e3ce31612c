"""What a network consists of: one record for real processes and for virtual time, written by people as TOML.

From it homes are written and processes started (testnet.network_home), or a simulation is made (testnet.sim).
"""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from consensus.messages import VALIDATORS_MAX
from ledger.parameters import Parameters, Tiers, TierTerms
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.faults import Faults

NODES_MAX = 40
"""What one machine bears: a node takes about 100 MB."""
NAME = "^[a-z][a-z0-9]{0,31}$"

NEVER_ABSENT = 2**32 - 1
"""Views that nobody misses in an epoch: where machines are slow or stopped on purpose, nobody is to be fined for it."""
LIAR_ASK = KARAT
"""So dear that it gets no job but those that name it."""

Name = Annotated[str, Meta(pattern=NAME)]


class Worker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node that runs and verifies jobs."""

    behaviour: str | None = None
    """One of testnet.kit's, such as `liar`; None: the product."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """Of one ONNX Runtime session."""
    optimisation: bool = True
    """Whether ONNX Runtime may rewrite the graph."""
    capacity: Annotated[int, Meta(ge=1, le=64)] = 32
    """Jobs at once in each role."""
    bond: int = 1_000 * KARAT
    ask: int = KARAT // 1_000
    gas_ask: int = 0
    registered: bool = True
    """From genesis on; else the node registers itself with a transaction."""
    wall_limit_s: Annotated[int, Meta(ge=1, le=3_600)] = 20
    memory_limit_bytes: int = 2 << 30


class Follower(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node that has no duties."""

    connect: list[Name] | None = None
    """The only nodes that it is connected to; None: all but followers with such a list."""


class Simulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only virtual time can do, or needs to know."""

    ledger: bool = False
    """Whether validators agree on the real ledger, with mempool, stakes and epochs; else on bare ids, much faster."""
    cap_ms: Annotated[int, Meta(ge=1, le=60_000)] = 3_000
    """The longest view."""
    heal_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = 20_000
    """Once all is well, every honest validator must have new final blocks within so long."""
    seeds: Annotated[int, Meta(ge=0, le=100_000)] = 100
    """How many seeds of this manifest `make night` runs, of 2,000 in all."""


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What users do while the network runs."""

    transfers_per_s: Annotated[int, Meta(ge=0, le=10_000)] = 0
    staking: bool = False
    """Whether validators join, leave and rotate their keys."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole network. Nodes are named by role and number: validator0, worker0, follower0."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = "assay-testnet"
    validators: Annotated[int, Meta(ge=1, le=VALIDATORS_MAX)] = 4
    """More than NODES_MAX nodes run in virtual time alone."""
    workers: Annotated[list[Worker], Meta(max_length=NODES_MAX)] = []
    followers: Annotated[list[Follower], Meta(max_length=NODES_MAX)] = []
    parameters: Parameters = Parameters()
    stake: int = 10_000 * KARAT
    """Of each validator."""
    accounts: Annotated[int, Meta(ge=1, le=100)] = 10
    """Funded accounts dev0, dev1, ... whose keys are not encrypted."""
    balance: int = 10_000 * KARAT
    """Of each of them."""
    idle_ms: int = 1_000
    delta_ms: int = 500
    min_block_interval_ms: int = 100
    stakes: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(max_length=NODES_MAX)] = []
    """Of the validators in turn, if they are unequal; else `stake` is that of each."""
    regions: Annotated[list[str], Meta(max_length=NODES_MAX)] = []
    """Where validators stand (testnet.wan), in turn; empty: all near each other. Virtual time alone knows distance."""
    faults: Faults = Faults()
    workload: Workload = Workload()
    simulation: Simulation = Simulation()


MANIFESTS = Path(__file__).parent / "manifests"
"""The manifests that come with the product."""
MANIFEST_BYTES_MAX = 1 << 16
"""A page that people write."""


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; one of ours by its bare name too. Raises Refused FILE_UNREADABLE."""
    found = path if path.is_file() or path.parent != Path() else MANIFESTS / f"{path.stem}.toml"
    try:
        with found.open("rb") as file:
            table = tomllib.loads(file.read(MANIFEST_BYTES_MAX).decode())
        told = table.pop("parameters", {})
        manifest = msgspec.convert({"name": found.stem, **table}, Manifest)
        return msgspec.structs.replace(manifest, parameters=_parameters(told))
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as fault:
        raise Refused(Reason.FILE_UNREADABLE, file=str(path), why=str(fault)) from None


def _parameters(told: object) -> Parameters:
    """Return parameters of which a manifest tells some, each checked as when it is decoded."""
    if not isinstance(told, dict):
        raise ValueError("parameters are a table")
    unknown = sorted(set(told) - set(Parameters.__struct_fields__))
    if unknown:
        raise ValueError(f"there is no parameter {unknown[0]}")
    usual = Parameters()
    ordered = msgspec.structs.asdict(usual) | told | {"tiers": _tiers(told.get("tiers", {}), usual.tiers)}
    return msgspec.convert([ordered[name] for name in Parameters.__struct_fields__], Parameters)


def _tiers(told: object, usual: Tiers) -> list[list[object]]:
    """Return the tiers in the form of records, each with the numbers that a manifest tells of it."""
    if not isinstance(told, dict) or not all(isinstance(each, dict) for each in told.values()):
        raise ValueError("tiers are tables in a table")
    ordered = []
    for name in Tiers.__struct_fields__:
        terms = msgspec.structs.asdict(getattr(usual, name)) | told.pop(name, {})
        if set(terms) != set(TierTerms.__struct_fields__):
            raise ValueError(f"a tier has {', '.join(TierTerms.__struct_fields__)}")
        ordered.append([terms[field] for field in TierTerms.__struct_fields__])
    if told:
        raise ValueError(f"there is no tier {min(told)}")
    return ordered


def standard(*, validators: int = 4, workers: int = 5, followers: int = 0, liars: int = 0) -> Manifest:
    """Return the usual network: one of its workers runs other ONNX Runtime settings, and liars come in addition."""
    crew = [Worker() for _ in range(workers)]
    if workers > 1:
        crew[1] = Worker(threads=2, optimisation=False)
    crew += [Worker(behaviour="liar", ask=LIAR_ASK) for _ in range(liars)]
    return Manifest(validators=validators, workers=crew, followers=[Follower() for _ in range(followers)])


def stake_of(manifest: Manifest, validator: int) -> int:
    """Return the stake of a validator by its number."""
    return manifest.stakes[validator % len(manifest.stakes)] if manifest.stakes else manifest.stake


def names(manifest: Manifest) -> list[str]:
    """Return the names of a network's nodes, in the order in which they start."""
    return (
        [f"validator{at}" for at in range(manifest.validators)]
        + [f"worker{at}" for at in range(len(manifest.workers))]
        + [f"follower{at}" for at in range(len(manifest.followers))]
    )


def connections(manifest: Manifest) -> dict[str, list[str]]:
    """Return whom each node dials: those before it, so that each pair is dialled from one side."""
    everyone = names(manifest)
    chosen = {
        f"follower{at}": follower.connect
        for at, follower in enumerate(manifest.followers)
        if follower.connect is not None
    }
    open_ones = [name for name in everyone if name not in chosen]
    dialled = {name: open_ones[: open_ones.index(name)] for name in open_ones}
    return {name: dialled[name] if name in dialled else list(chosen[name] or []) for name in everyone}
