"""The shell: everything that waits, sends and stores."""
