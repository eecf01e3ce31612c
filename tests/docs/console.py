"""The ```console blocks of a page: what a reader would type, and a way to type it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from testnet.network_home import NETWORK_FILE, read_network
from testnet.processes import stop

_BLOCK = re.compile(r"^```console(?P<mark>[^\n]*)\n(?P<lines>.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)

PAGE_SECONDS_MAX = 300
"""A page starts at most one network, runs a few jobs, and stops it."""


def commands(text: str) -> list[str]:
    """Return the commands of a page's blocks, in order: what follows `$ `, lines ending in a backslash joined."""
    blocks = [block["lines"] for block in _BLOCK.finditer(text) if not block["mark"].strip()]
    return [command for lines in blocks for command in _COMMAND.findall(lines)]


def not_run(text: str) -> list[str]:
    """Return the commands of the blocks that are marked `console no-run`."""
    blocks = [block["lines"] for block in _BLOCK.finditer(text) if block["mark"].strip() == "no-run"]
    return [command for lines in blocks for command in _COMMAND.findall(lines)]


def marks(text: str) -> set[str]:
    """Return how the blocks of a page are marked."""
    return {block["mark"].strip() for block in _BLOCK.finditer(text)}


def run_as_a_reader(lines: list[str], *, home: Path) -> subprocess.CompletedProcess[str]:
    """Type the commands into one shell that stops at the first that fails, in a directory and home of its own."""
    environment = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }
    try:
        return subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", "\n".join(lines)],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PAGE_SECONDS_MAX,
            check=False,
        )
    finally:
        _stop_networks(home)


def _stop_networks(home: Path) -> None:
    """Stop what a page that failed half-way has left running."""
    for file in home.rglob(NETWORK_FILE):
        stop(file.parent, [node.name for node in read_network(file.parent).nodes])
