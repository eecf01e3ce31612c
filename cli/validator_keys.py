"""The keys of a node that shall validate: found in its home, made where they are absent, proved to be there (Q11)."""

from pathlib import Path

import msgspec

from cli.client import Network
from cli.wallet_keys import PASSWORD_BYTES_MAX, read_limited
from ledger.stake.keys import prove
from ledger.transaction import ProvenKey
from node.config import read_config, render_config
from node.home import Home, write_whole
from node.keys.files import FILES_MAX, SUFFIX, KeyKind, create_key, describe_key, load_key
from node.keys.onions import create_onion
from primitives.reasons import Reason, Refused


class NodeKeys:
    """What a home holds for one validator (by address)."""

    def __init__(self, root: Path, *, network: Network, validator: bytes) -> None:
        """Look into a node's home. Raises Refused HOME_INCOMPLETE if it is none, and CONFIG_INVALID."""
        self.home = Home(root)
        self._config = read_config(self.home.config)
        self._network = network
        self._validator = validator
        file = self._config.keys.password_file
        lines = read_limited(self.home.path_of(file), PASSWORD_BYTES_MAX).split(b"\n") if file else [b""]
        self._password = lines[0].rstrip(b"\r") or None

    @property
    def folder(self) -> Path:
        """Where the node looks for the keys that a set names."""
        return self._first(KeyKind.VALIDATOR).parent

    def peer(self) -> ProvenKey:
        """Return the node's network key."""
        return self._proven(self.home.path_of(self._config.keys.network), KeyKind.NETWORK)

    def vote_key(self, *, fresh: bool) -> ProvenKey:
        """Return the vote key, made if there is none or if it shall be `fresh`."""
        path = self._path(KeyKind.VALIDATOR, fresh=fresh)
        if not path.exists():
            create_key(path, kind=KeyKind.VALIDATOR, network=self._network.prefix, password=self._password)
        return self._proven(path, KeyKind.VALIDATOR)

    def onion(self, *, fresh: bool) -> bytes:
        """Return the tip of the hash onion, made if there is none or if it shall be `fresh`; growing takes a second."""
        path = self._path(KeyKind.ONION, fresh=fresh)
        if not path.exists():
            create_onion(path, network=self._network.prefix, password=self._password)
        info = describe_key(path)
        if info.kind is not KeyKind.ONION:
            raise Refused(Reason.KEY_WRONG_KIND, file=path.name, seen=info.kind.value, wanted=KeyKind.ONION.value)
        return info.public

    def take_role(self) -> bool:
        """Give the node the role of a validator; tell whether it must be restarted for it."""
        if self._config.roles.validator:
            return False
        roles = msgspec.structs.replace(self._config.roles, validator=True)
        self._config = msgspec.structs.replace(self._config, roles=roles)
        write_whole(self.home.config, render_config(self._config).encode())
        return True

    def _first(self, kind: KeyKind) -> Path:
        keys = self._config.keys
        return self.home.path_of(keys.onion if kind is KeyKind.ONION else keys.validator)

    def _path(self, kind: KeyKind, *, fresh: bool) -> Path:
        """Return the file that the configuration names, or the first free name after it."""
        first = self._first(kind)
        if not fresh or not first.exists():
            return first
        names = (first.with_name(f"{first.name.removesuffix(SUFFIX)}-{at}{SUFFIX}") for at in range(2, FILES_MAX))
        return next(path for path in names if not path.exists())

    def _proven(self, path: Path, kind: KeyKind) -> ProvenKey:
        key = load_key(path, kind=kind, network=self._network.prefix, password=self._password)
        return prove(key.seed, self._network.genesis_hash, self._validator)
