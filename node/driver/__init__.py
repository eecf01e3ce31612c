"""The shell around the consensus core."""
