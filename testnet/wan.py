"""Distances: how long a message takes between regions of a public cloud.

One-way times in milliseconds: round figures of the size that is usual between such regions, not measurements of ours.
Within a region a message takes LOCAL_MS.
"""

from primitives.reasons import Reason, Refused

LOCAL_MS = 1

REGIONS = (
    "us-east", "us-west", "brazil", "ireland", "frankfurt", "cape-town", "mumbai", "singapore", "tokyo", "sydney",
)  # fmt: skip

_ROWS = (
    (0, 31, 57, 34, 45, 112, 95, 108, 73, 99),
    (31, 0, 87, 64, 73, 142, 110, 85, 54, 70),
    (57, 87, 0, 88, 101, 169, 150, 163, 128, 155),
    (34, 64, 88, 0, 13, 79, 61, 87, 100, 127),
    (45, 73, 101, 13, 0, 77, 56, 80, 112, 143),
    (112, 142, 169, 79, 77, 0, 136, 150, 177, 205),
    (95, 110, 150, 61, 56, 136, 0, 30, 66, 75),
    (108, 85, 163, 87, 80, 150, 30, 0, 35, 46),
    (73, 54, 128, 100, 112, 177, 66, 35, 0, 52),
    (99, 70, 155, 127, 143, 205, 75, 46, 52, 0),
)  # fmt: skip


def one_way_ms(here: str, there: str) -> int:
    """Return how long a message takes between two regions. Raises Refused FILE_UNREADABLE for an unknown one."""
    for name in (here, there):
        if name not in REGIONS:
            raise Refused(Reason.FILE_UNREADABLE, seen=name, wanted=", ".join(REGIONS))
    return _ROWS[REGIONS.index(here)][REGIONS.index(there)] or LOCAL_MS


def distances(regions: list[str], nodes: int) -> list[list[int]]:
    """Return the one-way times between nodes that stand in `regions` in turn, by sender and receiver."""
    places = [regions[node % len(regions)] for node in range(nodes)]
    return [[one_way_ms(here, there) for there in places] for here in places]
