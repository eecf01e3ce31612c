"""A seccomp filter of our own: an allow-list in raw BPF, for x86-64 and arm64 (V44).

What a model may need is allowed. What only an attacker needs (a program, a socket, another process, a tracer, a mount)
kills the process. Everything else, opening files included, fails with EPERM.
"""

import ctypes
import errno
import struct

from vm.sandbox.kernel import NUMBERS, PR_SET_NO_NEW_PRIVS, call, machine, prctl

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_AT_NUMBER, _AT_ARCH, _AT_FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data

_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000
_SECCOMP_SET_MODE_FILTER = 1
_FILTER_FLAG_TSYNC = 1  # every thread of the process, not the calling one alone

_ALLOWED = (
    "read", "write", "close", "fstat", "lseek", "poll", "ppoll", "brk", "mmap", "mprotect", "munmap", "mremap",
    "madvise", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield", "sched_getaffinity",
    "getcpu", "getpid", "gettid", "getrusage", "sysinfo", "futex", "set_robust_list", "rseq", "membarrier",
    "restart_syscall", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "getrandom",
    "exit", "exit_group",
)  # fmt: skip
_KILLED = (
    "execve", "execveat", "fork", "vfork", "socket", "socketpair", "ptrace", "process_vm_readv", "process_vm_writev",
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "keyctl", "add_key", "request_key", "kexec_load", "init_module", "finit_module",
)  # fmt: skip


def _step(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, k)


def _answer(number: int, action: int) -> list[bytes]:
    return [_step(_EQUAL, number, 0, 1), _step(_RETURN, action)]


def program() -> list[bytes]:
    """Return the filter for this machine, one 8-byte instruction each."""
    arch, numbers = machine().audit_arch, NUMBERS[machine()]
    steps = [_step(_LOAD, _AT_ARCH), _step(_EQUAL, arch, 1, 0), _step(_RETURN, _KILL_PROCESS), _step(_LOAD, _AT_NUMBER)]
    steps += [_step(_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, _KILL_PROCESS)]
    for name in _ALLOWED:
        if name in numbers:
            steps += _answer(numbers[name], _ALLOW)
    for name in _KILLED:
        if name in numbers:
            steps += _answer(numbers[name], _KILL_PROCESS)
    # A filter can't read clone3's flags, which lie in memory; told ENOSYS, the C library falls back to clone.
    steps += _answer(numbers["clone3"], _ERRNO | errno.ENOSYS)
    # A thread of this process may be started, a process may not.
    steps += [_step(_EQUAL, numbers["clone"], 0, 4), _step(_LOAD, _AT_FIRST_ARGUMENT)]
    steps += [_step(_ANY_BIT, _CLONE_THREAD, 0, 1), _step(_RETURN, _ALLOW), _step(_RETURN, _KILL_PROCESS)]
    return [*steps, _step(_RETURN, _ERRNO | errno.EPERM)]


def install() -> bool:
    """Put the filter on every thread of this process, for good. Returns whether the kernel took it."""
    steps = program()
    code = ctypes.create_string_buffer(b"".join(steps))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    if prctl(PR_SET_NO_NEW_PRIVS, 1) != 0:
        return False
    return call("seccomp", _SECCOMP_SET_MODE_FILTER, _FILTER_FLAG_TSYNC, ctypes.addressof(head)) == 0
