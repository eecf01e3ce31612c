"""From a file to the model's input, by the rules of the magika library (its Python package, Apache-2.0).

The model looks at 1,024 bytes from the beginning of a file and 1,024 from its end, white space at the outer edges
removed, one integer a byte, and 256 where there is no byte. Files with too little in them are answered without it.
"""

from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 4096
"""How much of each end of a file is read."""
EDGE_BYTES = 1024
"""How much of each block the model sees, once it is stripped."""
FEATURES = 2 * EDGE_BYTES
PADDING = 256
MEANINGFUL_BYTES_MIN = 8
"""A file with less, not counting white space at its beginning, is not put to the model."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The two ends of a file, which overlap if it is short."""

    size: int
    head: bytes
    tail: bytes


def read_ends(path: Path) -> Ends:
    """Read what the model may see of the file at `path`."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(BLOCK_BYTES)
        file.seek(max(0, size - BLOCK_BYTES))
        return Ends(size=size, head=head, tail=file.read(BLOCK_BYTES))


def answer_without_model(ends: Ends) -> str | None:
    """Return the label of a file that is empty or has too few bytes for the model, else None."""
    if ends.size == 0:
        return "empty"
    if ends.size >= MEANINGFUL_BYTES_MIN and len(ends.head.lstrip()) >= MEANINGFUL_BYTES_MIN:
        return None
    try:
        ends.head.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown"
    return "txt"


def features(ends: Ends) -> list[int]:
    """Return the model's input for one file: FEATURES integers from 0 to 256."""
    beginning = list(ends.head.lstrip()[:EDGE_BYTES])
    end = list(ends.tail.rstrip()[-EDGE_BYTES:])
    return beginning + [PADDING] * (EDGE_BYTES - len(beginning)) + [PADDING] * (EDGE_BYTES - len(end)) + end
