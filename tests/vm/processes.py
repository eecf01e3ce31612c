"""What the tests ask the machine about processes."""

import os
import time
from pathlib import Path

PATIENCE_S = 20.0


def alive(pid: int) -> bool:
    """Return whether a process runs: a dead one that nobody has reaped does not, once its last thread has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return threads > 1 or status.rpartition(")")[2].split()[0] not in "ZX"


def cpu_ticks(pid: int) -> int:
    """Return the processor time that a process has used, in ticks (hundredths of a second)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def until_busy(pid: int) -> bool:
    """Wait until a process has used half a second more of a processor, for a limited time."""
    limit, start = time.monotonic() + PATIENCE_S, cpu_ticks(pid)
    while cpu_ticks(pid) < start + 50:
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)  # polls; nothing tells of another process's work
    return True


def children(parent: int | None = None) -> list[int]:
    """Return the processes, dead ones included, whose parent is `parent` (this process)."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == (os.getpid() if parent is None else parent):
                found.append(int(entry.name))
    return sorted(found)


def until_dead(pid: int) -> bool:
    """Wait until a process is gone, for a limited time."""
    limit = time.monotonic() + PATIENCE_S
    while alive(pid):
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)  # polls; nothing tells a stranger of a process's end
    return True
