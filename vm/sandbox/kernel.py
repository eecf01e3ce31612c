"""The door to the Linux kernel: the few system calls of the sandbox that Python's library lacks, through ctypes.

Away from Linux on x86-64 or arm64 every call fails with ENOSYS, so that the layers made of them count as absent.
"""

import ctypes
import enum
import errno
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2


class Machine(enum.Enum):
    """A machine whose system calls we know."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"

    @property
    def audit_arch(self) -> int:
        """Return the number by which seccomp knows it (linux/audit.h)."""
        return 0xC000003E if self is Machine.X86_64 else 0xC00000B7


# fmt: off
NUMBERS: dict[Machine, dict[str, int]] = {
    Machine.X86_64: {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
        "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25,
        "madvise": 28, "nanosleep": 35, "getpid": 39, "socket": 41, "socketpair": 53, "clone": 56, "fork": 57,
        "vfork": 58, "execve": 59, "exit": 60, "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "ptrace": 101,
        "sigaltstack": 131, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "init_module": 175,
        "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228,
        "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "ppoll": 271, "unshare": 272, "set_robust_list": 273,
        "perf_event_open": 298, "setns": 308, "getcpu": 309, "process_vm_readv": 310, "process_vm_writev": 311,
        "finit_module": 313, "seccomp": 317, "getrandom": 318, "bpf": 321, "execveat": 322, "userfaultfd": 323,
        "membarrier": 324, "rseq": 334, "io_uring_setup": 425, "clone3": 435,
    },
    Machine.AARCH64: {
        "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "close": 57, "lseek": 62, "read": 63, "write": 64,
        "ppoll": 73, "fstat": 80, "exit": 93, "exit_group": 94, "unshare": 97, "futex": 98, "set_robust_list": 99,
        "nanosleep": 101, "kexec_load": 104, "init_module": 105, "clock_gettime": 113, "clock_getres": 114,
        "clock_nanosleep": 115, "ptrace": 117, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128,
        "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "getrusage": 165,
        "getcpu": 168, "gettimeofday": 169, "getpid": 172, "gettid": 178, "sysinfo": 179, "socket": 198,
        "socketpair": 199, "brk": 214, "munmap": 215, "mremap": 216, "add_key": 217, "request_key": 218, "keyctl": 219,
        "clone": 220, "execve": 221, "mmap": 222, "mprotect": 226, "madvise": 233, "perf_event_open": 241,
        "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273, "seccomp": 277,
        "getrandom": 278, "bpf": 280, "execveat": 281, "userfaultfd": 282, "membarrier": 283, "rseq": 293,
        "io_uring_setup": 425, "clone3": 435,
    },
}
# fmt: on

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def known() -> bool:
    """Return whether this is Linux on a machine whose system calls we know."""
    return _libc is not None and os.uname().machine in {each.value for each in Machine}


def machine() -> Machine:
    """Return this machine; only where it is known."""
    return Machine(os.uname().machine)


def call(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call. Returns 0 or more, or the error's number negated."""
    if _libc is None or not known() or name not in NUMBERS[machine()]:
        return -errno.ENOSYS
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc.syscall(ctypes.c_long(NUMBERS[machine()][name]), *wide))
    return result if result >= 0 else -ctypes.get_errno()


def prctl(option: int, argument: int) -> int:
    """Set a property of this process. Returns 0, or the error's number negated."""
    if _libc is None:
        return -errno.ENOSYS
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero) == 0:
        return 0
    return -ctypes.get_errno()
