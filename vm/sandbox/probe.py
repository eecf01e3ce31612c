"""A program that seals itself as a sandbox does, then tries to get out in one way, and says what stopped it (V45).

Arguments: the settings, the attempt, and the layers (their numbers, with commas) to go without, so that each layer can
be shown to hold by itself. Only this program can leave a layer out.
"""

import errno
import os
import socket
import sys
from collections.abc import Callable

from primitives import codec
from vm.sandbox import seal
from vm.sandbox_protocol import Layer, Settings

_SETTINGS_BYTES_MAX = 64


def _open_file() -> None:
    with open(__file__, "rb"):  # noqa: PTH123 - the plain system call is what is tried
        pass


def _open_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect(("127.0.0.1", 9))


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _exec() -> None:
    os.execv(sys.executable, [sys.executable, "-c", ""])


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


ATTEMPTS: dict[str, Callable[[], None]] = {
    "open-file": _open_file,
    "open-socket": _open_socket,
    "fork": _fork,
    "exec": _exec,
    "signal-parent": _signal_parent,
}


def main(argument: str, attempt: str, without: str) -> None:
    """Print the layers that hold; then the attempt's error, or `done`. A layer may also end the process by a signal."""
    settings = codec.decode(Settings, bytes.fromhex(argument), at_most=_SETTINGS_BYTES_MAX)
    left_out = [int(number) for number in without.split(",") if number]
    wanted = tuple(layer for layer in Layer if layer not in left_out)
    held = seal.close_behind(seal.enter_namespaces(wanted), settings=settings, wanted=wanted)
    _say(",".join(str(int(layer)) for layer in held))
    try:
        ATTEMPTS[attempt]()
    except OSError as fault:
        _say(errno.errorcode.get(fault.errno or 0, str(fault.errno)))
    else:
        _say("done")


def _say(words: str) -> None:
    os.write(sys.stdout.fileno(), words.encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
