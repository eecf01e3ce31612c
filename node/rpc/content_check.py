"""What this node can tell about a transaction's content, if it holds it: the chain itself sees roots alone."""

from ledger.transaction import JobSubmit, Transaction
from node.rpc.services import Services
from vm.lowering import check_bound
from vm.manifest import check_inputs
from vm.tensor import decode_bundle


async def check_content(services: Services, transaction: Transaction) -> None:
    """Raise Refused INPUT_WRONG_NAME, _TYPE or _SHAPE for a job whose input is held here and not its model's (R10)."""
    job = transaction.body.payload
    if not isinstance(job, JobSubmit):
        return
    entry = services.chain.state().model(job.model)
    raw = await services.blobs.get(job.input)
    if entry is not None and raw is not None:
        bundle = decode_bundle(raw)
        check_inputs(entry.model.inputs, bundle)
        meant = services.chain.state().lowering(job.model, job.lowering)
        if meant is not None:
            check_bound(meant.lowering, bundle)
