"""A probe, started by the launcher of sandboxes, tries to get out; each layer that the kernel offers must stop it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vm import launcher
from vm.pool import PoolConfig, open_pool
from vm.sandbox.probe import ATTEMPTS
from vm.sandbox_protocol import Layer, Optimisation, Settings

pytestmark = pytest.mark.e2e

STOPPERS: dict[str, dict[Layer, str]] = {
    "open-file": {Layer.SECCOMP: "EPERM", Layer.EMPTY_ROOT: "ENOENT"},
    "open-socket": {Layer.SECCOMP: "SIGSYS", Layer.NETWORK_NAMESPACE: "ENETUNREACH"},
    "fork": {Layer.SECCOMP: "SIGSYS", Layer.PROCESS_LIMIT: "EAGAIN"},
    "exec": {Layer.SECCOMP: "SIGSYS", Layer.EMPTY_ROOT: "ENOENT"},
    "signal-parent": {Layer.SECCOMP: "EPERM"},
}
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x8000000, 0x10000000, 0x40000000


def in_a_process(program: str) -> bool:
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


def grants(*calls: str) -> bool:
    """Ask the kernel, not our own code, what it grants to whoever runs the tests."""
    steps = "".join(f"assert libc.{call} == 0\n" for call in calls)
    return in_a_process(f"import ctypes\nlibc = ctypes.CDLL(None)\nlibc.unshare({CLONE_NEWUSER})\n{steps}")


@pytest.fixture(scope="module")
def offered() -> list[Layer]:
    """The layers that this kernel offers to this user."""
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    found = {
        Layer.USER_NAMESPACE: in_a_process(f"import ctypes; assert ctypes.CDLL(None).unshare({CLONE_NEWUSER}) == 0"),
        Layer.NETWORK_NAMESPACE: grants(f"unshare({CLONE_NEWNET})"),
        Layer.IPC_NAMESPACE: grants(f"unshare({CLONE_NEWIPC})"),
        Layer.EMPTY_ROOT: grants(
            f"unshare({CLONE_NEWNS})",
            "mount(b'none', b'/', None, 0x44000, None)",  # recursive, private
            "mount(b'none', b'/proc', b'tmpfs', 0, None)",
        ),
        Layer.NO_NEW_PRIVILEGES: True,
        Layer.PARENT_DEATH: True,
        Layer.LIMITS: True,
        Layer.PROCESS_LIMIT: os.geteuid() != 0,  # the kernel exempts root
        Layer.SECCOMP: actions.exists() and "kill_process" in actions.read_text(),
    }
    return sorted(layer for layer, granted in found.items() if granted)


def probe(attempt: str, *, without: list[Layer]) -> tuple[list[Layer], str]:
    """Return the layers that the probe reports, and what its attempt came to."""
    settings = Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=2**30, parent=os.getpid())
    started = launcher.start(launcher.PROBE, settings, attempt, ",".join(str(int(layer)) for layer in without))
    os.close(started.requests)
    with os.fdopen(started.replies) as replies:
        said = replies.read().split()
    status = started.process.wait()
    layers = [Layer(int(number)) for number in said[0].split(",")]
    return layers, signal.Signals(-status).name if status < 0 else said[-1]


@pytest.mark.parametrize("attempt", list(ATTEMPTS))
def test_a_sealed_program_is_stopped_by_the_first_layer_that_the_kernel_offers(
    attempt: str, offered: list[Layer], capsys: pytest.CaptureFixture[str]
) -> None:
    layers, outcome = probe(attempt, without=[])
    assert layers == offered
    stopper = next((layer for layer in STOPPERS[attempt] if layer in offered), None)
    assert stopper is not None, f"this kernel offers nothing against {attempt}"
    with capsys.disabled():
        sys.stdout.write(f"{attempt}: stopped by {stopper.name.lower()} ({outcome}) ")
    assert outcome == STOPPERS[attempt][stopper]


CASES = [(attempt, layer) for attempt, stoppers in STOPPERS.items() for layer in stoppers]


@pytest.mark.parametrize(("attempt", "layer"), CASES, ids=[f"{attempt} by {layer.name}" for attempt, layer in CASES])
def test_each_layer_stops_by_itself_what_it_is_there_for(attempt: str, layer: Layer, offered: list[Layer]) -> None:
    layers, outcome = probe(attempt, without=[other for other in STOPPERS[attempt] if other is not layer])
    assert (layer in layers) == (layer in offered)
    assert (outcome == STOPPERS[attempt][layer]) == (layer in offered)


@pytest.mark.parametrize("attempt", list(ATTEMPTS))
def test_without_its_layers_each_attempt_succeeds_so_that_the_probe_proves_something(attempt: str) -> None:
    _, outcome = probe(attempt, without=list(STOPPERS[attempt]))
    assert outcome == "done" or attempt == "exec"  # which has replaced the program that would say so
    assert outcome not in STOPPERS[attempt].values()


async def test_a_sandbox_reports_the_layers_that_the_kernel_offers(offered: list[Layer]) -> None:
    async with open_pool(PoolConfig()) as pool:
        assert list(await pool.layers()) == offered
