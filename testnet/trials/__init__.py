"""Trials: every way in which a job can be disputed, played on a running network and judged by what each node says."""
