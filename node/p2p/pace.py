"""Turns for the frames of strangers (N9)."""

import trio

from node.p2p.hardening.yamux_pace import Turn
from node.peers.rate import Bucket, Rate

FRAMES_OF_ALL = Rate(per_s=2_000.0, burst=500.0)
"""Of all strangers together: some 0.1 ms each, and so a fifth of the program's time at worst."""
FRAMES_OF_ONE = Rate(per_s=1_000.0, burst=500.0)
"""Of one connection: 60 MB/s of content in whole frames, or 400 gossip messages a second."""


class Pace:
    """One bucket for everybody, one for each connection."""

    def __init__(self) -> None:
        self._all = Bucket(FRAMES_OF_ALL, trio.current_time())

    def new_turn(self) -> Turn:
        """Return the waiting for one connection: its frames come one by one, so each connection has one in line."""
        own = Bucket(FRAMES_OF_ONE, trio.current_time())

        async def wait() -> None:
            now = trio.current_time()
            pause_s = max(own.owe(1, now), self._all.owe(1, now))
            if pause_s > 0:
                await trio.sleep(pause_s)

        return wait
