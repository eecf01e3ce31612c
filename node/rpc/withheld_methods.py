"""The method about content that was asked for on the chain because nobody served it."""

from ledger.market.withheld.records import Filing
from ledger.market.withheld.rows import filings_of
from node.rpc.method import AddressText, Amount, HeightNumber, HexHash, Method, Shape
from node.rpc.services import Services
from node.rpc.shapes import Content
from node.rpc.views import Views, content
from primitives.reasons import Reason, Refused


class OfJob(Shape):
    """Names a job."""

    job: HexHash


class ShownChunk(Shape):
    """A chunk that stands on the chain."""

    chunk: int
    height: HeightNumber
    """Of the block that holds it."""


class FilingShape(Shape):
    """What somebody has asked for on the chain."""

    id: HexHash
    job: HexHash
    stage: str
    """model, input, cut or output."""
    holder: AddressText
    filer: AddressText
    content: Content
    chunks: list[int]
    """Of 64 KiB each, but the last of the content."""
    shown: list[ShownChunk]
    state: str
    carriage: Amount
    """Held for whoever shows the chunks."""
    due_live_ms: int | None
    """When the holder's time is over; none unless its clock runs."""
    lost: Amount
    """By the holder."""


class FilingList(Shape):
    """All filings about a job."""

    filings: list[FilingShape]


async def withheld_list(services: Services, params: OfJob) -> FilingList:
    """Return what was asked for on the chain in a job because nobody served it, and what came of it."""
    job_id = bytes.fromhex(params.job)
    state = services.chain.state()
    if state.job(job_id) is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    views = Views(services.chain.genesis.prefix)
    return FilingList(filings=[_filing(views, identity, each) for identity, each in filings_of(state, job_id)])


def _filing(views: Views, identity: bytes, filing: Filing) -> FilingShape:
    return FilingShape(
        id=identity.hex(),
        job=filing.job.hex(),
        stage=filing.stage.name.lower(),
        holder=views.address(filing.holder),
        filer=views.address(filing.filer),
        content=content(filing.content),
        chunks=filing.chunks,
        shown=[ShownChunk(chunk=each.chunk, height=each.height) for each in filing.produced],
        state=filing.state.name.lower(),
        carriage=str(filing.carriage),
        due_live_ms=filing.due_live_ms,
        lost=str(filing.lost),
    )


METHODS = (Method(name="withheld.list", params=OfJob, result=FilingList, answer=withheld_list),)
