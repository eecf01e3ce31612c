"""What the program writes to stderr: its own warnings and errors, one line each."""

import logging


class _OneLine(logging.Formatter):
    """One line for each record, without stack traces."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"p2p {record.levelname.lower()} {record.name}: {record.getMessage()}"
        return text.replace("\n", " ")


def set_up_logs() -> None:
    """Send our warnings to stderr, and silence libp2p, which must have been imported.

    Its warnings and errors are about peers, who could fill a disk with them; the counters tell of those.
    """
    stderr = logging.StreamHandler()
    stderr.setFormatter(_OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[stderr], force=True)
    library = logging.getLogger("libp2p")
    library.setLevel(logging.CRITICAL)
    library.propagate = True
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("libp2p."):
            logging.getLogger(name).setLevel(logging.NOTSET)
