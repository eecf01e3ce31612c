"""The keys that a node's roles need, opened once at its start."""

from dataclasses import dataclass, field
from pathlib import Path

from ledger.genesis import Charter
from ledger.onion import Onion, grow
from node.config import Config
from node.home import Home
from node.keys.files import KeyKind, load_key
from primitives.reasons import Reason, Refused

PASSWORD_BYTES_MAX = 1_024


@dataclass(frozen=True, kw_only=True)
class ValidatorIdentity:
    """A validator's place in genesis and its secrets."""

    index: int
    seed: bytes = field(repr=False)
    onion: Onion = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a node is; the seeds have 32 bytes."""

    network_seed: bytes = field(repr=False)
    validator: ValidatorIdentity | None
    """None without the role."""
    worker_seed: bytes | None = field(repr=False)
    """None without the role."""


def open_identity(home: Home, config: Config, charter: Charter) -> Identity:
    """Open the keys of the roles; growing a validator's onion takes half a second.

    Raises Refused KEY_* and WRONG_NETWORK as key files do, and CONFIG_INVALID if the validator's keys are not those
    of a validator of genesis.
    """
    password = _password(home, config.keys.password_file)

    def seed_in(file: str, kind: KeyKind) -> bytes:
        return load_key(home.path_of(file), kind=kind, network=charter.genesis.prefix, password=password).seed

    keys, roles = config.keys, config.roles
    validator = None
    if roles.validator:
        key = load_key(
            home.path_of(keys.validator), kind=KeyKind.VALIDATOR, network=charter.genesis.prefix, password=password
        )
        onion = grow(seed_in(keys.onion, KeyKind.ONION))
        validator = _validator(charter, public=key.info.public, seed=key.seed, onion=onion)
    return Identity(
        network_seed=seed_in(keys.network, KeyKind.NETWORK),
        validator=validator,
        worker_seed=seed_in(keys.worker, KeyKind.WORKER) if roles.worker else None,
    )


def _validator(charter: Charter, *, public: bytes, seed: bytes, onion: Onion) -> ValidatorIdentity:
    for index, each in enumerate(charter.genesis.validators):
        if each.key == public:
            if each.onion_tip != onion.tip:
                raise Refused(Reason.CONFIG_INVALID, key="keys.onion", seen=onion.tip, wanted=each.onion_tip)
            return ValidatorIdentity(index=index, seed=seed, onion=onion)
    raise Refused(Reason.CONFIG_INVALID, key="roles.validator", seen=public, wanted="the key of a validator of genesis")


def _password(home: Home, file: str) -> bytes | None:
    if not file:
        return None
    path: Path = home.path_of(file)
    try:
        with path.open("rb") as opened:
            return opened.read(PASSWORD_BYTES_MAX).partition(b"\n")[0].rstrip(b"\r")
    except OSError as fault:
        raise Refused(Reason.CONFIG_INVALID, key="keys.password_file", why=fault.strerror or "unreadable") from None
