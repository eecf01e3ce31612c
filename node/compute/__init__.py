"""The worker service: provides and verifies jobs."""
