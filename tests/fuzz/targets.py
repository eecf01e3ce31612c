"""All targets."""

from tests.fuzz.consensus_handlers import consensus_handlers
from tests.fuzz.decoders import decoders
from tests.fuzz.dispute_handlers import dispute_handlers
from tests.fuzz.files import files
from tests.fuzz.ledger_handlers import ledger_handlers
from tests.fuzz.node_handlers import node_handlers
from tests.fuzz.target import Target
from tests.fuzz.vm_handlers import vm_handlers


def targets() -> list[Target]:
    """Return every decoder and message handler that is fuzzed."""
    return [
        *decoders(),
        *files(),
        *consensus_handlers(),
        *ledger_handlers(),
        *node_handlers(),
        *vm_handlers(),
        *dispute_handlers(),
    ]
