"""What the program writes to stderr: its warnings and some of libp2p's errors, one line each."""

import logging

LIBRARY_LINES_MAX = 20
"""Of libp2p's errors in each MINUTE_S: strangers can cause them, and shall not fill a disk."""
MINUTE_S = 60.0


class _FewLines(logging.Filter):
    """Lets a bounded number of libp2p's records pass in each minute."""

    def __init__(self) -> None:
        super().__init__()
        self._since_s = 0.0
        self._passed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("assay"):
            return True
        if record.levelno < logging.ERROR:
            return False
        if record.created - self._since_s > MINUTE_S:
            self._since_s, self._passed = record.created, 0
        self._passed += 1
        return self._passed <= LIBRARY_LINES_MAX


class _OneLine(logging.Formatter):
    """One line for each record, without stack traces."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"p2p {record.levelname.lower()} {record.name}: {record.getMessage()}"
        return text.replace("\n", " ")


def set_up_logs() -> None:
    """Send our warnings and libp2p's errors to stderr, after libp2p has set up logs of its own."""
    stderr = logging.StreamHandler()
    stderr.setFormatter(_OneLine())
    stderr.addFilter(_FewLines())
    logging.basicConfig(level=logging.ERROR, handlers=[stderr], force=True)
    logging.getLogger("assay").setLevel(logging.WARNING)
    library = logging.getLogger("libp2p")
    library.propagate = True
    library.setLevel(logging.ERROR)
    # A peer that does not answer is no error of ours, and the dialer counts it.
    logging.getLogger("libp2p.transport.tcp").setLevel(logging.CRITICAL)
