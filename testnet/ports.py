"""Free TCP ports of this machine."""

import errno
import random
import socket

LOWEST, HIGHEST = 20_000, 29_999
"""Below the range from which systems take ports for outgoing connections, so that none of those is in the way."""
TRIES_MAX = 5_000


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 that nobody listens on now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(LOWEST, HIGHEST + 1), TRIES_MAX):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as fault:
                if fault.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                found.append(port)
    return found
