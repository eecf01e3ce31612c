"""Jobs that stand where somebody lacks what it is owed."""

from collections.abc import Sequence

from ledger.events import Event
from ledger.market.withheld.chunks import show_chunks
from ledger.market.withheld.payloads import CHUNK_BYTES, Stage, WithheldChunk, WithheldFile
from ledger.market.withheld.records import Filing, FilingState, filing_id
from ledger.market.withheld.rows import known_filing
from ledger.moment import Moment
from ledger.records import Job, JobState, Verifier
from ledger.state import State, change, job_key, lowering_key
from ledger.transaction import JobAccept, JobCommit
from primitives.content import content_id
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.large_builders import a_large_lowering
from testnet.kit.ledger_builders import World

PROVIDER = "worker 0"
CONTENT = {Stage.MODEL: b"an ONNX file", Stage.INPUT: b"an input"}
"""Of the builders' model and job."""
LARGE = bytes(range(256)) * (16 * CHUNK_BYTES // 256)
"""16 chunks."""


def a_job_being_verified(world: World) -> tuple[bytes, list[str]]:
    """Return a job in VERIFYING, and its verifiers."""
    kit.publish(world)
    job_id = world.must("client", kit.a_submission(provider=PROVIDER))
    world.must(PROVIDER, JobAccept(job=job_id, price=KARAT // 2))
    mine = kit.values(PROVIDER)
    world.must(PROVIDER, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, PROVIDER)))
    world.until(lambda state: state.job(job_id).state is JobState.VERIFYING)  # type: ignore[union-attr]  # it exists
    return job_id, [world.name(each.worker) for each in world.job(job_id).verifiers]


def a_filing(job_id: bytes, stage: Stage, *, chunks: Sequence[int] = (0,), holder: str = PROVIDER) -> WithheldFile:
    """Return a filing against a provider."""
    return WithheldFile(job=job_id, stage=stage, holder=kit.address(holder), chunks=list(chunks))


def a_chunk(job_id: bytes, stage: Stage, *, raw: bytes | None = None, chunk: int = 0) -> WithheldChunk:
    """Return a chunk of what the provider owes."""
    whole = CONTENT[stage] if raw is None else raw
    return show_chunks(job_id, stage, kit.address(PROVIDER), whole, [chunk])[0]


def id_of(job_id: bytes, stage: Stage, filer: str, *, holder: str = PROVIDER) -> bytes:
    """Return the id of somebody's filing."""
    return filing_id(job=job_id, stage=stage, holder=kit.address(holder), filer=kit.address(filer))


def filing_of(state: State, job_id: bytes, stage: Stage, filer: str, *, holder: str = PROVIDER) -> Filing:
    """Return somebody's filing."""
    return known_filing(state, id_of(job_id, stage, filer, holder=holder))


def state_of(world: World, job_id: bytes, stage: Stage, filer: str) -> FilingState:
    """Return where somebody's filing stands."""
    return filing_of(world.state, job_id, stage, filer).state


def a_moment(world: World) -> Moment:
    """Return a block in execution on the world's state, to be changed at will."""
    clock = world.state.clock()
    return Moment(
        charter=world.charter,
        state=world.state.child(),
        height=clock.height + 1,
        time_ms=clock.time_ms,
        live_ms=clock.live_ms,
        beacon=clock.beacon,
        base_fee=clock.base_fee,
        events=list[Event](),
    )


def put_job(moment: Moment, job_id: bytes, **fields: object) -> Job:
    """Change a job as no transaction does; its lowering has large values once one of its contents is LARGE_ID."""
    job = moment.state.job(job_id)
    assert job is not None
    changed = change(job, **fields)
    moment.state.put(job_key(job_id), changed)
    shown: list[Job | Verifier] = [changed, *changed.verifiers]
    if any(LARGE_ID in (each.cut, each.outputs, each.sealed) for each in shown):
        _enlarge(moment, changed)
    return changed


LARGE_ID = content_id(LARGE)


def _enlarge(moment: Moment, job: Job) -> None:
    entry = moment.state.lowering(job.model, job.lowering)
    assert entry is not None
    values = a_large_lowering()
    lowering = change(entry.lowering, cut=values.cut, outputs=values.outputs)
    moment.state.put(lowering_key(job.model, job.lowering), change(entry, lowering=lowering))
