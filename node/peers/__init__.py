"""What a node knows of other nodes: addresses, standing, rates and whom to let go. Pure: no I/O, no clock."""
