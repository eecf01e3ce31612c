"""What somebody orders of the workers of a network, job by job: files in a folder beside their homes.

A worker whose behaviour is `puppet` waits in each role until the folder says what it plays in it. So whoever stages a
trial can cast the verifiers after they are drawn, and let everybody else be honest.
"""

from pathlib import Path

import msgspec
import trio

from node.home import write_whole

FOLDER = "plays"
LOOK_S = 0.1
LOOKS = 200
"""For whoever stages a trial to say what is played; after these 20 seconds a puppet is honest."""
SCRIPT_BYTES_MAX = 1 << 16
"""Forty names with what they play."""

Cast = dict[str, str]
"""What each worker plays, by name; who is not named is honest."""


def order(network: Path, job: bytes, role: str, cast: Cast) -> None:
    """Say what the workers of the network in a directory play in one role for a job."""
    folder = network / FOLDER
    folder.mkdir(exist_ok=True)
    write_whole(_file(network, job, role), msgspec.json.encode(cast))


def read_cast(network: Path, job: bytes, role: str) -> Cast | None:
    """Return what is played in a role for a job, None as long as nobody has said it."""
    try:
        with _file(network, job, role).open("rb") as file:
            return msgspec.json.decode(file.read(SCRIPT_BYTES_MAX), type=Cast)
    except FileNotFoundError:
        return None


async def part_of(home: Path, job: bytes, role: str) -> str | None:
    """Return what the worker in a home plays in a role for a job, once that is said; None: it is honest."""
    for _ in range(LOOKS):
        cast = read_cast(home.parent, job, role)
        if cast is not None:
            return cast.get(home.name)
        await trio.sleep(LOOK_S)
    return None


def _file(network: Path, job: bytes, role: str) -> Path:
    return network / FOLDER / f"{job.hex()}.{role}.json"
