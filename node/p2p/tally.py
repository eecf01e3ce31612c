"""What the program has counted, by constant name; told to the node in Stats."""

from collections import Counter

counts: Counter[str] = Counter()
