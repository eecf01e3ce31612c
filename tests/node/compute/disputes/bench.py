"""Dispute services of several accounts on one chain, whose machines answer from real runs of a small program."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio.testing

from ledger.market.dispute.records import Dispute
from ledger.market.dispute.rows import disputes_of
from ledger.parameters import Tier
from ledger.records import Job, JobState
from ledger.state import change
from ledger.transaction import Decision, JobAccept, JobCommit, ProviderReveal
from node.compute.blocks import BlockSignal
from node.compute.disputes.examine import Examiner
from node.compute.disputes.journal import ClaimJournal
from node.compute.disputes.ports import DisputePorts
from node.compute.disputes.service import Disputes
from node.compute.sender import Sender
from node.compute.tasks import Tasks
from node.compute.withholding import Withholding
from node.ports import Task, Told
from primitives import codec
from primitives.content import content_id
from testnet.kit import ledger_builders as kit
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import World, a_model, seed_of
from tests.ledger.market.dispute import played
from tests.vm.claims.sides import Honest
from tests.vm.referee.jobs import outputs_of
from vm import dispute_protocol as vm
from vm.canonical.arrays import Array, array_of
from vm.layout import Layout
from vm.lowering import lowering_id
from vm.manifest import Class, model_id
from vm.referee.blaming import conditioned, outputs_differ, worst
from vm.referee.showing import Content, defence, rows_tree
from vm.tensor import ROOT_LEAF_BYTES, decode_bundle
from vm.trace import Window, part_width, tell

BLOCKS_MAX = 600
STEP_MS = 2_000


class Oracle:
    """Answers from somebody's runs; of tails always truly."""

    def __init__(self, runs: Honest) -> None:
        self._whole = runs
        self.asked: list[vm.Asked] = []

    async def ask(self, task: Task, asked: vm.Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Return the answer."""
        del task
        await trio.lowlevel.checkpoint()
        self.asked.append(asked)
        held = None if cut is None else _content(cut, "cut")
        runs = self._whole if held is None else played.tail(_arrays(held))
        answer = _answer(runs, asked, held)
        assert isinstance(answer, told)
        return answer


def _arrays(held: Content) -> list[Array]:
    return [array_of(each.tensor) for each in decode_bundle(held.raw).tensors]


def _content(raw: bytes, name: str) -> Content:
    tensors = decode_bundle(raw).tensors
    program = played.PROGRAM
    at = program.cut if name == "cut" else program.outputs
    return Content(raw, Layout([each.name for each in tensors], [program.type_of(value) for value in at]))


def _answer(runs: Honest, asked: vm.Asked, cut: Content | None) -> vm.Answer:
    match asked:
        case vm.TraceAsked():
            return vm.TraceTold(trace=runs.trace, outline=runs.papers.outline)
        case vm.RunAsked():
            return vm.PartsTold(
                roots=tell(runs.tree(perturbed=asked.perturbed), asked.part.window, asked.part.width), value_type=None
            )
        case vm.NoiseAsked():
            [noise] = runs.noises([asked.place])
            roots = tell(rows_tree(noise.rows()), asked.part.window, asked.part.width)
            return vm.PartsTold(roots=roots, value_type=None)
        case vm.ValueAsked():
            shown = runs.exhibit([asked.value], perturbed=asked.perturbed).shown(asked.value)
            whole = Window(0, len(shown.tree))
            part = asked.part or vm.Part(low=0, high=whole.high, width=part_width(whole))
            return vm.PartsTold(roots=tell(shown.tree, part.window, part.width), value_type=shown.type)
        case vm.LeafAsked():
            data = runs.exhibit([asked.value], perturbed=asked.perturbed).shown(asked.value).data
            return vm.BytesTold(raw=data[asked.leaf * ROOT_LEAF_BYTES : (asked.leaf + 1) * ROOT_LEAF_BYTES])
        case vm.DefenceAsked():
            return vm.BytesTold(raw=_encoded(defence(runs, asked.at, played.CONTENT, cut)))
        case vm.WorstAsked():
            found = worst(runs, _content(asked.cut, "cut"), played.TOLERANCE)
            proof = _encoded(found.proof)
            return vm.WorstTold(thousandths=found.thousandths, place=found.place, element=found.element, proof=proof)
        case vm.OutputsAsked():
            return vm.BytesTold(raw=_encoded(outputs_differ(runs, _content(asked.outputs, "outputs"))))
        case vm.ConditionAsked():
            return vm.BytesTold(raw=_encoded(conditioned(runs, played.TOLERANCE)))
        case vm.ResultAsked():
            return vm.BytesTold(
                raw=_encoded(None if runs.outputs is None else content_id(outputs_of(runs.outputs).raw))
            )


def _encoded(shown: object | None) -> bytes | None:
    return None if shown is None else codec.encode(shown)


class Far(Oracle):
    """Says of every party that it is far off, and of all else what its runs say."""

    async def ask(self, task: Task, asked: vm.Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Return the answer."""
        answer = await super().ask(task, asked, told, cut=cut)
        if told is vm.WorstTold:
            return change(answer, thousandths=10**6)
        return answer


class Bench:
    """The services, and the chain between them."""

    def __init__(self, folder: Path, world: World, job_id: bytes, class_: Class = Class.NATIVE) -> None:
        self.chain = FakeChain(world)
        self.class_ = class_
        self.job_id = job_id
        self.oracles: dict[str, Oracle] = {}
        self.services: dict[str, Disputes] = {}
        self._folder = folder
        self._signals: list[BlockSignal] = []
        self._scopes: dict[str, trio.CancelScope] = {}
        self._content = FakeBlobs()
        self._content.held = {
            a_model().file.root: b"an ONNX file",
            played.CONTENT.held.content.root: played.CONTENT.raw,
        }

    @property
    def job(self) -> Job:
        """The job as it stands."""
        found = self.chain.state().job(self.job_id)
        assert found is not None
        return found

    @property
    def disputes(self) -> list[Dispute]:
        """Its disputes as they stand."""
        return [row for _, row in disputes_of(self.chain.state(), self.job_id)]

    def service(self, name: str, *, audit_bps: int = 0) -> Disputes:
        """Return the service of an account, honest unless `oracles` says otherwise."""
        signal, blobs = BlockSignal(), FakeBlobs([self._content])
        self._signals.append(signal)
        sender = Sender(self.chain, seed_of(name), signal)
        tasks = Tasks(self.chain, blobs, Withholding(self.chain, blobs, sender, signal))
        oracle = self.oracles.setdefault(name, Oracle(played.truth(self.class_)))
        examiner = Examiner(self.chain, tasks, oracle)
        ports = DisputePorts(chain=self.chain, examiner=examiner, sender=sender, blocks=signal)
        return Disputes(ports, ClaimJournal(self._folder / name), audit_bps=audit_bps)

    async def start(self, nursery: trio.Nursery, *names: str, audit_bps: int = 0) -> None:
        """Start services."""
        for name in names:
            nursery.start_soon(self._run, name, audit_bps)
        await trio.testing.wait_all_tasks_blocked()

    async def _run(self, name: str, audit_bps: int) -> None:
        with trio.CancelScope() as self._scopes[name]:
            self.services[name] = self.service(name, audit_bps=audit_bps)
            await self.services[name].run()

    def stop(self, name: str) -> None:
        """End a service, as a power cut would."""
        self._scopes[name].cancel()

    def lose_input(self) -> None:
        """From now on nobody serves the job's input."""
        del self._content.held[played.CONTENT.held.content.root]

    def beat(self, *, passed_ms: int = STEP_MS) -> None:
        """Make a block so long after the last one."""
        self.chain.step(passed_ms=passed_ms)
        for signal in self._signals:
            signal.ring()

    async def until(self, done: Callable[[], bool], *, at_most: int = BLOCKS_MAX) -> None:
        """Make blocks until something holds."""
        for _ in range(at_most):
            await trio.testing.wait_all_tasks_blocked()
            if done():
                return
            self.beat()
        raise AssertionError(f"not within {at_most} blocks: {self.job.state.name}, {self.job.outcome}")


@asynccontextmanager
async def sitting(
    folder: Path,
    provider: played.Held | None = None,
    verdicts: list[Decision] | None = None,
    *,
    class_: Class = Class.NATIVE,
) -> AsyncIterator[tuple[Bench, trio.Nursery]]:
    """Give a bench about a job whose parties have all revealed; without a provider's values about none yet."""
    world = played.a_world(parameters=played.NEVER_DRAWN)
    job_id = b""
    if provider is None:
        world.trust(played.PROVIDER, 10**9)
    else:
        job_id = played.a_job_played(world, provider, verdicts or [Decision.ACCEPT] * 3, class_=class_)
    async with trio.open_nursery() as nursery:
        yield Bench(folder, world, job_id, class_), nursery
        nursery.cancel_scope.cancel()


async def not_drawn(bench: Bench, provider: played.Held) -> None:
    """Have a job go undrawn, and its values revealed."""
    world = bench.chain.world
    wanted = change(
        kit.a_submission(provider=played.PROVIDER, tier=Tier.SPOT),
        model=model_id(played.MODEL),
        lowering=lowering_id(played.LOWERING),
        input=played.CONTENT.held.content,
    )
    bench.job_id = world.must("client", wanted)
    mine = played.packed(provider, played.PROVIDER)
    world.must(played.PROVIDER, JobAccept(job=bench.job_id, price=played.PRICE))
    commits = mine.commitment(world.charter, bench.job_id, played.PROVIDER)
    world.must(played.PROVIDER, JobCommit(job=bench.job_id, commitment=commits))
    await bench.until(lambda: bench.job.state is JobState.REVEALING)
    reveal = ProviderReveal(job=bench.job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs)
    await bench.chain.submit(world.sign(played.PROVIDER, reveal))


WORKERS = tuple(f"worker {at}" for at in range(12))
