"""The network: a program of its own behind a pipe; the only importer of libp2p."""
