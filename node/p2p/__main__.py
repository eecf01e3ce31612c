"""`python -m node.p2p --fd N`: the network program, for a node that holds the other end of socket N."""

import argparse
import ctypes
import logging
import os
import signal
import socket
import sys

import trio

from node.p2p.absent import import_without_them

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, even if that closes no socket."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _serve(descriptor: int) -> None:
    from node.p2p.logs import set_up_logs  # noqa: PLC0415 - what comes before decides what libp2p imports
    from node.p2p.program import run_program  # noqa: PLC0415

    set_up_logs()
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
    await run_program(stream)


def main() -> None:
    """Run until the node is gone."""
    parser = argparse.ArgumentParser(prog="python -m node.p2p")
    parser.add_argument("--fd", type=int, required=True, help="the inherited socket to the node")
    descriptor: int = parser.parse_args().fd
    _die_with_parent()
    import_without_them()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the node says when to end
    try:
        trio.run(_serve, descriptor)
    except BaseException as fault:  # noqa: BLE001 - supervisor: the node starts another program
        logging.getLogger("assay.p2p").error("the network program failed: %r", fault)
        os._exit(1)
    os._exit(0)  # libp2p's threads and sockets have nothing to lose


if __name__ == "__main__":
    main()
