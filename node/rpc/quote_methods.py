"""The quote of a job: what it would cost, how it would be verified and how it may end."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ledger.market.quote import Quote, quote
from ledger.parameters import Tier
from ledger.transaction import JobSubmit
from node.rpc.failure import facts_of
from node.rpc.method import AddressText, Amount, HexHash, Length, Method, Shape
from node.rpc.services import Services
from node.rpc.views import Views
from primitives.address import parse_address
from primitives.content import ContentId
from primitives.hashing import ZERO_HASH
from primitives.units import NUMBER_MAX
from vm.manifest import Class

SOME_KEY = b"\x09" + bytes(31)
"""An X25519 public key, as every client's submission has one."""
TierName = Literal["spot", "standard", "high", "max"]
ClassName = Literal["native", "exact"]
Grains = Annotated[str, Meta(pattern="^[0-9]{1,19}$", description="Grains, in decimal.")]


class Wanted(Shape):
    """A job that somebody thinks of."""

    model: HexHash
    lowering: HexHash
    """For inputs of these shapes: see model.lowerings."""
    input_length: Length = 0
    """Of the encoded input; 0 if it is not known yet."""
    tier: TierName = "high"
    class_: ClassName = msgspec.field(name="class", default="native")
    max_price: Grains | None = None
    """Without it, one is proposed."""
    at_risk: Grains = "0"
    """What a false result may cost the client."""
    provider: AddressText | None = None
    client: AddressText | None = None
    """Who would order it; without one, it is taken for somebody who can pay."""


class RefusalShape(Shape):
    """A refusal, before it happens."""

    reason: int
    reason_name: str
    facts: dict[str, str | int | None]


class AskShape(Shape):
    """What a worker takes for the run."""

    worker: AddressText
    price: Amount
    free: bool
    """Whether it has a slot and enough bond free at its price now."""


class ChanceShape(Shape):
    """What comes of a false result if a part of the workers stands together with the provider."""

    percent: int
    """Of the workers that may verify."""
    all_collude_ppm: int
    """Millionths: that each verifier who is drawn is one of them."""
    undetected_ppm: int
    """Millionths: that no verifier rejects. Anybody may still challenge the result while its window is open."""


class PlanShape(Shape):
    """How the job would be verified."""

    tier: TierName
    k: int
    """Verifiers of a job that is drawn."""
    audit_bps: int
    """The chance that it is drawn, in hundredths of a per cent."""
    verifiers_now: int
    """Workers that could verify now."""
    verifiers_idle: int
    """Workers that could if all were idle."""
    dispute_workers: int
    """Fresh workers that a dispute could draw if all were idle; with fewer than three it may slash nobody."""
    chances: list[ChanceShape]


class DeadlineShape(Shape):
    """How long a job may stay in a state; then the chain moves it on."""

    state: str
    live_ms: int


class EndingShape(Shape):
    """What an ending brings each party, or costs it with a minus; grains, transaction fees aside."""

    outcome: str
    client: str
    provider: str
    verifier: str
    silent_verifier: str


class RulingShape(Shape):
    """What a dispute may come to, and what that brings each party, or costs it with a minus; grains, fees aside."""

    state: str
    """In which the job was challenged: contested by one of its verifiers, unverified, or settled, and so paid."""
    outcome: str
    client: str
    provider: str
    accepts: str | None
    """A verifier who accepts; None: there is none."""
    rejects: str | None
    """A verifier who rejects; None: there is none."""
    challenger: str
    """Who opened the dispute: of a ruling for the provider, with a false claim."""


class QuoteShape(Shape):
    """A quote. It binds nobody."""

    refusal: RefusalShape | None
    """With which the network would refuse the job now."""
    max_price: Amount
    """As given, else as proposed: half of those who could provide now take it."""
    asks: list[AskShape]
    """The cheapest first."""
    plan: PlanShape
    verifier_fees: Amount
    escrow: Amount
    """What the client pays in: the price cap and the verifiers' fees. What is not used comes back."""
    provider_bond: Amount
    """What the provider has at stake."""
    claim_bond: Amount
    """What who challenges the result holds: lost if the claim is wrong."""
    gas: int
    fee: Amount
    """Of the transaction that submits the job, at the base fee of the next block."""
    run_ms: int
    deadlines: list[DeadlineShape]
    endings: list[EndingShape]
    """Of a job that nobody disputes."""
    rulings: list[RulingShape]
    """Of one that somebody does."""


async def job_quote(services: Services, params: Wanted) -> QuoteShape:
    """Return what a job would cost, how it would be verified and how it may end; nothing is signed."""
    prefix = services.chain.genesis.prefix
    provider = None if params.provider is None else parse_address(params.provider, prefix)
    client = None if params.client is None else parse_address(params.client, prefix)
    wanted = JobSubmit(
        model=bytes.fromhex(params.model),
        lowering=bytes.fromhex(params.lowering),
        input=ContentId(root=ZERO_HASH, length=params.input_length),
        tier=Tier[params.tier.upper()],
        class_=Class[params.class_.upper()],
        max_price=min(int(params.max_price or 0), NUMBER_MAX),
        provider=provider,
        at_risk=min(int(params.at_risk), NUMBER_MAX),
        reply_key=SOME_KEY,
        canary=ZERO_HASH,
    )
    found = quote(services.charter, services.chain.state(), wanted, client=client, now_ms=services.now_ms())
    return _shape(found, params.tier, prefix)


def _shape(found: Quote, tier: TierName, prefix: str) -> QuoteShape:
    view, refusal = Views(prefix), found.refusal
    return QuoteShape(
        refusal=None
        if refusal is None
        else RefusalShape(
            reason=int(refusal.reason),
            reason_name=refusal.reason.name.lower(),
            facts=facts_of(refusal, prefix),
        ),
        max_price=str(found.max_price),
        asks=[
            AskShape(worker=view.address(each.worker), price=str(each.price), free=each.is_free) for each in found.asks
        ],
        plan=PlanShape(
            tier=tier,
            k=found.k,
            audit_bps=found.audit_bps,
            verifiers_now=found.verifiers_now,
            verifiers_idle=found.verifiers_idle,
            dispute_workers=found.dispute_workers,
            chances=[
                ChanceShape(
                    percent=each.percent, all_collude_ppm=each.all_collude_ppm, undetected_ppm=each.undetected_ppm
                )
                for each in found.chances
            ],
        ),
        verifier_fees=str(found.verifier_fees),
        escrow=str(found.escrow),
        provider_bond=str(found.provider_bond),
        claim_bond=str(found.claim_bond),
        gas=found.gas,
        fee=str(found.fee),
        run_ms=found.run_ms,
        deadlines=[DeadlineShape(state=state.name.lower(), live_ms=ms) for state, ms in found.deadlines],
        endings=[
            EndingShape(
                outcome=each.outcome.name.lower(),
                client=str(each.client),
                provider=str(each.provider),
                verifier=str(each.verifier),
                silent_verifier=str(each.silent_verifier),
            )
            for each in found.endings
        ],
        rulings=[
            RulingShape(
                state=each.state.name.lower(),
                outcome=each.outcome.name.lower(),
                client=str(each.client),
                provider=str(each.provider),
                accepts=None if each.accepts is None else str(each.accepts),
                rejects=None if each.rejects is None else str(each.rejects),
                challenger=str(each.challenger),
            )
            for each in found.rulings
        ],
    )


METHODS = (Method(name="job.quote", params=Wanted, result=QuoteShape, answer=job_quote),)
