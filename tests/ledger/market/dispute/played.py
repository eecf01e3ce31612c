"""Jobs on a real small program, and disputes about them that are played to their end on the pure ledger."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ledger.market.dispute.duel import acted
from ledger.market.dispute.hearing import side_of
from ledger.market.dispute.payloads import (
    WHOLE,
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputePayload,
    DisputeTell,
    Subject,
    claim_commitment,
    dispute_id,
)
from ledger.market.dispute.records import Dispute, DisputeStage, Duel, DuelStep, Part
from ledger.market.dispute.rows import find_dispute
from ledger.parameters import Parameters, Tier, Tiers, TierTerms
from ledger.records import JobState
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    ModelPublish,
    ProviderReveal,
    Receipt,
    VerifierCommit,
    VerifierReveal,
)
from primitives import codec
from primitives.hashing import sha256
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import NO_CUT, Values, World
from tests.vm.claims import sides
from tests.vm.claims.sides import Honest, Liar
from tests.vm.referee.jobs import a_job, canonical_cut, cut_of, inputs_of, outputs_of, runs_of
from vm.canonical.arrays import Array
from vm.layout import Layout
from vm.lowering import TOLERANCE_LEAST, CutValue, Lowering, classes_of, lowering_id
from vm.manifest import Class, Model, Port, Provenance, Ratio, model_id
from vm.program import outline_root
from vm.referee.blaming import outputs_differ, worst
from vm.referee.defence import Beyond
from vm.referee.showing import Content, defence, rows_tree
from vm.referee.tracing import root_of
from vm.referee.witness import Papers, Shown
from vm.tensor import ROOT_LEAF_BYTES, TensorType
from vm.trace import Window, part_width, trace_root
from vm.trace import tell as told_parts

PROVIDER = "worker 0"
PRICE = KARAT // 2
TOLERANCE = Ratio(numerator=1, denominator=10_000)
JOB = a_job()
PROGRAM, PAPERS = JOB.program, Papers(JOB.program, JOB.constants)
CONTENT = inputs_of(JOB)
CUT = canonical_cut(JOB)
OUTPUT_TYPES = [PROGRAM.type_of(value) for value in PROGRAM.outputs]
NEVER_DRAWN = Parameters(tiers=Tiers(spot=TierTerms(q_bps=1, k=1, bond_multiple=12)), audit_trust=1)
"""Nearly: a provider that is trusted is drawn one time in ten thousand in tier spot."""


def _ports(letter: str, types: Sequence[TensorType]) -> list[Port]:
    return [Port(name=f"{letter}{at}".encode(), dtype=each.dtype, shape=each.shape) for at, each in enumerate(types)]


MODEL = Model(
    file=kit.a_model().file,
    inputs=_ports("x", PROGRAM.inputs),
    outputs=_ports("out", OUTPUT_TYPES),
    licence=b"MIT",
    provenance=Provenance(parents=[], datasets=[], training_jobs=[]),
    publisher=kit.address("publisher"),
)
LOWERING = kit.a_lowering(
    MODEL,
    inputs=PROGRAM.inputs,
    outputs=OUTPUT_TYPES,
    program_root=outline_root(PAPERS.outline),
    constants_root=PAPERS.outline.constants_root,
    classes=classes_of([Class.NATIVE, Class.EXACT]),
    cut=[CutValue(name=b"cut0", type=PROGRAM.type_of(PROGRAM.cut[0]))],
    tolerance=TOLERANCE,
)


def _subject(class_: Class, cut: Sequence[Array] | None = None) -> sides.Subject:
    """Return what a dispute is about: the whole, or the tail of values at the cut."""
    content = None if cut is None else cut_of(cut)
    native = class_ is Class.NATIVE and cut is None
    return sides.Subject("a job", PAPERS, JOB.constants, JOB.inputs, CONTENT, LOWERING, native, content)


@cache
def truth(class_: Class = Class.NATIVE) -> Honest:
    """Return the canonical runs of the job."""
    return Honest(_subject(class_))


def tail(cut: Sequence[Array]) -> Honest:
    """Return what follows from values at the cut."""
    return Honest(_subject(Class.NATIVE, cut), cut)


def with_a_nan() -> tuple[Content, Honest]:
    """Return another input, with a NaN, and the canonical runs on it."""
    x = np.array(JOB.inputs[0])
    x[0, 0] = np.nan
    job = JOB._replace(inputs=[x])
    content = inputs_of(job)
    return content, Honest(_subject(Class.NATIVE)._replace(inputs=job.inputs, content=content))


def lie(number: int = 1, element: int = 0, *, bit: int = 0, of: Honest | None = None) -> Liar:
    """Return who claims the same with one bit of one operation's result changed, in the first run."""
    runs = truth() if of is None else of
    liar, value = Liar(runs), PROGRAM.first_result + number
    [array] = runs.values([value], perturbed=False).values()
    other = np.array(array)
    other.reshape(-1).view(np.uint8).reshape(other.size, -1)[element, 0] ^= 1 << bit
    liar.change(value, other, perturbed=False)
    told = list(liar.digests(perturbed=False))
    told[number] = root_of(other)
    liar.say(perturbed=False, digests=told)
    return liar


class Held(NamedTuple):
    """What a party computed."""

    cut: list[Array]
    outputs: list[Array]


def right() -> Held:
    """Return the canonical values."""
    return Held(CUT, truth().outputs or [])


def off_by(sigma: float, element: int = 0, *, down: bool = False) -> Held:
    """Return values of which one is off by about so many σ, with the outputs that follow from them."""
    sign = -1 if down else 1
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        cut = _moved(sign * middle, element)
        found = worst(truth(), cut_of(cut), TOLERANCE).thousandths
        low, high = (middle, high) if found < sigma * 1000 else (low, middle)
    cut = _moved(sign * high, element)
    return Held(cut, runs_of(JOB, cut=cut).outputs or [])


def _moved(by: float, element: int) -> list[Array]:
    found = np.array(CUT[0])
    found.reshape(-1)[element] += np.float32(by)
    return [found]


def wrong_label() -> Held:
    """Return the right values at the cut, with a label that does not follow from them."""
    label = np.array(right().outputs[2])
    label[0] += 1
    return Held(CUT, [*right().outputs[:2], label])


def packed(held: Held, name: str, class_: Class = Class.NATIVE) -> Values:
    """Return values as their party commits to them."""
    cut = cut_of(held.cut).raw if class_ is Class.NATIVE else NO_CUT
    return Values(cut=cut, outputs=outputs_of(held.outputs).raw, salt=sha256(b"salt of " + name.encode()))


TIGHT = change(LOWERING, tolerance=TOLERANCE_LEAST)
"""A lowering that tolerates some 16 σ, where two honest machines may be as far apart."""


def a_world(*, workers: int = 12, parameters: Parameters | None = None, lowering: Lowering = LOWERING) -> World:
    """Return a world in which the model is published."""
    world = kit.a_world(kit.a_genesis(workers=workers, accounts=PEOPLE, parameters=parameters))
    world.must("publisher", ModelPublish(model=MODEL, lowering=lowering))
    return world


PEOPLE = ("client", "publisher", "stranger", *(f"challenger {at}" for at in range(9)))


def a_job_played(
    world: World,
    provider: Held,
    verdicts: Sequence[Decision] = (Decision.ACCEPT,) * 3,
    *,
    verifiers: dict[int, Held] | None = None,
    class_: Class = Class.NATIVE,
    tier: Tier = Tier.HIGH,
    at_risk: int = 0,
    canary: bytes = bytes(32),
    content: Content = CONTENT,
    price: int = PRICE,
    lowering: Lowering = LOWERING,
) -> bytes:
    """Return a job of which all parties have revealed; verifiers hold the right values unless they are given others."""
    wanted = change(
        kit.a_submission(provider=PROVIDER, class_=class_, tier=tier, at_risk=at_risk),
        model=model_id(MODEL),
        lowering=lowering_id(lowering),
        input=content.held.content,
        canary=canary,
    )
    job_id = world.must("client", wanted)
    mine = packed(provider, PROVIDER, class_)
    world.must(PROVIDER, JobAccept(job=job_id, price=price))
    world.must(PROVIDER, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, PROVIDER)))
    world.until(lambda _: world.job(job_id).state is not JobState.COMMITTED)
    drawn = drawn_of(world, job_id)
    held = {name: packed((verifiers or {}).get(at, right()), name, class_) for at, name in enumerate(drawn)}
    for name, values in held.items():
        world.must(name, VerifierCommit(job=job_id, commitment=values.commitment(world.charter, job_id, name)))
    world.must(PROVIDER, ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs))
    for (name, values), verdict in zip(held.items(), verdicts, strict=False):
        shown = VerifierReveal(job=job_id, salt=values.salt, cut=values.cut, outputs=values.outputs, verdict=verdict)
        world.must(name, shown)
    return job_id


def drawn_of(world: World, job_id: bytes) -> list[str]:
    """Return the verifiers of a job."""
    return [world.name(each.worker) for each in world.job(job_id).verifiers]


class Court:
    """One dispute in a world, and who claims what in it."""

    def __init__(self, world: World, job_id: bytes, subject: Subject = WHOLE, *, cut: Content | None = None) -> None:
        self.world, self.job_id, self.subject, self.cut = world, job_id, subject, cut
        self.id = dispute_id(job_id, subject)
        self.claims: dict[str, Honest] = {}
        self.silent: set[str] = set()
        """Who does nothing in duels."""
        for at in range(9):
            world.names[kit.address(f"challenger {at}")] = f"challenger {at}"

    @property
    def dispute(self) -> Dispute:
        """The dispute as it stands."""
        found = find_dispute(self.world.state, self.id)
        assert found is not None
        return found

    def claim(self, name: str, runs: Honest) -> None:
        """Commit to what somebody's runs say."""
        self.claims[name] = runs
        self.world.must(name, self.a_claim(name, runs))

    def a_claim(self, name: str, runs: Honest) -> DisputeClaim:
        """Return somebody's claim."""
        committed = claim_commitment(
            genesis=self.world.charter.hash,
            dispute=self.id,
            claimant=kit.address(name),
            root=trace_root(runs.trace),
            salt=sha256(name.encode()),
        )
        return DisputeClaim(job=self.job_id, subject=self.subject, commitment=committed)

    def drawn(self) -> list[str]:
        """Return the workers that are drawn, when they are."""
        self.world.until(lambda _: self.dispute.stage is not DisputeStage.DRAWING)
        return [self.world.name(each.who) for each in self.dispute.claims if each.role.name == "DRAWN"]

    def all_drawn_claim(self, runs: Honest) -> list[str]:
        """Have all drawn workers claim the same, and return them."""
        drawn = self.drawn()
        for name in drawn:
            self.claim(name, runs)
        return drawn

    def an_opening(self, name: str, runs: Honest | None = None) -> DisputeOpen:
        """Return the opening of somebody's claim."""
        told = self.claims[name] if runs is None else runs
        return DisputeOpen(dispute=self.id, outline=PAPERS.outline, trace=told.trace, salt=sha256(name.encode()))

    def open_all(self, *, but: Sequence[str] = ()) -> None:
        """Have all claims opened but some."""
        self.world.until(lambda _: self.dispute.stage is DisputeStage.OPENING, at_most=1_000)
        for name in self.claims:
            if name not in but:
                self.world.must(name, self.an_opening(name))

    def fight(self) -> None:
        """Have everybody do in all duels what they can, until those are over."""
        while self.dispute.stage is DisputeStage.DUEL:
            moves = [move for move in map(self.move, self.claims) if move is not None]
            if not moves:
                self.world.block()
            for name, payload in moves:
                self.world.do(name, payload)

    def move(self, name: str) -> tuple[str, DisputePayload] | None:
        """Return what somebody can do now for a trace that a duel asks."""
        fought = self.dispute.duel
        if fought is None or name in self.silent:
            return None
        runs = self.claims[name]
        root = trace_root(runs.trace)
        at = side_of(self.dispute, root)
        if at is None or acted(fought, at):
            return None
        payload = self._payload(fought, at, runs, root, name)
        return None if payload is None else (name, payload)

    def _payload(self, fought: Duel, at: int, runs: Honest, root: bytes, name: str) -> DisputePayload | None:
        match fought.step:
            case DuelStep.RUN | DuelStep.ROWS | DuelStep.VALUE:
                return self._tells(fought, at, runs, root)
            case DuelStep.LEAF:
                shown = _value(fought, runs)
                leaf = shown.data[fought.low * ROOT_LEAF_BYTES : (fought.low + 1) * ROOT_LEAF_BYTES]
                return DisputeLeaf(dispute=self.id, root=root, leaf=leaf)
            case DuelStep.DEFENCE:
                asked = fought.sides[at].asked
                assert asked is not None
                places = [place for place, each in enumerate(self.dispute.claims) if each.who == kit.address(name)]
                if places[0] in fought.sides[at].tried:
                    return None
                proof = defence(runs, asked, runs.job.content, self.cut)
                return None if proof is None else DisputeDefend(dispute=self.id, root=root, proof=codec.encode(proof))

    def _tells(self, fought: Duel, at: int, runs: Honest, root: bytes) -> DisputeTell:
        window, type_ = Window(fought.low, fought.sides[at].high), None
        if fought.step is DuelStep.RUN:
            roots = told_parts(runs.tree(perturbed=fought.part is Part.PERTURBED), window, fought.width)
        elif fought.step is DuelStep.ROWS:
            [noise] = runs.noises([fought.place])
            roots = told_parts(rows_tree(noise.rows()), window, fought.width)
        else:
            shown = _value(fought, runs)
            whole = Window(0, len(shown.tree))
            type_ = None if fought.width else shown.type
            roots = told_parts(shown.tree, window if fought.width else whole, fought.width or part_width(whole))
        return DisputeTell(dispute=self.id, root=root, roots=roots, value_type=type_)

    def prove(self, name: str, party: str, proof: Beyond | None) -> Receipt:
        """Put a proof about a party before the referee."""
        assert proof is not None
        payload = DisputeBeyond(dispute=self.id, party=kit.address(party), proof=codec.encode(proof))
        return self.world.do(name, payload)

    def prove_deviation(self, name: str, party: str, held: Held) -> None:
        """Prove the worst of a party's values at the cut."""
        assert self.prove(name, party, worst(truth(), cut_of(held.cut), TOLERANCE).proof).ok

    def prove_outputs(self, name: str, party: str, held: Held, runs: Honest) -> None:
        """Prove a party's outputs to be others than those of some runs."""
        assert self.prove(name, party, outputs_differ(runs, outputs_of(held.outputs))).ok

    def finish(self) -> None:
        """Wait until the dispute is decided, and with the job's last one the job."""

        def over() -> bool:
            job = self.world.job(self.job_id)
            ended = job.disputes > 0 or job.state is not JobState.DISPUTED
            return self.dispute.stage is DisputeStage.DECIDED and ended

        self.world.until(lambda _: over(), at_most=1_000)


def _value(fought: Duel, runs: Honest) -> Shown:
    """Return the value that a step is about, as somebody has it."""
    value = fought.place if fought.part is Part.INPUT else runs.program.first_result + fought.number
    return runs.exhibit([value], perturbed=fought.part is Part.PERTURBED).shown(value)


def nothing_cut() -> Content:
    """Return the cut of a job in class exact."""
    return Content(NO_CUT, Layout([], []))
