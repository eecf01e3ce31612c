"""Values that every part shares: records, units, codec, hashes, trees, signatures, addresses, limits, reasons."""
