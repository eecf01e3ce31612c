"""Every rule of docs/spec/consensus.md switched off in turn, and who catches that."""
