"""Networks of real processes that are hurt on purpose, and judged by what they say over RPC."""
