"""Starting and ending the network program, from the node's side; knows nothing of libp2p."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

import node

_SOURCE_ROOT = Path(node.__file__).resolve().parent.parent


class Child:
    """A running network program and our end of its socket."""

    def __init__(self, process: subprocess.Popen[bytes], stream: trio.SocketStream) -> None:
        self.process = process
        self.stream = stream


@contextmanager
def started_child() -> Iterator[Child]:
    """Start the program and kill it on the way out; raises OSError if there is no process to be had.

    It is started from the calling thread, whose end the kernel takes for the parent's death (PR_SET_PDEATHSIG).
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    path = os.pathsep.join(entry for entry in (str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")) if entry)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.p2p", "--fd", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # stdout is for results; the program's words go to stderr
            env={**os.environ, "PYTHONPATH": path},
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    stream_socket = trio.socket.from_stdlib_socket(ours)
    try:
        yield Child(process, trio.SocketStream(stream_socket))
    finally:
        stream_socket.close()
        process.kill()
        process.wait()
