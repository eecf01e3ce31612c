"""A node's part in disputes: what it claims, tells, shows and proves, and what it looks for by itself."""
