"""What canaries are modelled on: jobs that this worker has run, with inputs that it still holds (D65)."""

from random import Random

import trio

from ledger.market.asking import asked
from ledger.market.draw import can_run
from ledger.records import Job, JobState
from ledger.state import State, change
from node.ports import Blobs, ChainView
from primitives.codec import encode
from primitives.content import ContentId
from primitives.reasons import Refused
from vm.tensor import ITEM_BYTES, Bundle, NamedTensor, decode_bundle

FINISHED = (JobState.SETTLED, JobState.UNVERIFIED, JobState.PAST_CHALLENGE)
"""In which a job has a result: others may be such as nobody can run."""
ROWS_AT_ONCE = 256
"""Jobs looked through before others get their turn: some milliseconds."""
TRIES = 64
"""Pairs of elements looked at for two that differ: where so many are alike, the input stays as it is."""


async def pattern(chain: ChainView, blobs: Blobs, me: bytes, chance: Random) -> Job | None:
    """Return one of the jobs that worker `me` has run and would take again at their price, each as likely; or None."""
    state, found, count = chain.state(), None, 0
    for at, (_, job) in enumerate(state.jobs()):
        if at % ROWS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        if _fits(state, job, me) and blobs.has(job.input):
            count += 1
            if chance.randrange(count) == 0:
                found = job
    return found


def _fits(state: State, job: Job, me: bytes) -> bool:
    """Tell whether a job was run by `me` to its end, and `me` would provide it."""
    if job.state not in FINISHED or job.canary_opened:
        return False
    if me != job.provider and all(each.worker != me for each in job.verifiers):
        return False
    worker, model, meant = state.worker(me), state.model(job.model), state.lowering(job.model, job.lowering)
    if worker is None or model is None or meant is None or not can_run(worker, model.model, job.class_):
        return False
    return job.max_price >= asked(worker, meant.lowering.cost, job.class_)


async def another_input(blobs: Blobs, content: ContentId, chance: Random) -> ContentId | None:
    """Keep an input like another one that is held here, and return its id; None if that one is gone."""
    raw = await blobs.get(content)
    return None if raw is None else await blobs.put(varied(raw, chance))


def varied(raw: bytes, chance: Random) -> bytes:
    """Return an encoded input with two elements of one tensor exchanged.

    So its numbers are those that a client has sent, of the right type and in range, and no result of it is known.
    """
    try:
        tensors = list(decode_bundle(raw).tensors)
    except Refused:
        return raw
    order = [at for at, each in enumerate(tensors) if each.tensor.data]
    chance.shuffle(order)
    for at in order:
        tensor = tensors[at].tensor
        exchanged = _exchanged(tensor.data, ITEM_BYTES[tensor.dtype], chance)
        if exchanged != tensor.data:
            tensors[at] = NamedTensor(name=tensors[at].name, tensor=change(tensor, data=exchanged))
            return encode(Bundle(tensors=tensors))
    return raw


def _exchanged(data: bytes, size: int, chance: Random) -> bytes:
    """Return elements of `size` bytes with two that differ exchanged, or as they are if no such were found."""
    items = [data[at : at + size] for at in range(0, len(data), size)]
    for _ in range(TRIES):
        one, other = chance.randrange(len(items)), chance.randrange(len(items))
        if items[one] != items[other]:
            items[one], items[other] = items[other], items[one]
            break
    return b"".join(items)
