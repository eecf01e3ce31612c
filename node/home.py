"""Where a node keeps its things: the layout of its home directory, and the lock that lets one node run in it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from primitives.reasons import Reason, Refused


@dataclass(frozen=True)
class Home:
    """The paths of one node."""

    root: Path

    @property
    def config(self) -> Path:
        """What the node is told (node.config)."""
        return self.root / "config.toml"

    @property
    def genesis(self) -> Path:
        """The network it belongs to (node.genesis_file)."""
        return self.root / "genesis.json"

    @property
    def keys(self) -> Path:
        """Key files, one for each kind."""
        return self.root / "keys"

    @property
    def state(self) -> Path:
        """The LevelDB of node.store."""
        return self.root / "data" / "state"

    @property
    def blobs(self) -> Path:
        """Content by root (node.sync.blobs)."""
        return self.root / "data" / "blobs"

    @property
    def claims(self) -> Path:
        """What a claimant must not forget: traces that it has committed to and not opened yet."""
        return self.root / "data" / "claims"

    @property
    def canaries(self) -> Path:
        """The salt of the canary that the worker has in hand."""
        return self.root / "data" / "canaries"

    @property
    def work(self) -> Path:
        """What a worker must not forget: salts and results of jobs under way."""
        return self.root / "data" / "work"

    @property
    def admin(self) -> Path:
        """The socket of a running node for its owner (node.rpc.admin_socket)."""
        return self.root / "admin.sock"

    @property
    def peers(self) -> Path:
        """The address book and the bans (node.peers.saved)."""
        return self.root / "data" / "peers"

    @property
    def lock(self) -> Path:
        """Held by the running node; holds its process id."""
        return self.root / "node.pid"

    @property
    def running(self) -> Path:
        """Where a running node says how to reach it: `{"pid", "rpc", "p2p"}`."""
        return self.root / "running.json"

    def make(self) -> None:
        """Create the directories that are absent; keys are for their owner's eyes only."""
        for folder in (self.keys, self.state.parent, self.blobs, self.work, self.claims):
            folder.mkdir(parents=True, exist_ok=True)
        self.keys.chmod(0o700)

    def path_of(self, text: str) -> Path:
        """Return a path of the configuration, relative ones from the home."""
        return self.root / text


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the home for this process; raises Refused HOME_IN_USE if another node runs in it (N90).

    The kernel lets go when the process ends, however it ends, so a lock file left behind means nothing.
    """
    handle = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise Refused(Reason.HOME_IN_USE, home=str(home.root), pid=holder) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


@contextmanager
def announced(home: Home, *, rpc: str, p2p: str) -> Iterator[None]:
    """Say in `running.json`, for as long as the block lasts, how to reach this node."""
    write_whole(home.running, json.dumps({"pid": os.getpid(), "rpc": rpc, "p2p": p2p}).encode() + b"\n")
    try:
        yield
    finally:
        home.running.unlink(missing_ok=True)


def write_whole(path: Path, raw: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        out.write(raw)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
