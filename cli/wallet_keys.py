"""The user's keys: files in the home's `keys` folder, named by the user."""

import os
import sys
from pathlib import Path

import typer

from cli.verb import Cli
from node.keys.files import FILE_BYTES_MAX, SUFFIX, Key, KeyInfo, KeyKind, describe_key, list_keys, load_key
from primitives.address import NETWORK_PREFIXES
from primitives.reasons import Reason, Refused

PASSWORD_BYTES_MAX = 4096
"""A file that is longer holds something else."""
_SPENDING = (KeyKind.WALLET, KeyKind.WORKER)
"""Kinds of key that hold an account."""


def folder(cli: Cli) -> Path:
    """Return where the keys are."""
    return cli.home / "keys"


def path_of(cli: Cli, name: str) -> Path:
    """Return the file of a key. Raises Refused KEY_UNKNOWN for a name that is none."""
    if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise Refused(Reason.KEY_UNKNOWN, seen=name, wanted="letters, digits, - and _")
    return folder(cli) / f"{name}{SUFFIX}"


def name_of(info: KeyInfo) -> str:
    """Return what the user calls a key."""
    return info.path.name.removesuffix(SUFFIX)


def find(cli: Cli, name: str | None) -> KeyInfo:
    """Return the key called `name`, or without one the only key with an account. Raises Refused."""
    accounts = [each for each in list_keys(folder(cli)) if each.kind in _SPENDING]
    found = [each for each in accounts if name is None or name_of(each) == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(name_of(each) for each in accounts) or "none"
    if found:
        raise Refused(Reason.KEY_AMBIGUOUS, home=str(cli.home), keys=names)
    raise Refused(Reason.KEY_UNKNOWN, seen=name, wanted=f"one of: {names}" if accounts else None, home=str(cli.home))


def open_key(cli: Cli, name: str | None, password_file: Path | None, *, network: str) -> Key:
    """Open the key to sign with. Raises Refused."""
    info = find(cli, name)
    given = password(password_file, ask=info.encrypted, confirm=False)
    return load_key(info.path, kind=info.kind, network=network, password=given)


def password(password_file: Path | None, *, ask: bool, confirm: bool) -> bytes | None:
    """Return the password from its file, or from the terminal if `ask`; None if there is neither."""
    if password_file is not None:
        return read_limited(password_file, PASSWORD_BYTES_MAX).split(b"\n")[0].rstrip(b"\r") or None
    if ask and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)).encode()
    return None


def address_of_name(cli: Cli, text: str) -> str:
    """Return the address that `text` is, or that the key of that name has. Raises Refused."""
    is_address = any(text.lower().startswith(f"{prefix}1") for prefix in NETWORK_PREFIXES)
    return text if is_address else find(cli, text).address_text


def read_limited(path: Path, at_most: int) -> bytes:
    """Read a file that the user named. Raises Refused FILE_UNREADABLE or TOO_LARGE."""
    try:
        with path.open("rb") as file:
            raw = file.read(at_most + 1)
    except OSError as fault:
        raise Refused(Reason.FILE_UNREADABLE, file=str(path), why=fault.strerror or "cannot be read") from None
    if len(raw) > at_most:
        raise Refused(Reason.TOO_LARGE, file=str(path), seen=path.stat().st_size, wanted=at_most)
    return raw


def copy_key(source: Path, target: Path) -> None:
    """Copy a key file, for its owner's eyes only. Raises Refused KEY_EXISTS, or if the source is no key file."""
    describe_key(source)
    raw = read_limited(source, FILE_BYTES_MAX)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(Reason.KEY_EXISTS, file=str(target)) from None
    except OSError as fault:
        raise Refused(Reason.FILE_UNREADABLE, file=str(target), why=fault.strerror or "cannot be written") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
