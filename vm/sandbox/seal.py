"""Sealing a process off in two steps: namespaces before any thread exists, the rest once all is imported.

Each step returns the layers that the kernel granted; a missing layer is reported, and the others are kept.
"""

import os
import resource
import signal
from pathlib import Path

from vm.sandbox import kernel, seccomp
from vm.sandbox_protocol import Layer, Settings

FILES_MAX = 16
"""Standard input, output and error are all that a sandbox uses; the rest is room for the runtime."""
_EMPTY_DIRECTORY = "/proc"
"""A directory that every Linux has, over which the empty root is mounted; nothing is read from it afterwards."""

ALL = tuple(Layer)


def enter_namespaces(wanted: tuple[Layer, ...] = ALL) -> list[Layer]:
    """Leave the machine's users, network, messages and mounts behind; only while the process has one thread (V41)."""
    held: list[Layer] = []
    if Layer.USER_NAMESPACE in wanted and kernel.call("unshare", kernel.CLONE_NEWUSER) == 0:
        held.append(Layer.USER_NAMESPACE)
    if Layer.NETWORK_NAMESPACE in wanted and kernel.call("unshare", kernel.CLONE_NEWNET) == 0:
        held.append(Layer.NETWORK_NAMESPACE)
    if Layer.IPC_NAMESPACE in wanted and kernel.call("unshare", kernel.CLONE_NEWIPC) == 0:
        held.append(Layer.IPC_NAMESPACE)
    return held


def close_behind(held: list[Layer], *, settings: Settings, wanted: tuple[Layer, ...] = ALL) -> list[Layer]:
    """Take away files, limits and system calls, in an order in which each step can still be taken (V42-V44)."""
    held = list(held)
    if Layer.PARENT_DEATH in wanted and _die_with(settings.parent):
        held.append(Layer.PARENT_DEATH)
    if Layer.EMPTY_ROOT in wanted and _empty_root():
        held.append(Layer.EMPTY_ROOT)
    if Layer.LIMITS in wanted:
        _limit(settings.memory_bytes)
        held.append(Layer.LIMITS)
    # The limit counts threads too; one that the engine needs must be startable.
    if Layer.PROCESS_LIMIT in wanted and settings.threads == 1 and _limit_processes():
        held.append(Layer.PROCESS_LIMIT)
    if Layer.NO_NEW_PRIVILEGES in wanted and kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1) == 0:
        held.append(Layer.NO_NEW_PRIVILEGES)
    if Layer.SECCOMP in wanted and kernel.known() and seccomp.install():
        held.append(Layer.SECCOMP)
    return sorted(held)


def _die_with(parent: int) -> bool:
    """Ask for SIGKILL when the parent ends; if it has ended already, end now."""
    if kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        return False
    if os.getppid() != parent:
        raise SystemExit(0)
    return True


def _empty_root() -> bool:
    """Make an empty, read-only file system the root of a mount namespace of our own (V42)."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    target = _EMPTY_DIRECTORY.encode()
    if kernel.call("unshare", kernel.CLONE_NEWNS) != 0:
        return False
    if kernel.call("mount", b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE, None) != 0:
        return False
    if kernel.call("mount", b"none", target, b"tmpfs", flags | kernel.MS_RDONLY, b"size=4k,mode=0555") != 0:
        return False
    os.chdir(_EMPTY_DIRECTORY)
    if kernel.call("pivot_root", b".", b".") != 0 or kernel.call("umount2", b".", kernel.MNT_DETACH) != 0:
        return False
    os.chdir("/")
    return not list(Path("/").iterdir())


def _limit(memory_bytes: int) -> None:
    """Set the limits that the kernel keeps (V43)."""
    for which, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, FILES_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))


def _limit_processes() -> bool:
    """Allow no further process, and try: the kernel exempts root from this limit."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    try:
        child = os.fork()
    except OSError:
        return True
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False
