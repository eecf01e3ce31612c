"""Amounts as people write them: karat with up to nine decimals. Everything else is in grains."""

from primitives.reasons import Reason, Refused

DECIMALS = 9
"""1 karat = 10⁹ grains (primitives.units, whose import would slow every command down)."""
KARAT = 10**DECIMALS
GRAINS_MAX = 2**63 - 1
"""What fits a number of the ledger."""
BASIS = 10_000
"""Basis points of a whole."""
_CHARS_MAX = 30
"""More than any amount needs; Python refuses to read a number of thousands of digits."""


def parse_karat(text: str) -> int:
    """Return the grains of an amount in karat. Raises Refused AMOUNT_INVALID."""
    whole, _, part = text.partition(".")
    is_number = len(text) <= _CHARS_MAX and (whole + part).isascii() and (whole + part).isdigit()
    fits = is_number and bool(whole) and len(part) <= DECIMALS
    grains = int(whole) * KARAT + int(part.ljust(DECIMALS, "0")) if fits else -1
    if not 0 <= grains <= GRAINS_MAX:
        raise Refused(Reason.AMOUNT_INVALID, seen=text[:_CHARS_MAX], wanted="karat, such as 12 or 0.25")
    return grains


def parse_percent(text: str) -> int:
    """Return the basis points of a share in percent. Raises Refused AMOUNT_INVALID."""
    whole, _, part = text.partition(".")
    is_number = len(text) <= _CHARS_MAX and (whole + part).isascii() and (whole + part).isdigit()
    points = int(whole) * 100 + int(part.ljust(2, "0")) if is_number and whole and len(part) <= 2 else -1  # noqa: PLR2004
    if not 0 <= points <= BASIS:
        raise Refused(Reason.AMOUNT_INVALID, seen=text[:_CHARS_MAX], wanted="percent, such as 5 or 2.25")
    return points


def percent(points: int) -> str:
    """Return basis points in percent."""
    whole, part = divmod(points, 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") + " %"


def karat(grains: int) -> str:
    """Return an amount in karat, no more decimals than it has."""
    whole, part = divmod(abs(grains), KARAT)
    decimals = f"{part:0{DECIMALS}}".rstrip("0")
    return ("-" if grains < 0 else "") + f"{whole:,}" + (f".{decimals}" if decimals else "")


def shortfall(balance: int, reserve: int) -> str | None:
    """Return in words that a worker has less than it keeps for claims in disputes; None if it has not (D30)."""
    if balance >= reserve:
        return None
    kept = karat(reserve)
    return f"a balance of {karat(balance)} karat, less than the {kept} karat to keep for claims: takes no new jobs"
