"""`genesis.json`: a network's genesis as people read it, with its hash, which is checked when it is read.

Byte strings are hexadecimal, records are objects. The hash is of the canonical encoding, not of the file.
"""

import json
from pathlib import Path

import msgspec
from msgspec import inspect

from ledger.genesis import Genesis, check_genesis, genesis_hash
from node.home import write_whole
from primitives.reasons import Reason, Refused

FILE_BYTES_MAX = 32 << 20
"""A genesis of 4 MiB in hexadecimal, with names and white space."""


def render_genesis(genesis: Genesis) -> str:
    """Return the text of the file."""
    return json.dumps({"hash": genesis_hash(genesis).hex(), "genesis": _plain(genesis)}, indent=2) + "\n"


def parse_genesis(text: str) -> Genesis:
    """Read the text of the file; raises Refused GENESIS_MISMATCH or MALFORMED naming the place."""
    try:
        file = json.loads(text)
    except (ValueError, RecursionError) as fault:  # of a number with thousands of digits it is no JSONDecodeError
        raise Refused(Reason.MALFORMED, what="genesis file", why=str(fault)) from None
    if not isinstance(file, dict) or set(file) != {"hash", "genesis"}:
        raise Refused(Reason.MALFORMED, what="genesis file", wanted="an object with hash and genesis")
    fields = _record(inspect.type_info(Genesis), file["genesis"], "genesis")
    try:
        genesis = msgspec.convert(fields, Genesis, builtin_types=(bytes,))
    except msgspec.ValidationError as fault:
        raise Refused(Reason.MALFORMED, what="genesis file", why=str(fault)) from None
    if file["hash"] != genesis_hash(genesis).hex():
        raise Refused(Reason.GENESIS_MISMATCH, seen=genesis_hash(genesis), wanted=str(file["hash"])[:64])
    check_genesis(genesis)
    return genesis


def write_genesis(path: Path, genesis: Genesis) -> None:
    """Write the file, whole or not at all."""
    write_whole(path, render_genesis(genesis).encode())


def read_genesis(path: Path) -> Genesis:
    """Read the file; raises Refused HOME_INCOMPLETE without it, else as `parse_genesis`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Refused(Reason.HOME_INCOMPLETE, wanted=str(path)) from None
    if len(raw) > FILE_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, seen=len(raw), wanted=FILE_BYTES_MAX)
    return parse_genesis(raw.decode(errors="replace"))


def _plain(value: object) -> object:
    """Return a value of records as JSON has it."""
    match value:
        case msgspec.Struct():
            return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        case list():
            return [_plain(item) for item in value]
        case bytes():
            return value.hex()
        case _:
            return value


def _record(kind: inspect.Type, plain: object, path: str) -> object:
    """Return a value from JSON as msgspec converts it to `kind`: records as lists, byte strings as bytes."""
    match kind:
        case inspect.StructType():
            names = [each.name for each in kind.fields]
            if not isinstance(plain, dict) or set(plain) != set(names):
                seen = ", ".join(sorted(plain)) if isinstance(plain, dict) else type(plain).__name__
                raise Refused(Reason.MALFORMED, what=path, seen=seen[:200], wanted=", ".join(names))
            return [_record(each.type, plain[each.name], f"{path}.{each.name}") for each in kind.fields]
        case inspect.ListType():
            if not isinstance(plain, list):
                raise Refused(Reason.MALFORMED, what=path, seen=type(plain).__name__, wanted="a list")
            return [_record(kind.item_type, item, f"{path}[{at}]") for at, item in enumerate(plain)]
        case inspect.BytesType():
            return _bytes(plain, path)
        case _:
            return plain


def _bytes(plain: object, path: str) -> bytes:
    if isinstance(plain, str):
        try:
            return bytes.fromhex(plain)
        except ValueError:
            pass
    raise Refused(Reason.MALFORMED, what=path, seen=str(plain)[:80], wanted="hexadecimal")
