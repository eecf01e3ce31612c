"""Builders for tests and simulations of the ledger: a genesis with known keys, transactions, jobs, a chain to run."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count

from ledger.chain import Chain, FinalBlock, start_chain
from ledger.fees import PIECE_BYTES, gas_of
from ledger.genesis import Charter, Genesis, GenesisAccount, GenesisValidator, GenesisWorker, charter_of
from ledger.market.commitment import commitment
from ledger.market.dispute.rows import disputes
from ledger.market.order_payloads import BatchItem, BatchSubmit
from ledger.market.withheld.records import Filing
from ledger.onion import Onion, grow, reveal
from ledger.parameters import K_MAX, Parameters, Tier
from ledger.records import Account, Job, JobState, Worker
from ledger.stake.records import Evidence, Pool, Validator
from ledger.state import ACCOUNT, POOL, VALIDATOR, WITHHELD, MemoryReader, State, change, track_key
from ledger.transaction import (
    Body,
    Decision,
    JobAccept,
    JobCommit,
    JobSubmit,
    ModelPublish,
    Payload,
    ProviderReveal,
    Receipt,
    Transfer,
    VerifierCommit,
    VerifierReveal,
    open_transaction,
    sign_transaction,
)
from primitives import codec, ed25519
from primitives.address import address_of
from primitives.content import ContentId, content_id
from primitives.hashing import sha256
from primitives.units import KARAT
from vm.cost import Cost
from vm.lowering import CutValue, Lowering, classes_of, lowering_id
from vm.manifest import FREE, Class, Model, Port, Provenance, Ratio, model_id
from vm.tensor import Bundle, DType, NamedTensor, Tensor, TensorType
from vm.tiles import Tile

GENESIS_MS = 1_790_000_000_000
ONION_LAYERS = 4_096
RICH = 1_000 * KARAT
WORKER_BOND = 100 * KARAT
BLOCKS_OF_A_JOB = 900
"""Of a second each: a job that is not drawn ends with its challenge window."""
OUTPUTS = 20
"""Elements of the builders' model: enough for a row to have a scale of its own."""
CUT_NAME = b"logits"
TOLERANCE = Ratio(numerator=1, denominator=10_000)
ROW = TensorType(dtype=DType.FLOAT32, shape=[1, OUTPUTS])
"""Inputs, cut and outputs of the builders' model."""
OUTPUT_NAME = b"scores"


def seed_of(name: str) -> bytes:
    """Return the secret seed of somebody named in a test."""
    return sha256(b"seed of " + name.encode())


@cache
def key_of(name: str) -> bytes:
    """Return the public key of somebody named in a test."""
    return ed25519.public_key_of(seed_of(name))


@cache
def address(name: str) -> bytes:
    """Return the address of somebody named in a test."""
    return address_of(key_of(name))


@cache
def onion_of(index: int) -> Onion:
    """Return the onion of a validator."""
    return grow(seed_of(f"onion {index}"), layers=ONION_LAYERS)


def a_worker(name: str, **changed: int | bytes) -> GenesisWorker:
    """Return a genesis worker with a free account's key."""
    fields: dict[str, int | bytes] = {
        "address": address(name),
        "operator": address(name),
        "peer": key_of(f"peer of {name}"),
        "bond": WORKER_BOND,
        "capacity": 4,
        "ask": KARAT // 100,
        "gas_ask": 0,
        "classes": classes_of([Class.NATIVE, Class.EXACT]),
        "max_model_bytes": 256 * 1024 * 1024,
    }
    return GenesisWorker(**{**fields, **changed})  # type: ignore[arg-type]  # a builder: any field by its name


def a_genesis(
    *,
    validators: int = 4,
    workers: int = 5,
    accounts: Sequence[str] = ("client", "publisher"),
    parameters: Parameters | None = None,
    stakes: Sequence[int] | None = None,
) -> Genesis:
    """Return a genesis: validators "validator 0"..., workers "worker 0"..., and rich named accounts."""
    names = [*accounts, *(f"worker {at}" for at in range(workers))]
    given = stakes or [RICH] * validators
    return Genesis(
        prefix="dasy",
        name=b"a test",
        timestamp_ms=GENESIS_MS,
        validators=[
            GenesisValidator(
                key=key_of(f"validator {at}"),
                stake=stake,
                onion_tip=onion_of(at).tip,
                peer=key_of(f"peer of validator {at}"),
                operator=address(f"validator {at}"),
            )
            for at, stake in enumerate(given)
        ],
        beacon=sha256(b"the first beacon"),
        accounts=[GenesisAccount(address=address(name), balance=RICH) for name in names],
        workers=[a_worker(f"worker {at}") for at in range(workers)],
        parameters=parameters or Parameters(),
    )


def a_body(name: str, payload: Payload, *, nonce: int, time_ms: int = GENESIS_MS, tip: int = 0) -> Body:
    """Return what somebody signs; the fee cap leaves room for the tip."""
    return Body(
        sender=key_of(name),
        nonce=nonce,
        fee_cap=Parameters().base_fee_min + tip,
        tip=tip,
        valid_until=time_ms + 60_000,
        payload=payload,
    )


def least_fee(payload: Payload, *, pieces: int = 1) -> int:
    """Return what a transaction of so many pieces of 256 bytes costs while blocks are not half full."""
    return gas_of(payload, pieces * PIECE_BYTES) * Parameters().base_fee_min


def a_transfer(charter: Charter, *, payer: str, payee: str, amount: int, nonce: int) -> bytes:
    """Return a signed transfer."""
    payload = Transfer(to=address(payee), amount=amount)
    return sign_transaction(seed_of(payer), charter.hash, a_body(payer, payload, nonce=nonce))


def a_model(publisher: str = "publisher", *, file: bytes = b"an ONNX file") -> Model:
    """Return a model of one row of numbers in and one out."""
    return Model(
        file=content_id(file),
        inputs=[Port(name=b"x", dtype=DType.FLOAT32, shape=[FREE, OUTPUTS])],
        outputs=[Port(name=OUTPUT_NAME, dtype=DType.FLOAT32, shape=[FREE, OUTPUTS])],
        licence=b"Apache-2.0",
        provenance=Provenance(parents=[], datasets=[], training_jobs=[]),
        publisher=address(publisher),
    )


def a_cost(**changed: int) -> Cost:
    """Return the cost of a program so small that it takes no time on top of the deadlines."""
    counts = {"macs": 400, "elementary": 20, "moved_bytes": 2_000, "operations": 4, "steps": 4, "peak_bytes": 2_000}
    fields = {**counts, "trace_bytes": 320, "nodes": 3, "gas": 0, "native_gas": 0, **changed}
    return Cost(**fields)


def a_lowering(of: Model | None = None, **changed: object) -> Lowering:
    """Return what jobs of `a_model` mean for one row."""
    lowering = Lowering(
        model=model_id(of or a_model()),
        vm_version=1,
        inputs=[ROW],
        outputs=[ROW],
        program_root=sha256(b"a program"),
        constants_root=sha256(b"its constants"),
        classes=classes_of([Class.NATIVE, Class.EXACT]),
        cut=[CutValue(name=CUT_NAME, type=ROW)],
        tolerance=TOLERANCE,
        cost=a_cost(),
        worst=Tile(proof_bytes=1_000, steps=20, flops=40, operation=1),
    )
    return change(lowering, **changed)


def a_publication(publisher: str = "publisher", *, file: bytes = b"an ONNX file") -> ModelPublish:
    """Return the publication of `a_model`."""
    model = a_model(publisher, file=file)
    return ModelPublish(model=model, lowering=a_lowering(model))


def a_bundle(name: bytes, values: Sequence[float], *, rows: int = 1) -> bytes:
    """Return an encoded bundle of one float32 row, or of the same row several times."""
    data = struct.pack(f"<{len(values)}f", *values) * rows
    tensor = Tensor(dtype=DType.FLOAT32, shape=[rows, len(values)], data=data)
    return codec.encode(Bundle(tensors=[NamedTensor(name=name, tensor=tensor)]))


def an_input() -> ContentId:
    """Return the id of some input."""
    return content_id(b"an input")


@dataclass(frozen=True, kw_only=True)
class Values:
    """What one party computed, as it commits to it and reveals it."""

    cut: bytes
    outputs: bytes
    salt: bytes

    def commitment(self, charter: Charter, job: bytes, name: str) -> bytes:
        """Return the commitment of somebody to these values."""
        return commitment(
            genesis=charter.hash,
            job=job,
            worker=address(name),
            cut=self.cut,
            outputs=self.outputs,
            salt=self.salt,
        )


NO_CUT = codec.encode(Bundle(tensors=[]))
"""The cut of a job in class exact."""


def values(name: str, *, shift: float = 0.0, class_: Class = Class.NATIVE) -> Values:
    """Return the honest values, with `shift` added to the first element at the cut."""
    row = [1.0 + at / OUTPUTS for at in range(OUTPUTS)]
    return Values(
        cut=a_bundle(CUT_NAME, [row[0] + shift, *row[1:]]) if class_ is Class.NATIVE else NO_CUT,
        outputs=a_bundle(OUTPUT_NAME, [each / 2 for each in row]),
        salt=sha256(b"salt of " + name.encode()),
    )


@dataclass(kw_only=True)
class World:
    """A chain in memory whose every block is final at once; validators propose in turn."""

    charter: Charter
    chain: Chain
    reader: MemoryReader
    now_ms: int = GENESIS_MS
    names: dict[bytes, str] = field(default_factory=dict)
    finals: list[FinalBlock] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Return the state after the last block."""
        return self.chain.head.state

    def sign(self, name: str, payload: Payload, *, ahead: int = 0, tip: int = 0) -> bytes:
        """Return a transaction of somebody with their next nonce, or one `ahead` of it."""
        nonce = self.state.account(address(name)).nonce + ahead
        body = a_body(name, payload, nonce=nonce, time_ms=self.now_ms, tip=tip)
        return sign_transaction(seed_of(name), self.charter.hash, body)

    def block(
        self,
        *transactions: bytes,
        passed_ms: int = 1_000,
        view: int | None = None,
        proposer: int | None = None,
        evidence: Sequence[Evidence] = (),
    ) -> FinalBlock:
        """Propose, check and finalize a block `passed_ms` after the last; its view is the next one by default."""
        self.now_ms += passed_ms
        head = self.chain.head
        members = self.state.validators().members
        proposer = head.header.height % len(members) if proposer is None else proposer
        block = self.chain.propose(
            head.id,
            view=head.child_parent_view + 1 if view is None else view,
            transactions=transactions,
            now_ms=self.now_ms,
            proposer=proposer,
            reveal=self.reveal_of(members[proposer].validator),
            evidence=evidence,
        )
        outcome = self.chain.check(block, now_ms=self.now_ms)
        (final,) = self.chain.finalize(outcome.id)
        self.reader.write(outcome.writes)
        self.finals.append(final)
        return final

    def reveal_of(self, validator: bytes) -> bytes:
        """Return the next layer of a validator (by address): its onion is one of `onion_of`."""
        tip = self.state.tip(validator)
        return reveal(next(onion for onion in map(onion_of, count()) if onion.tip == tip.onion), tip.reveals)

    def blocks(self, number: int, *, passed_ms: int = 1_000) -> None:
        """Finalize empty blocks."""
        for _ in range(number):
            self.block(passed_ms=passed_ms)

    def until(self, done: Callable[[State], bool], *, at_most: int = 200) -> None:
        """Finalize empty blocks until something holds of the state."""
        for _ in range(at_most):
            if done(self.state):
                return
            self.block()
        raise AssertionError(f"not within {at_most} blocks")

    def do(self, name: str, payload: Payload) -> Receipt:
        """Have somebody's transaction executed in a block of its own and return its receipt."""
        final = self.block(self.sign(name, payload))
        assert len(final.outcome.receipts) == 1, "the transaction can't stand in a block"
        return final.outcome.receipts[0]

    def must(self, name: str, payload: Payload) -> bytes:
        """Do the same; it has to succeed. Return the transaction's id."""
        receipt = self.do(name, payload)
        assert receipt.ok, receipt
        return receipt.transaction

    def name(self, who: bytes) -> str:
        """Return the name of an address that this world uses."""
        return self.names[who]

    def job(self, job_id: bytes) -> Job:
        """Return a job that exists."""
        job = self.state.job(job_id)
        assert job is not None
        return job

    def trust(self, name: str, jobs: int) -> None:
        """Give a provider the record of so many jobs that were verified and settled."""
        old = change(self.state.track(address(name)), settled=jobs, trusted=jobs)
        self.reader.write({track_key(address(name)): codec.encode(old)})
        self.state.rebase(self.reader)

    def worker(self, name: str) -> Worker:
        """Return a worker that is registered."""
        worker = self.state.worker(address(name))
        assert worker is not None
        return worker

    def balance(self, name: str) -> int:
        """Return somebody's balance."""
        return self.state.account(address(name)).balance


def a_world(genesis: Genesis | None = None) -> World:
    """Return a world at genesis."""
    chosen = genesis or a_genesis()
    charter = charter_of(chosen)
    chain, reader = start_chain(charter)
    people = ["client", "publisher", "stranger", *(f"worker {at}" for at in range(20))]
    names = {address(each): each for each in people}
    return World(charter=charter, chain=chain, reader=reader, names=names)


def a_submission(
    *,
    provider: str | None = "worker 0",
    max_price: int = KARAT,
    class_: Class = Class.NATIVE,
    tier: Tier = Tier.HIGH,
    at_risk: int = 0,
) -> JobSubmit:
    """Return a job on `a_model`."""
    return JobSubmit(
        model=model_id(a_model()),
        lowering=lowering_id(a_lowering()),
        input=an_input(),
        tier=tier,
        class_=class_,
        max_price=max_price,
        provider=None if provider is None else address(provider),
        at_risk=at_risk,
        reply_key=None,
        canary=bytes(32),
    )


def a_batch(*inputs: bytes, provider: str | None = "worker 0", **changed: object) -> BatchSubmit:
    """Return a batch of such jobs, one for each input."""
    one = a_submission(provider=provider)
    batch = BatchSubmit(
        model=one.model,
        lowering=one.lowering,
        tier=one.tier,
        class_=one.class_,
        max_price=one.max_price,
        provider=one.provider,
        at_risk=one.at_risk,
        reply_key=one.reply_key,
        items=[BatchItem(input=content_id(each), canary=sha256(each)) for each in inputs],
    )
    return change(batch, **changed)


@dataclass(frozen=True, kw_only=True)
class Script:
    """How the parties of a job behave: where they fall silent, and what they computed."""

    accepts: bool = True
    commits: bool = True
    reveals: bool = True
    verifiers_commit: int = K_MAX
    verifiers_reveal: int = K_MAX
    provider_shift: float = 0.0
    """Beyond the tolerance, or 0."""
    price: int = KARAT // 2
    class_: Class = Class.NATIVE
    tier: Tier = Tier.HIGH


def publish(world: World) -> None:
    """Publish `a_model`, unless it is published."""
    if world.state.model(model_id(a_model())) is None:
        world.must("publisher", a_publication())


def run_job(world: World, script: Script | None = None, *, provider: str = "worker 0") -> bytes:
    """Run a whole job by its script until it has ended, and return its id."""
    plays = script or Script()
    publish(world)
    job_id = world.must("client", a_submission(provider=provider, class_=plays.class_, tier=plays.tier))
    mine = values(provider, shift=plays.provider_shift, class_=plays.class_)
    if plays.accepts:
        world.must(provider, JobAccept(job=job_id, price=plays.price))
    if plays.accepts and plays.commits:
        world.must(provider, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, provider)))
        world.until(lambda state: _known(state, job_id).state is not JobState.COMMITTED)
        play_verifiers(world, job_id, plays, provider, mine)
    world.until(lambda state: _known(state, job_id).outcome is not None, at_most=BLOCKS_OF_A_JOB)
    return job_id


def play_verifiers(world: World, job_id: bytes, plays: Script, provider: str, mine: Values) -> None:
    """Play the verifiers, and the provider's reveal."""
    drawn = [world.name(each.worker) for each in world.job(job_id).verifiers]
    for name in drawn[: plays.verifiers_commit]:
        commits = values(name, class_=plays.class_).commitment(world.charter, job_id, name)
        world.must(name, VerifierCommit(job=job_id, commitment=commits))
    if not plays.reveals or (drawn and not plays.verifiers_commit):
        return
    world.until(lambda state: _known(state, job_id).state.name == "REVEALING")
    world.must(provider, ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs))
    verdict = Decision.REJECT if plays.provider_shift else Decision.ACCEPT
    for name in drawn[: min(plays.verifiers_commit, plays.verifiers_reveal)]:
        own = values(name, class_=plays.class_)
        shown = VerifierReveal(job=job_id, salt=own.salt, cut=own.cut, outputs=own.outputs, verdict=verdict)
        world.must(name, shown)


def _known(state: State, job_id: bytes) -> Job:
    job = state.job(job_id)
    assert job is not None
    return job


def supply_of(state: State) -> int:
    """Return the sum of everything that holds grains; it must equal the supply in every state (S6)."""
    totals = state.totals()
    return (
        sum(row.balance for _, row in state.scan(Account, ACCOUNT))
        + sum(worker.bond for _, worker in state.workers())
        + sum(grains for _, _, grains in state.unbonding())
        + sum(job.escrow + job.forfeited for _, job in state.jobs())
        + sum(dispute.escrow for _, dispute in disputes(state))
        + sum(filing.carriage for _, filing in state.scan(Filing, WITHHELD))
        + sum(validator.stake for _, validator in state.scan(Validator, VALIDATOR))
        + sum(pool.stake for _, pool in state.scan(Pool, POOL))
        + totals.rewards
        + totals.burned
        + totals.protocol
    )


def transaction_id_of(charter: Charter, raw: bytes) -> bytes:
    """Return the id of an encoded transaction."""
    return open_transaction(raw, charter.hash).id
