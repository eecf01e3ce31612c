"""Figures, with the machine and the method: `make bench`, or `python -m benches NAME...`. No thresholds."""
