"""TCP ports of this machine that networks on it share without getting into each other's way."""

import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOWEST, HIGHEST = 20_000, 29_999
"""Below the range from which systems take ports for outgoing connections, so that none of those is in the way."""
TRIES_MAX = 5_000
HOLDER_BYTES_MAX = 4_096
"""The longest path."""


def free_ports(count: int, holder: Path) -> list[int]:
    """Return `count` different ports of 127.0.0.1 that nobody listens on, and keep them for `holder`.

    A port is kept as long as the file or folder `holder` exists: a network that is down listens on none of its ports,
    and another that is made meanwhile must not take them.
    """
    with _registry() as kept:
        found: list[int] = []
        for port in random.SystemRandom().sample(range(LOWEST, HIGHEST + 1), TRIES_MAX):
            if len(found) == count:
                break
            entry = kept / str(port)
            if not _is_held(entry) and _is_free(port):
                entry.write_text(str(holder.absolute()))
                found.append(port)
        return found


@contextmanager
def _registry() -> Iterator[Path]:
    """Hold this user's folder of kept ports, a file for each that names its holder."""
    folder = Path(tempfile.gettempdir()) / f"assay-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _is_held(entry: Path) -> bool:
    try:
        with entry.open() as file:
            return Path(file.read(HOLDER_BYTES_MAX)).exists()
    except FileNotFoundError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            if fault.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True
