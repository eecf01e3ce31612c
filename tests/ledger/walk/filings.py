"""What people do about content that does not come: have it asked for, and show it."""

import random
from contextlib import suppress
from itertools import product

from ledger.market.dispute.rows import disputes_of
from ledger.market.withheld.chunks import chunk_count, show_chunks
from ledger.market.withheld.owed import owed
from ledger.market.withheld.payloads import Stage, WithheldFile
from ledger.market.withheld.records import Filing
from ledger.market.withheld.rows import known_filing, line_of
from ledger.records import Job
from ledger.transaction import Payload
from primitives.reasons import Refused
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute.played import CONTENT
from tests.ledger.walk.large import large_content
from tests.ledger.walk.people import is_silent
from tests.ledger.walk.trials import ill_conditioned

FILE = b"an ONNX file"
"""Of the model with small values."""


def filing_move(world: World, chance: random.Random, jobs: list[tuple[bytes, Job]]) -> tuple[str, Payload] | None:
    """Have something asked for that is owed, or show something that is; None if nobody does anything."""
    line = line_of(world.state)
    asked = [*line.asked, *line.waiting]
    if asked and chance.random() < 0.6:
        return _show(world, chance, known_filing(world.state, chance.choice(asked)))
    return _ask(world, chance, *chance.choice(jobs)) if jobs else None


def _show(world: World, chance: random.Random, filing: Filing) -> tuple[str, Payload] | None:
    job, holder = world.job(filing.job), world.name(filing.holder)
    if is_silent(filing.job, holder):
        return None
    raw = _content(filing.job, job, holder, filing)
    return holder, show_chunks(filing.job, filing.stage, filing.holder, raw, [chance.choice(filing.missing)])[0]


def _content(job_id: bytes, job: Job, holder: str, filing: Filing) -> bytes:
    if job.large:
        return large_content(job_id, job, holder, filing.stage)
    if filing.stage is Stage.MODEL:
        return FILE
    return ill_conditioned().raw if job.input == ill_conditioned().held.content else CONTENT.raw


def _ask(world: World, chance: random.Random, job_id: bytes, job: Job) -> tuple[str, Payload] | None:
    if job.provider is None:
        return None
    claimants = [claim.who for _, dispute in disputes_of(world.state, job_id) for claim in dispute.claims]
    verifiers = [each.worker for each in job.verifiers]
    owing = []
    for stage, holder, filer in product(Stage, [job.provider, *verifiers], [job.client, *verifiers, *claimants]):
        with suppress(Refused):
            owing.append((stage, holder, filer, chunk_count(owed(world.state, job_id, stage, holder, filer))))
    if not owing:
        return None
    stage, holder, filer, count = chance.choice(owing)
    if not count:
        return None  # an empty input: everybody has it
    chunks = sorted(chance.sample(range(count), chance.choice([1, min(count, 2), count, count])))
    return world.name(filer), WithheldFile(job=job_id, stage=stage, holder=holder, chunks=chunks)
