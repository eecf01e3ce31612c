"""The keys that a node's roles need, opened when they are needed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import trio

from ledger.genesis import Charter
from ledger.onion import Onion, grow
from ledger.stake.epochs import EpochSet, Member
from node.config import Config
from node.home import Home
from node.keys.files import Key, KeyKind, list_keys, load_key
from primitives.ed25519 import public_key_of
from primitives.reasons import Reason, Refused

PASSWORD_BYTES_MAX = 1_024

_log = logging.getLogger("assay.node")


@dataclass(frozen=True, kw_only=True)
class ValidatorIdentity:
    """A validator's place in the set of an epoch, and its secrets."""

    index: int
    seed: bytes = field(repr=False)
    onion: Onion = field(repr=False)


class ValidatorKeys(Protocol):
    """Knows which of an epoch's validators this node is."""

    async def place_in(self, epoch_set: EpochSet) -> ValidatorIdentity | None:
        """Return this node's place in a set, None if it has none."""
        ...


class HomeKeys:
    """The key files of a validator's home: whichever of them a set names is used, so that keys change without restart.

    A set names this node by its network key as well: who copies the vote key alone has no second validator.
    """

    def __init__(self, folder: Path, open_file: Callable[[Path, KeyKind], Key], *, peer: bytes) -> None:
        """`open_file` opens a key file; `peer` is the public key of the node's network identity."""
        self._folder = folder
        self._open_file = open_file
        self._peer = peer
        self._seeds: dict[bytes, bytes] = {}
        self._onions: dict[bytes, Onion] = {}

    async def place_in(self, epoch_set: EpochSet) -> ValidatorIdentity | None:
        """Return this node's place in a set, None if it has none.

        Opens files that it did not need before, which takes a second. Raises Refused for one that does not open.
        """
        for index, member in enumerate(epoch_set.members):
            if member.peer == self._peer:
                return await trio.to_thread.run_sync(self._identity, index, member)
        return None

    def _identity(self, index: int, member: Member) -> ValidatorIdentity | None:
        seed = self._seeds.get(member.key) or self._find(KeyKind.VALIDATOR, member.key)
        onion = self._onions.get(member.onion) or self._grow(member.onion)
        if seed is None or onion is None:
            absent = "vote key " + member.key.hex() if seed is None else "onion " + member.onion.hex()
            _log.error("this node is a validator, but its folder of keys lacks the %s: it does not vote", absent)
            return None
        self._seeds[member.key], self._onions[member.onion] = seed, onion
        return ValidatorIdentity(index=index, seed=seed, onion=onion)

    def _grow(self, tip: bytes) -> Onion | None:
        seed = self._find(KeyKind.ONION, tip)
        grown = None if seed is None else grow(seed)
        return grown if grown is not None and grown.tip == tip else None

    def _find(self, kind: KeyKind, public: bytes) -> bytes | None:
        """Return the seed of a key, None if no file of the folder holds it."""
        for info in list_keys(self._folder):
            if info.kind is kind and info.public == public:
                return self._open_file(info.path, kind).seed
        return None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a node is; the seeds have 32 bytes."""

    network_seed: bytes = field(repr=False)
    validator: HomeKeys | None
    """None without the role."""
    worker_seed: bytes | None = field(repr=False)
    """None without the role."""
    canary_seed: bytes | None = field(repr=False)
    """Of the account that orders the worker's canaries; None if it plants none by itself."""


def open_identity(home: Home, config: Config, charter: Charter) -> Identity:
    """Open the keys of the roles; those of a validator only as far as to know that they open.

    Raises Refused KEY_* and WRONG_NETWORK as key files do.
    """
    password = _password(home, config.keys.password_file)

    def open_file(path: Path, kind: KeyKind) -> Key:
        return load_key(path, kind=kind, network=charter.genesis.prefix, password=password)

    keys, roles = config.keys, config.roles
    network_seed = open_file(home.path_of(keys.network), KeyKind.NETWORK).seed
    validator = None
    if roles.validator:
        first = home.path_of(keys.validator)
        open_file(first, KeyKind.VALIDATOR)
        open_file(home.path_of(keys.onion), KeyKind.ONION)
        validator = HomeKeys(first.parent, open_file, peer=public_key_of(network_seed))
    plants = roles.worker and config.compute.canaries_per_day > 0
    return Identity(
        network_seed=network_seed,
        validator=validator,
        worker_seed=open_file(home.path_of(keys.worker), KeyKind.WORKER).seed if roles.worker else None,
        canary_seed=open_file(home.path_of(keys.canaries), KeyKind.WALLET).seed if plants else None,
    )


def _password(home: Home, file: str) -> bytes | None:
    if not file:
        return None
    path: Path = home.path_of(file)
    try:
        with path.open("rb") as opened:
            return opened.read(PASSWORD_BYTES_MAX).partition(b"\n")[0].rstrip(b"\r")
    except OSError as fault:
        raise Refused(Reason.CONFIG_INVALID, key="keys.password_file", why=fault.strerror or "unreadable") from None
