"""Starts the programs of vm.sandbox: pipes for standard input and output, and nothing else of this process (V71).

Not trio's way of starting a process: that works from a helper thread, and the kernel takes the end of that thread for
the parent's death, on which a sandbox is killed.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from primitives import codec
from vm.sandbox_protocol import Settings

SANDBOX = "vm.sandbox"
PROBE = "vm.sandbox.probe"


@dataclass(frozen=True, kw_only=True)
class Started:
    """A process, and the ends of its pipes, which the caller must close."""

    process: subprocess.Popen[bytes]
    requests: int
    replies: int


def start(program: str, settings: Settings, *arguments: str) -> Started:
    """Start a program of the sandbox; the caller's thread must live as long as it. Raises OSError."""
    # Nothing of this process's environment: it may hold secrets, and the engine reads some of it.
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child_in, requests = os.pipe()
    replies, child_out = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", program, codec.encode(settings).hex(), *arguments],
            stdin=child_in,
            stdout=child_out,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,  # a Ctrl-C at the terminal is the node's to handle
        )
    except BaseException:
        os.close(requests)
        os.close(replies)
        raise
    finally:
        os.close(child_in)
        os.close(child_out)
    return Started(process=process, requests=requests, replies=replies)
