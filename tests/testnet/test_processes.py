"""Processes are told from strangers and stopped for good."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from testnet.processes import RUNNING_FILE, Process, family, is_alive, kill, read_running, stop

STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"])
print("ready", flush=True)
signal.pause()
"""


@contextmanager
def started(program: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def process_of(pid: int) -> Process:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return Process(name="node", pid=pid, started=int(fields[19]))


def record(directory: Path, *processes: Process) -> None:
    (directory / RUNNING_FILE).write_bytes(msgspec.json.encode(list(processes)))


def test_a_node_that_ignores_signals_is_ended_with_what_it_started(tmp_path: Path) -> None:
    with started(STUBBORN) as child:
        node = process_of(child.pid)
        (own,) = family(node)
        record(tmp_path, node)
        stop(tmp_path, ["node"], term_s=0.5)
        assert not is_alive(node)
        assert not is_alive(own)
        assert read_running(tmp_path) == {}


def test_a_process_that_got_the_same_number_later_is_left_alone(tmp_path: Path) -> None:
    with started("import time; print('ready', flush=True); time.sleep(60)") as child:
        truly = process_of(child.pid)
        record(tmp_path, Process(name="node", pid=truly.pid, started=truly.started - 1))
        assert read_running(tmp_path) == {}
        stop(tmp_path, ["node"])
        assert is_alive(truly)


def test_a_killed_node_is_gone_at_once(tmp_path: Path) -> None:
    with started("import time; print('ready', flush=True); time.sleep(60)") as child:
        node = process_of(child.pid)
        record(tmp_path, node)
        kill(tmp_path, "node")
        assert not is_alive(node)
        assert read_running(tmp_path) == {}


def test_the_own_process_is_alive_and_has_no_record(tmp_path: Path) -> None:
    assert is_alive(process_of(os.getpid()))
    assert read_running(tmp_path) == {}
