"""The socket in a node's home: who may open it, the owner of the home, may tell the node what to do (R12)."""

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.rpc.client import CALL_S, RpcClient
from primitives.reasons import Reason, Refused

PATH_BYTES_MAX = 100
"""The kernel takes 107; a longer path is reached through its directory's descriptor."""
UMASK = 0o177
"""Nobody but the owner opens the socket."""


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a path to a socket that the kernel takes, for as long as the block lasts."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_path(self._path) as name:
            self.sock.connect(name)


class AdminClient(RpcClient):
    """A node, asked by the owner of its home."""

    def __init__(self, path: Path, *, call_s: float = CALL_S) -> None:
        """Raise Refused NODE_UNREACHABLE if no node has its socket there."""
        if not path.exists():
            raise Refused(Reason.NODE_UNREACHABLE, home=str(path.parent), said="no node runs in this home")
        super().__init__("http://localhost:1", call_s=call_s)
        self.url = str(path)
        self._connection = _SocketConnection(path, timeout=self._call_s)
