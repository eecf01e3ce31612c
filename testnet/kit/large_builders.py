"""Builders for jobs with large values: they go on the chain by their ids, and leaves of them are opened."""

from dataclasses import dataclass

from ledger.market.judging import SEAL_BYTES
from ledger.market.sampling import picked_leaves
from ledger.records import JobState
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    JobSubmit,
    LoweringPublish,
    Payload,
    ProviderReveal,
    SampleOpen,
    VerifierCommit,
    VerifierReveal,
)
from primitives.content import ContentId, Slice, content_id, cut_slice, tree_of
from primitives.hashing import sha256
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    CUT_NAME,
    NO_CUT,
    OUTPUT_NAME,
    OUTPUTS,
    Values,
    World,
    a_bundle,
    a_lowering,
    a_model,
    a_submission,
    publish,
)
from vm.lowering import CutValue, Lowering, lowering_id
from vm.manifest import Class
from vm.tensor import DType, TensorType

CUT_ROWS = 150
OUTPUT_ROWS = 3_000
REPLY_KEY = bytes([9]) + bytes(31)
PRICE = KARAT // 2


def a_large_lowering() -> Lowering:
    """Return what jobs of `a_model` mean for many rows: 12,000 bytes at the cut, and 240,000 of outputs."""
    many = TensorType(dtype=DType.FLOAT32, shape=[OUTPUT_ROWS, OUTPUTS])
    cut = CutValue(name=CUT_NAME, type=TensorType(dtype=DType.FLOAT32, shape=[CUT_ROWS, OUTPUTS]))
    return a_lowering(a_model(), inputs=[many], outputs=[many], cut=[cut])


def large_values(name: str, *, shift: float = 0.0, label: float = 0.0, class_: Class = Class.NATIVE) -> Values:
    """Return the honest values, the cut off by `shift` and the outputs by `label` in each row."""
    row = [1.0 + at / OUTPUTS for at in range(OUTPUTS)]
    return Values(
        cut=a_bundle(CUT_NAME, [row[0] + shift, *row[1:]], rows=CUT_ROWS) if class_ is Class.NATIVE else NO_CUT,
        outputs=a_bundle(OUTPUT_NAME, [row[0] / 2 + label, *row[1:]], rows=OUTPUT_ROWS),
        salt=sha256(b"salt of " + name.encode()),
    )


def a_large_submission(
    class_: Class = Class.NATIVE, *, reply_key: bytes | None = REPLY_KEY, provider: str | None = "worker 0"
) -> JobSubmit:
    """Return a job on the large lowering."""
    wanted = a_submission(class_=class_, provider=provider)
    fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    return JobSubmit(**{**fields, "lowering": lowering_id(a_large_lowering()), "reply_key": reply_key})


def a_seal(values: Values) -> ContentId:
    """Return the id of something as long as the sealed outputs."""
    return content_id(bytes(len(values.outputs) + SEAL_BYTES))


def provider_reveal(job: bytes, mine: Values, *, class_: Class = Class.NATIVE) -> ProviderReveal:
    """Return the provider's reveal of large values."""
    cut = content_id(mine.cut) if class_ is Class.NATIVE else mine.cut
    return ProviderReveal(job=job, salt=mine.salt, cut=cut, outputs=content_id(mine.outputs), sealed=a_seal(mine))


def verifier_reveal(
    job: bytes, mine: Values, verdict: Decision = Decision.ACCEPT, *, class_: Class = Class.NATIVE
) -> VerifierReveal:
    """Return a verifier's reveal of large values."""
    cut = content_id(mine.cut) if class_ is Class.NATIVE else mine.cut
    sealed = a_seal(mine) if verdict is Decision.ACCEPT else None
    outputs = content_id(mine.outputs)
    return VerifierReveal(job=job, salt=mine.salt, cut=cut, outputs=outputs, verdict=verdict, sealed=sealed)


def leaves(raw: bytes, numbers: list[int]) -> list[Slice]:
    """Return leaves of a bundle, each with its proof."""
    tree = tree_of(raw)
    return [cut_slice(raw, tree, number, 1) for number in numbers]


@dataclass(kw_only=True)
class LargeJob:
    """A job with large values in a world, played step by step."""

    world: World
    class_: Class = Class.NATIVE
    job: bytes = b""
    drawn: tuple[str, ...] = ()

    def verify(self, mine: Values) -> None:
        """Publish, order, accept, commit and draw; the provider holds `mine`, the verifiers the honest values."""
        world, provider = self.world, "worker 0"
        publish(world)
        world.must("publisher", LoweringPublish(lowering=a_large_lowering()))
        self.job = world.must("client", a_large_submission(self.class_))
        world.must(provider, JobAccept(job=self.job, price=PRICE))
        world.must(provider, JobCommit(job=self.job, commitment=mine.commitment(world.charter, self.job, provider)))
        world.until(lambda _: bool(world.job(self.job).verifiers))
        self.drawn = tuple(world.name(each.worker) for each in world.job(self.job).verifiers)
        for name in self.drawn:
            commits = self.own(name).commitment(world.charter, self.job, name)
            world.must(name, VerifierCommit(job=self.job, commitment=commits))

    def own(self, name: str) -> Values:
        """Return a verifier's values."""
        return large_values(name, class_=self.class_)

    def reveal(self, mine: Values, verdict: Decision = Decision.ACCEPT) -> None:
        """Have all parties reveal."""
        self.world.must("worker 0", provider_reveal(self.job, mine, class_=self.class_))
        for name in self.drawn:
            self.world.must(name, verifier_reveal(self.job, self.own(name), verdict, class_=self.class_))

    def pick(self) -> None:
        """Have the beacon pick."""
        assert self.world.job(self.job).state is JobState.SAMPLING
        self.world.until(lambda _: self.world.job(self.job).picked is not None)

    def opening(self, mine: Values) -> SampleOpen:
        """Return the opening of what was picked of these values."""
        job, state = self.world.job(self.job), self.world.state
        picked = picked_leaves(state, self.job, job, self.world.charter.parameters.sample_leaves)
        return SampleOpen(
            job=self.job,
            cut=leaves(mine.cut, picked.cut) if picked.cut else [],
            outputs=leaves(mine.outputs, picked.outputs),
        )

    def refused(self, name: str, payload: Payload) -> int:
        """Return the number of the reason for which somebody's act fails."""
        receipt = self.world.do(name, payload)
        assert receipt.reason
        return receipt.reason
