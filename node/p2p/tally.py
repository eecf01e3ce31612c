"""What the program has counted, by constant name, and whom its lowest layers accuse."""

from collections import Counter, deque

OFFENCES_MAX = 1024
"""Those that wait to be counted against their peers, which happens each second."""

counts: Counter[str] = Counter()
"""Told to the node in Stats."""
offences: deque[tuple[bytes, str]] = deque(maxlen=OFFENCES_MAX)
"""Peer ids, and what they did that no honest software does; the layers that see it know nobody to tell."""
