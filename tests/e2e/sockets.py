"""Which TCP connections join processes, read from /proc."""

from pathlib import Path

ESTABLISHED = "01"


def socket_inodes(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process holds."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # closed since it was listed
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def connections(pid: int) -> list[tuple[str, str]]:
    """Return the established TCP connections of a process: local and remote end, as /proc writes them."""
    mine = socket_inodes(pid)
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return [(row[1], row[2]) for row in rows if row[3] == ESTABLISHED and row[9] in mine]


def joined(groups: dict[str, list[int]]) -> set[tuple[int, int]]:
    """Return the pairs of processes of different groups (pids by name of the group) that a TCP connection joins."""
    owner: dict[tuple[str, str], tuple[str, int]] = {}
    for name, pids in groups.items():
        for pid in pids:
            for ends in connections(pid):
                owner[ends] = (name, pid)
    pairs = set()
    for (local, remote), (name, pid) in owner.items():
        other = owner.get((remote, local))
        if other is not None and other[0] != name:
            pairs.add((min(pid, other[1]), max(pid, other[1])))
    return pairs
