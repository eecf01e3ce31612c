"""Ports are kept for whom they were given to, also while nobody listens on them."""

import subprocess
import sys
from pathlib import Path

import pytest

from testnet import ports
from testnet.ports import free_ports

TAKE = """
import sys
from pathlib import Path
from testnet.ports import free_ports
print(*free_ports(200, Path(sys.argv[1])))
"""


def test_two_programs_that_look_at_once_get_different_ports(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKE, str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other,
    ):
        taken = f"{one.communicate()[0]} {other.communicate()[0]}".split()
    assert len(taken) == len(set(taken)) == 400


def test_a_port_is_kept_until_its_holder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = tmp_path / "network"
    holder.mkdir()
    (port,) = free_ports(1, holder)
    for name, value in (("LOWEST", port), ("HIGHEST", port), ("TRIES_MAX", 1)):
        monkeypatch.setattr(ports, name, value)
    assert free_ports(1, tmp_path) == []
    holder.rmdir()
    assert free_ports(1, tmp_path) == [port]
