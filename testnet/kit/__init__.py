"""Builders, fakes and liars for tests, and for people who build on Assay."""
