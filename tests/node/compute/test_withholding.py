"""Content that is not served: verifiers ask for it on the chain, and the provider shows it or loses."""

from ledger.market.settlement import verifier_lock
from ledger.market.withheld.money import carriage
from ledger.market.withheld.payloads import CHUNK_BYTES, FILING_CHUNKS_MAX, Stage, WithheldChunk
from ledger.market.withheld.records import FilingState
from ledger.market.withheld.rows import filings_of
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome
from ledger.state import change
from ledger.transaction import open_transaction
from node.compute.withholding import picked, piece_in
from primitives.content import ContentId, content_id
from primitives.units import BASIS
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.ledger_builders import a_model, address, supply_of
from tests.node.compute.cluster import INPUT, WORKERS, Cluster, running

LARGE = INPUT * (2 * CHUNK_BYTES // len(INPUT))
"""An input of two chunks."""


def isolate(cluster: Cluster, *, with_model: bool = True) -> None:
    """From now on no verifier can fetch anything from anybody; some may hold the model."""
    for name in WORKERS[1:]:
        cluster.blobs[name].others = []
        if with_model:
            cluster.blobs[name].held[a_model().file.root] = b"an ONNX file"


def filed(cluster: Cluster, job_id: bytes) -> dict[Stage, list[FilingState]]:
    found: dict[Stage, list[FilingState]] = {}
    for _, filing in filings_of(cluster.chain.state(), job_id):
        found.setdefault(filing.stage, []).append(filing.state)
    return found


def shown(cluster: Cluster) -> list[int]:
    """Return the chunks that transactions showed, whether they succeeded or not."""
    genesis = cluster.chain.genesis_hash
    raws = [raw for final in cluster.chain.world.finals for raw in final.block.transactions]
    payloads = [open_transaction(raw, genesis).body.payload for raw in raws]
    return [payload.chunk for payload in payloads if isinstance(payload, WithheldChunk)]


async def test_a_provider_that_serves_nobody_shows_the_input_on_the_chain_and_the_job_settles(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit(raw=LARGE)
        await cluster.reached(job_id, JobState.ACCEPTED)
        isolate(cluster)
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED
    assert filed(cluster, job_id) == {Stage.INPUT: [FilingState.ANSWERED] * 3}
    assert sorted(shown(cluster)) == [0, 1]  # once each: one answer is for all, and is paid once
    for each in job.verifiers:
        held = cluster.blobs[cluster.chain.world.name(each.worker)].held
        assert held[content_id(LARGE).root] == LARGE  # D41
    assert supply_of(cluster.chain.state()) == cluster.chain.state().totals().supply


class Piecewise(FakeBlobs):
    """Notes what is read whole."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: list[bytes] = []

    async def get(self, content: ContentId) -> bytes | None:
        self.whole.append(content.root)
        return await super().get(content)


async def test_what_is_shown_is_read_chunk_by_chunk(cluster: Cluster) -> None:
    """D42: filings about many large models take no more memory than one about a small one."""
    blobs = Piecewise()
    blobs.others = cluster.blobs["worker 0"].others
    cluster.blobs["worker 0"] = blobs
    async with running(cluster):
        job_id = await cluster.submit(raw=LARGE)
        await cluster.reached(job_id, JobState.COMMITTED)
        isolate(cluster)
        blobs.whole.clear()
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED
    assert sorted(shown(cluster)) == [0, 1]
    assert content_id(LARGE).root not in blobs.whole


async def test_a_chunk_that_the_disk_has_damaged_is_not_shown(cluster: Cluster) -> None:
    """D42: it would cost its fee, and prove nothing."""
    async with running(cluster):
        job_id = await cluster.submit(raw=LARGE)
        await cluster.reached(job_id, JobState.COMMITTED)
        isolate(cluster)
        cluster.blobs["worker 0"].held[content_id(LARGE).root] = bytes(len(LARGE))
        job = await cluster.ended(job_id)
    assert (job.outcome, shown(cluster)) == (Outcome.WITHHELD, [])


async def test_who_lacks_the_model_too_asks_for_both(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.ACCEPTED)
        isolate(cluster, with_model=False)
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED
    assert filed(cluster, job_id) == {
        Stage.MODEL: [FilingState.ANSWERED] * 3,
        Stage.INPUT: [FilingState.ANSWERED] * 3,
    }


async def test_a_provider_that_shows_nothing_loses_its_bond_and_the_verifiers_lose_nothing(cluster: Cluster) -> None:
    async with running(cluster):
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.COMMITTED)
        isolate(cluster)
        cluster.blobs["worker 0"].held.clear()
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.WITHHELD
    assert [each.worker for each in job.penalties] == [address("worker 0")]
    assert FilingState.LAPSED in filed(cluster, job_id)[Stage.INPUT]


async def test_a_verifier_that_was_killed_goes_on_where_its_filing_stands(cluster: Cluster) -> None:
    async with running(cluster, "worker 0", "worker 1", "worker 2", "worker 3", "worker 4") as nursery:
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.ACCEPTED)
        isolate(cluster)
        await cluster.until(lambda: any(filings_of(cluster.chain.state(), job_id)))
        filer = next(iter(filings_of(cluster.chain.state(), job_id)))[1].filer
        await cluster.restart(nursery, cluster.chain.world.name(filer))
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED
    assert all(each.verdict is not None for each in job.verifiers)
    assert filed(cluster, job_id) == {Stage.INPUT: [FilingState.ANSWERED] * 3}


async def test_a_provider_that_was_killed_shows_what_it_owes_after_its_restart(cluster: Cluster) -> None:
    async with running(cluster) as nursery:
        job_id = await cluster.submit()
        await cluster.reached(job_id, JobState.COMMITTED)
        isolate(cluster)
        await cluster.stop("worker 0")
        await cluster.until(lambda: any(filings_of(cluster.chain.state(), job_id)))
        await cluster.start(nursery, "worker 0")
        job = await cluster.ended(job_id)
    assert job.outcome is Outcome.SETTLED  # D42


def test_no_more_chunks_are_asked_for_than_silence_would_cost_and_nobody_foresees_which() -> None:
    """D40."""
    large, parameters = content_id(bytes(40 * CHUNK_BYTES)), Parameters()
    silence = verifier_lock(parameters, parameters.verifier_fee) * parameters.no_reveal_bps // BASIS
    chosen = {tuple(picked(parameters, parameters.verifier_fee, large, range(40))) for _ in range(8)}
    assert len(chosen) > 1
    for each in chosen:
        assert list(each) == sorted(set(each))
        assert 0 < sum(carriage(parameters, large, chunk) for chunk in each) <= silence
    assert picked(parameters, parameters.verifier_fee, content_id(LARGE), [0, 1]) == [0, 1]
    free, poor = change(parameters, base_fee_min=0), change(parameters, no_reveal_bps=0)
    assert len(picked(free, free.verifier_fee, large, range(40))) == FILING_CHUNKS_MAX
    assert len(picked(poor, poor.verifier_fee, large, [3, 7])) == 1


async def test_a_block_without_the_chunk_gives_none(cluster: Cluster) -> None:
    cluster.chain.step()
    kept = cluster.chain.block(1)
    assert kept is not None
    assert piece_in(kept[0], cluster.chain.genesis_hash, bytes(32), content_id(INPUT), 0) is None
