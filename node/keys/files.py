"""Key files: one JSON file per key, readable by its owner alone (K1).

What the key is for and its address stand in clear; the seed is sealed with a password. An unsealed seed is allowed on
development networks (`dasy`) only, and the file says so.
"""

import os
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, assert_never

import msgspec

from node.keys.sealing import SCRYPT_COST, Sealed, seal, unseal
from primitives.address import NETWORK_PREFIXES, address_of, address_text
from primitives.ed25519 import SEED_BYTES, check_public_key, public_key_of
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused

VERSION = 1
DEVELOPMENT_PREFIX = "dasy"
FILE_BYTES_MAX = 4096
"""A key file has under 1 KiB; whatever is longer is something else."""
FILES_MAX = 1000
"""Key files that one folder is searched for."""
SUFFIX = ".json"
_WARNING = "NOT ENCRYPTED. For a development network only: nothing here has value."
_OTHERS = 0o077

Hex32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Hex = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2})*$", max_length=256)]


class KeyKind(StrEnum):
    """What a key is for; a key of one kind is never taken for another (K2)."""

    WALLET = "wallet"
    VALIDATOR = "validator"
    WORKER = "worker"
    NETWORK = "network"
    ONION = "onion"
    """The seed of a validator's hash onion; its public part is the tip, not an Ed25519 key."""


@dataclass(frozen=True, kw_only=True)
class KeyInfo:
    """What a key file tells without its password."""

    path: Path
    kind: KeyKind
    network: str
    public: bytes
    encrypted: bool

    @property
    def address(self) -> bytes:
        """The key's address, 20 bytes."""
        return address_of(self.public)

    @property
    def address_text(self) -> str:
        """The key's address as people write it."""
        return address_text(self.address, self.network)


@dataclass(frozen=True, kw_only=True)
class Key:
    """An opened key."""

    info: KeyInfo
    seed: bytes = field(repr=False)
    """32 bytes; never printed or logged."""


class _Password(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="scrypt-aes256gcm"):
    """How the seed is sealed: scrypt with r = 8, p = 1, then AES-256-GCM bound to the fields in clear."""

    cost: int
    salt: Hex
    nonce: Hex
    text: Hex


class _Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="none"):
    """The seed in clear."""

    warning: str
    seed: Hex32


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    assay_key: int
    kind: KeyKind
    network: str
    address: str
    public: Hex32
    encryption: _Password | _Nothing


class _Version(msgspec.Struct):
    assay_key: int


def create_key(
    path: Path,
    *,
    kind: KeyKind,
    network: str,
    password: bytes | None,
    seed: bytes | None = None,
    public: bytes | None = None,
    cost: int = SCRYPT_COST,
) -> Key:
    """Write a key file and return the key; without `seed`, of fresh entropy.

    `public` is wanted for an onion (its tip) and must not be given otherwise. Raises Refused KEY_EXISTS if the file is
    there, and KEY_NOT_ENCRYPTED if there is no password on a network that is not for development.
    """
    if (public is not None) != (kind is KeyKind.ONION):
        raise ValueError("an onion has a public part of its own, and nothing else has")
    if not password and network != DEVELOPMENT_PREFIX:
        raise Refused(Reason.KEY_NOT_ENCRYPTED, seen=network, wanted=f"a password, or network {DEVELOPMENT_PREFIX}")
    seed = secrets.token_bytes(SEED_BYTES) if seed is None else seed
    if len(seed) != SEED_BYTES:
        raise Refused(Reason.BAD_KEY, seen=len(seed), wanted=SEED_BYTES)
    shown = public if public is not None else public_key_of(seed)
    info = KeyInfo(path=path, kind=kind, network=network, public=shown, encrypted=bool(password))
    if password:
        sealed = seal(seed, password, bound=_bound(info), cost=cost)
        encryption: _Password | _Nothing = _Password(
            cost=sealed.cost, salt=sealed.salt.hex(), nonce=sealed.nonce.hex(), text=sealed.text.hex()
        )
    else:
        encryption = _Nothing(warning=_WARNING, seed=seed.hex())
    content = _File(
        assay_key=VERSION,
        kind=kind,
        network=network,
        address=info.address_text,
        public=shown.hex(),
        encryption=encryption,
    )
    _write_new(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    return Key(info=info, seed=seed)


def load_key(path: Path, *, kind: KeyKind, network: str, password: bytes | None = None) -> Key:
    """Open a key file.

    Raises Refused KEY_EXPOSED if others may read it, KEY_UNREADABLE, KEY_WRONG_VERSION, KEY_WRONG_KIND, WRONG_NETWORK,
    KEY_NOT_ENCRYPTED and KEY_WRONG_PASSWORD.
    """
    content = _read(path)
    info = _info(path, content)
    if info.kind is not kind:
        raise Refused(Reason.KEY_WRONG_KIND, file=path.name, seen=info.kind.value, wanted=kind.value)
    if info.network != network:
        raise Refused(Reason.WRONG_NETWORK, file=path.name, seen=info.network, wanted=network)
    match content.encryption:
        case _Nothing(seed=clear):
            if network != DEVELOPMENT_PREFIX:  # K4
                raise Refused(Reason.KEY_NOT_ENCRYPTED, file=path.name, seen=network, wanted=DEVELOPMENT_PREFIX)
            seed = bytes.fromhex(clear)
        case _Password() as sealed:
            seed = _unseal(sealed, info, password)
        case _:
            assert_never(content.encryption)
    if kind is not KeyKind.ONION and public_key_of(seed) != info.public:
        raise Refused(Reason.KEY_UNREADABLE, file=path.name, why="the seed is not that of the public key")
    return Key(info=info, seed=seed)


def describe_key(path: Path) -> KeyInfo:
    """Return what a key file tells without its password; raises Refused as `load_key` does."""
    return _info(path, _read(path))


def list_keys(folder: Path) -> list[KeyInfo]:
    """Return the keys of a folder by file name; raises Refused for the first that can't be read."""
    return [describe_key(path) for path in sorted(folder.glob(f"*{SUFFIX}"))[:FILES_MAX]]


def _bound(info: KeyInfo) -> bytes:
    """Return what the seal is bound to, so that a file can't be turned into one of another kind or network."""
    return tagged("assay/key-file", f"{VERSION}/{info.kind}/{info.network}/{info.public.hex()}".encode())


def _unseal(sealed: _Password, info: KeyInfo, password: bytes | None) -> bytes:
    if not password:
        raise Refused(Reason.KEY_WRONG_PASSWORD, file=info.path.name, seen="none", wanted="the password")
    box = Sealed(
        cost=sealed.cost,
        salt=bytes.fromhex(sealed.salt),
        nonce=bytes.fromhex(sealed.nonce),
        text=bytes.fromhex(sealed.text),
    )
    try:
        return unseal(box, password, bound=_bound(info))
    except Refused as refused:
        raise Refused(refused.reason, file=info.path.name, **refused.facts) from None


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        raise Refused(Reason.KEY_UNREADABLE, file=str(path), why=fault.strerror or "cannot be opened") from None
    if mode & _OTHERS:
        raise Refused(Reason.KEY_EXPOSED, file=str(path), seen=f"{mode & 0o777:o}", wanted="600")
    if len(raw) > FILE_BYTES_MAX:
        raise Refused(Reason.KEY_UNREADABLE, file=str(path), seen=len(raw), wanted=FILE_BYTES_MAX)
    try:
        version = msgspec.json.decode(raw, type=_Version).assay_key
        if version != VERSION:
            raise Refused(Reason.KEY_WRONG_VERSION, file=str(path), seen=version, wanted=VERSION)
        return msgspec.json.decode(raw, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Refused(Reason.KEY_UNREADABLE, file=str(path), why=str(fault)) from None


def _info(path: Path, content: _File) -> KeyInfo:
    if content.network not in NETWORK_PREFIXES:
        raise Refused(Reason.WRONG_NETWORK, file=str(path), seen=content.network, wanted=", ".join(NETWORK_PREFIXES))
    public = bytes.fromhex(content.public)
    if content.kind is not KeyKind.ONION:
        check_public_key(public)
    encrypted = isinstance(content.encryption, _Password)
    info = KeyInfo(path=path, kind=content.kind, network=content.network, public=public, encrypted=encrypted)
    if info.address_text != content.address:
        raise Refused(Reason.KEY_UNREADABLE, file=str(path), why="the address is not that of the public key")
    return info


def _write_new(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(Reason.KEY_EXISTS, file=str(path)) from None
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(raw)
        opened.flush()
        os.fsync(opened.fileno())
