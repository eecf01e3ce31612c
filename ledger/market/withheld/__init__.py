"""Content that is owed and does not come: who asks for it on the chain, and what becomes of who does not answer."""
