"""The one printer: results on stdout, everything else on stderr, errors in one form.

With `--json`, stdout is one envelope: `{"schema": 1, "ok": ..., "data": ..., "warnings": [], "errors": []}`.
"""

import json
import os
import sys
from collections.abc import Sequence

from node.rpc.json_value import Json
from primitives.reasons import Reason, Refused

SCHEMA = 1
_FIRST = ("seen", "wanted")
"""Facts that an error's first line tells; the others follow below it."""

_HELP = {
    Reason.NODE_UNREACHABLE: "start a network with `assay testnet up`, a node with `assay run`, or name one with --rpc",
    Reason.KEY_AMBIGUOUS: "name one with --key",
    Reason.KEY_UNKNOWN: "see `assay keys list`, or make one with `assay keys new NAME`",
    Reason.TESTNET_UNKNOWN: "start one with `assay testnet up`, or name its directory with --dir",
    Reason.TESTNET_EXISTS: "stop it with `assay testnet down`, or choose another directory with --dir",
    Reason.MODEL_UNKNOWN: "see `assay model list`",
    Reason.MODEL_EXISTS: "order runs of it with `assay job submit`; `assay model lower` adds shapes of its input",
    Reason.LOWERING_EXISTS: "order runs with `assay job submit`; nothing needs to be registered",
    Reason.LOWERING_UNKNOWN: "register the model for these shapes with `assay model lower MODEL --input FILE`",
    Reason.JOB_UNKNOWN: "see `assay job list`",
    Reason.SEAL_BROKEN: "name the key that submitted the job with --key",
    Reason.CONTENT_NOT_FOUND: "a sealed result that nobody delivers is asked for on the chain: `assay job demand JOB`; "
    "a model's file is had from its publisher",
    Reason.NOTHING_OWED: "a sealed result is owed while its job is settled or unverified; others stand on the chain",
    Reason.ALREADY_FILED: "see `assay job withheld JOB`",
    Reason.REPLY_KEY_WANTED: "submit with `assay job submit`, which makes a key to seal the result to",
    Reason.DISPUTE_UNKNOWN: "see `assay dispute list`",
    Reason.STILL_PENDING: "ask again later; nothing needs to be repeated",
    Reason.KEY_WRONG_PASSWORD: "give the password's file with --password-file",
    Reason.FEE_TOO_LOW: "see `assay chain fees`; without --fee-cap and --tip the node's advice is offered",
    Reason.REPLACEMENT_TOO_CHEAP: "offer a tenth more than the one that waits, in cap and tip; see `assay chain pool`",
    Reason.MEMPOOL_FULL: "try again in a few seconds, or offer a higher --tip; see `assay chain fees`",
    Reason.ACCOUNT_LIMIT: "wait until some of this account's transactions are final; see `assay chain pool`",
    Reason.NONCE_GAP: "an earlier transaction of this account is missing; see `assay chain pool`",
    Reason.NONCE_TOO_LOW: "a transaction with this nonce is final: leave --nonce out",
    Reason.INSUFFICIENT_BALANCE: "see `assay wallet balance`; fees, and bonds or escrows, come on top of an amount",
    Reason.VALIDATOR_UNKNOWN: "see `assay validator list`; become one with `assay validator join`",
    Reason.VALIDATOR_EXISTS: "add stake with `assay validator bond`, change keys with `assay validator rotate`",
    Reason.VALIDATOR_WRONG_STATE: "see `assay validator show`",
    Reason.KEY_TAKEN: "make new keys with `assay validator join --fresh-keys`, or `assay validator rotate`",
    Reason.STILL_JAILED: "`assay validator show` tells when its time in jail is over",
    Reason.DELEGATION_UNKNOWN: "see `assay validator delegations`",
    Reason.HOME_INCOMPLETE: "make a node's home with `assay init`, and name it",
    Reason.AMOUNT_INVALID: "amounts are in karat with at most nine decimals, such as 0.25",
}


class Out:
    """Where one command prints."""

    def __init__(self, *, json_wanted: bool) -> None:
        self.json = json_wanted
        self._warnings: list[Json] = []

    def result(self, data: Json, *lines: str) -> None:
        """Print the result: `data` in an envelope with --json, else `lines`."""
        if self.json:
            self._envelope(ok=True, data=data, errors=[])
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def event(self, data: Json, line: str) -> None:
        """Print one step of something that is followed: a JSON line on stdout with --json, else a line on stderr."""
        if self.json:
            sys.stdout.write(json.dumps(data) + "\n")
            sys.stdout.flush()
        else:
            self.note(line)

    def note(self, line: str) -> None:
        """Say something that is no part of the result."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def warn(self, line: str) -> None:
        """Say what the user should know though the command goes on."""
        self._warnings.append(line)
        self.note(f"warning: {line}")

    def refused(self, refusal: Refused) -> None:
        """Print an error: its code, what was seen and wanted, the other facts, and help where there is some."""
        if self.json:
            self._envelope(ok=False, data=None, errors=[error_record(refusal)])
        for line in error_lines(refusal):
            self.note(line)

    def _envelope(self, *, ok: bool, data: Json, errors: list[Json]) -> None:
        envelope = {"schema": SCHEMA, "ok": ok, "data": data, "warnings": self._warnings, "errors": errors}
        sys.stdout.write(json.dumps(envelope) + "\n")


def _told(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    text = value.hex() if isinstance(value, bytes) else str(value)
    line = " ".join(text.split())  # one line, whatever the value holds
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in line)  # strangers choose names


def error_lines(refusal: Refused) -> list[str]:
    """Return an error as people read it, its first line complete in itself."""
    reason = refusal.reason
    words = reason.name.lower().replace("_", " ")
    told = [f"{name} {_told(refusal.facts[name])}" for name in _FIRST if refusal.facts.get(name) is not None]
    rest = [(name, _told(value)) for name, value in refusal.facts.items() if name not in _FIRST and value is not None]
    width = max((len(name) for name, _ in rest), default=0)
    lines = [f"error[AS-{int(reason)}]: {words}" + (": " + ", ".join(told) if told else "")]
    lines += [f"  {name:<{width}}  {value}" for name, value in rest]
    return lines + ([f"help: {_HELP[reason]}"] if reason in _HELP else [])


def error_record(refusal: Refused) -> Json:
    """Return an error as the envelope holds it."""
    facts: dict[str, Json] = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in refusal.facts.items()
    }
    reason = refusal.reason
    return {
        "code": f"AS-{int(reason)}",
        "reason": int(reason),
        "name": reason.name,
        "facts": facts,
        "help": _HELP.get(reason),
    }


def reason_told(found: dict[str, Json]) -> str:
    """Return a reason that a node tells of, as errors tell it."""
    return f"AS-{found['reason']} {found['reason_name'] or ''}".replace("_", " ").rstrip()


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows in aligned columns under their heads; numbers stand to the right."""
    cells = [[_told(cell) for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(heads), *cells]) for at in range(len(heads))]
    right = [bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(heads))]

    def laid_out(line: Sequence[str]) -> str:
        joined = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        return "  ".join(joined).rstrip()

    return [_bold(laid_out(heads)), *(laid_out(line) for line in cells)]


def facts(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """Return names and values in two columns."""
    width = max(len(name) for name, _ in pairs)
    return [f"{name:<{width}}  {_told(value)}" for name, value in pairs]


def _bold(text: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[1m{text}\x1b[0m"
