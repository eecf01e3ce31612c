"""The disk; the only importer of plyvel."""
