"""The processes that this one has started, as the kernel knows them."""

from pathlib import Path


def child_pids() -> list[int]:
    """Return the ids of this process's living children, sorted; of all its threads' (proc(5), task/TID/children)."""
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += [int(pid) for pid in (thread / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile, or the kernel does not tell
            continue
    return sorted(found)
