"""A home holds one node at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from node.home import Home, announced, locked
from primitives.reasons import Reason, Refused

HOLD = """
import sys
from pathlib import Path
from node.home import Home, locked
with locked(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def a_home(root: Path) -> Home:
    home = Home(root)
    home.make()
    return home


def test_the_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    assert a_home(tmp_path).keys.stat().st_mode & 0o777 == 0o700


def test_a_home_in_use_is_refused_with_the_process_that_uses_it(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Refused) as refused, locked(home):
            pass
        assert refused.value.reason is Reason.HOME_IN_USE
        assert refused.value.facts["pid"] == str(holder.pid)
        holder.kill()
    with locked(home):
        pass


def test_how_to_reach_a_node_is_told_only_while_it_runs(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    with announced(home, rpc="127.0.0.1:1", p2p="x@127.0.0.1:2"):
        assert '"rpc": "127.0.0.1:1"' in home.running.read_text()
    assert not home.running.exists()
