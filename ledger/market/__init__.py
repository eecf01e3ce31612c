"""The market: one noun, one file, one life-cycle table."""
