"""Programs that check what a network says by rules of their own, with nothing of the ledger's code."""
