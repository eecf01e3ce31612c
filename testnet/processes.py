"""The processes of a network on one machine: started in sessions of their own, told from strangers, stopped for good.

A process is known by its id and the time at which it started, so that an id that the system has given to something
else is never signalled.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from node.home import write_whole
from testnet.network_home import LOGS, NETWORK_FILE_BYTES_MAX, Node

RUNNING_FILE = "running.json"
RECORDED = "recorded"
"""The behaviour of an honest validator that writes its votes down beside its home (testnet.kit.recorded)."""
TERM_S = 6.0
"""A node ends within 3 s of SIGTERM; twice that on a busy machine."""
KILL_S = 5.0
"""For what was killed to be gone."""
POLL_S = 0.05
LOG_TAIL_BYTES = 4_000
_STATE, _PARENT, _STARTED = 0, 1, 19
"""Fields of /proc/PID/stat after the program's name, from 0 (proc(5): 3, 4 and 22)."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A running node."""

    name: str
    pid: int
    started: int
    """Clock ticks after the machine's start."""


def read_running(directory: Path) -> dict[str, Process]:
    """Return the nodes that run, by name."""
    try:
        with (directory / RUNNING_FILE).open("rb") as file:
            told = msgspec.json.decode(file.read(NETWORK_FILE_BYTES_MAX), type=list[Process])
    except FileNotFoundError:
        return {}
    return {each.name: each for each in told if is_alive(each)}


def start(directory: Path, nodes: list[Node]) -> None:
    """Start nodes that do not run, and record them."""
    running = read_running(directory)
    for node in nodes:
        if node.name not in running:
            running[node.name] = _started(directory, node)
            _record(directory, running)


def stop(directory: Path, names: list[str], *, term_s: float = TERM_S) -> None:
    """End nodes, kindly and then by force, with everything that they started."""
    running = read_running(directory)
    ending = [running[name] for name in names if name in running]
    started_by_them = [child for process in ending for child in family(process)]
    for process in ending:
        send(process, signal.SIGTERM)
    _gone_in(ending, term_s)
    # Children end with their parents (by pipe and by signal); whatever has not is ended here.
    for process in [*ending, *started_by_them]:
        send(process, signal.SIGKILL)
    _gone_in([*ending, *started_by_them], KILL_S)
    _record(directory, {name: process for name, process in running.items() if name not in names})


def kill(directory: Path, name: str) -> None:
    """End one node as a power cut would (SIGKILL); what it started ends by itself."""
    running = read_running(directory)
    send(running[name], signal.SIGKILL)
    _gone_in([running[name]], KILL_S)
    _record(directory, {other: process for other, process in running.items() if other != name})


def pause(directory: Path, name: str) -> None:
    """Stop a node in its tracks (SIGSTOP), with everything that it started."""
    process = read_running(directory)[name]
    for each in (process, *family(process)):
        send(each, signal.SIGSTOP)


def resume(directory: Path, name: str) -> None:
    """Let a paused node go on."""
    process = read_running(directory)[name]
    for each in (*family(process), process):
        send(each, signal.SIGCONT)


def send(process: Process, number: signal.Signals) -> None:
    """Signal a process, unless it is gone."""
    if is_alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def is_alive(process: Process) -> bool:
    """Tell whether this very process runs; one that ended and was not waited for does not."""
    fields = _stat(process.pid)
    return fields is not None and int(fields[_STARTED]) == process.started and fields[_STATE] != "Z"


def family(process: Process) -> list[Process]:
    """Return what a node has started that still runs: its network program and sandboxes, and what those started."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None and fields[_STATE] != "Z":
            child = Process(name=process.name, pid=int(entry.name), started=int(fields[_STARTED]))
            children.setdefault(int(fields[_PARENT]), []).append(child)
    found = list(children.get(process.pid, ()))
    for child in found:
        found += children.get(child.pid, ())
    return found


def log_file(directory: Path, name: str) -> Path:
    """Return where a node's stdout and stderr go."""
    return directory / LOGS / f"{name}.log"


def log_tail(directory: Path, name: str) -> str:
    """Return the end of a node's log."""
    path = log_file(directory, name)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")


def _started(directory: Path, node: Node) -> Process:
    home = str((directory / node.name).resolve())
    command = ["node.app", "--home", home]
    if node.behaviour == RECORDED:
        command = ["testnet.kit.recorded", "--home", home]
    elif node.behaviour is not None:
        command = ["testnet.kit.node", "--home", home, "--behaviour", node.behaviour]
    with log_file(directory, node.name).open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child.returncode = 0  # it outlives this program, which would warn of that; whether it lives is asked of /proc
    fields = _stat(child.pid)
    return Process(name=node.name, pid=child.pid, started=int(fields[_STARTED]) if fields else 0)


def _record(directory: Path, running: dict[str, Process]) -> None:
    write_whole(directory / RUNNING_FILE, msgspec.json.encode(list(running.values())))


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the program's name, or None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(") ")[2].split()


def _gone_in(processes: list[Process], limit_s: float) -> bool:
    """Wait until none of the processes lives; reap those that are children of ours."""
    until = time.monotonic() + limit_s
    while True:
        for process in processes:
            _reap(process.pid)
        if not any(is_alive(process) for process in processes):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
