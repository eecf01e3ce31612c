"""Who validates: stake and its delegation, the sets of epochs, evidence and slashing, rewards, rule versions."""
