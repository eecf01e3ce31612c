"""The command line: words for people, over JSON-RPC."""
