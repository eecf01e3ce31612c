"""Canaries: lies on purpose, opened, and what comes of them (J90 to J95)."""

from dataclasses import replace

import pytest

from ledger.market.canary import canary_of
from ledger.market.jackpot import Jackpots, jackpots_key
from ledger.market.order_payloads import CanaryOpen
from ledger.market.settlement import verifier_lock
from ledger.parameters import Parameters, Tier
from ledger.records import Job, JobState, Outcome, PayoutKind
from ledger.state import change
from ledger.transaction import Decision, JobAccept, JobCommit, ProviderReveal, VerifierCommit, VerifierReveal
from primitives.hashing import sha256
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    Script,
    Values,
    World,
    a_genesis,
    a_submission,
    a_world,
    address,
    run_job,
    values,
)

PROVIDER = "worker 0"
SALT = sha256(b"a canary")
LIE = Script(provider_shift=1.0)
PARAMETERS = Parameters(protocol_share_bps=5_000, canary_epoch_bps=2_000)
"""A job of half a karat fills the pot with a quarter, of which an epoch's canaries may take 0.05 karat."""
FEE, JACKPOT = PARAMETERS.verifier_fee, PARAMETERS.canary_jackpot


@pytest.fixture
def world() -> World:
    made = a_world(a_genesis(parameters=PARAMETERS))
    run_job(made)
    return made


def planted(world: World, *, client: str = "client", salt: bytes = SALT, tier: Tier = Tier.HIGH) -> bytes:
    """Submit a canary and have its provider lie about it; return the job when its commitment is on the chain."""
    canary = canary_of(genesis=world.charter.hash, client=address(client), provider=address(PROVIDER), salt=salt)
    job = world.must(client, change(a_submission(provider=PROVIDER), canary=canary, tier=tier))
    lie = values(PROVIDER, shift=LIE.provider_shift)
    world.must(PROVIDER, JobAccept(job=job, price=KARAT // 2))
    world.must(PROVIDER, JobCommit(job=job, commitment=lie.commitment(world.charter, job, PROVIDER)))
    return job


def judged(world: World, job: bytes, *, lazy: int = 0) -> None:
    """Have the verifiers reveal; the first `lazy` of them copy the provider's values and accept."""
    lie = values(PROVIDER, shift=LIE.provider_shift)
    world.until(lambda _: bool(world.job(job).verifiers))
    drawn = [world.name(each.worker) for each in world.job(job).verifiers]
    shown = {}
    for at, name in enumerate(drawn):
        shown[name] = copied(lie, name) if at < lazy else values(name)
        world.must(name, VerifierCommit(job=job, commitment=shown[name].commitment(world.charter, job, name)))
    world.must(PROVIDER, ProviderReveal(job=job, salt=lie.salt, cut=lie.cut, outputs=lie.outputs))
    for at, (name, own) in enumerate(shown.items()):
        verdict = Decision.ACCEPT if at < lazy else Decision.REJECT
        world.must(name, VerifierReveal(job=job, salt=own.salt, cut=own.cut, outputs=own.outputs, verdict=verdict))


def copied(lie: Values, name: str) -> Values:
    """Return another's values as one's own, under a salt of one's own."""
    return replace(lie, salt=sha256(name.encode()))


def jackpots(job: Job) -> list[int]:
    return [each.amount for each in job.payouts if each.kind is PayoutKind.JACKPOT]


def test_who_finds_a_canary_shares_its_jackpot_and_nobody_is_punished(world: World) -> None:  # J91, J93, J94
    pot = world.state.totals().protocol
    job = planted(world)
    client = world.balance("client")
    before = {name: world.worker(name).bond for name in world.names.values() if world.state.worker(address(name))}
    judged(world, job)
    assert world.job(job).state is JobState.CONTESTED
    world.must(PROVIDER, CanaryOpen(job=job, salt=SALT))
    ended = world.job(job)
    assert (ended.state, ended.outcome, ended.canary_opened) == (JobState.VOID, Outcome.CANARY, True)
    assert jackpots(ended) == [JACKPOT] * 3
    assert world.state.totals().protocol == pot - 3 * JACKPOT
    assert world.balance("client") == client + KARAT
    assert before == {name: world.worker(name).bond for name in before}
    assert [each.locked for each in ended.verifiers] == [0] * 3
    assert world.state.find(Jackpots, jackpots_key(0)) == Jackpots(paid=3 * JACKPOT)


def drawn(world: World, job: bytes) -> list[str]:
    return [world.name(each.worker) for each in world.job(job).verifiers]


@pytest.mark.parametrize("accepting", [1, 2])
def test_a_confession_pays_nobody_who_rejects_and_claims_nothing(world: World, accepting: int) -> None:  # J94
    """Whether a lie was told nobody has found: those who accept are paid as of any job, and no jackpot is."""
    job = planted(world)
    judged(world, job, lazy=accepting)
    parties = drawn(world, job)
    before = [world.balance(name) for name in parties]
    bonds = [world.worker(name).bond for name in parties]
    world.must(PROVIDER, CanaryOpen(job=job, salt=SALT))
    assert world.job(job).state is JobState.CONTESTED  # anybody may still claim
    world.until(lambda _: world.job(job).outcome is not None)
    ended = world.job(job)
    assert ended.outcome is (Outcome.REJECTED if accepting == 1 else Outcome.SETTLED)
    assert jackpots(ended) == []
    fee, silence = PARAMETERS.verifier_fee, verifier_lock(PARAMETERS, PARAMETERS.verifier_fee) // 10
    gained = [world.balance(name) - was for name, was in zip(parties, before, strict=True)]
    lost = [was - world.worker(name).bond for name, was in zip(parties, bonds, strict=True)]
    assert gained == [fee] * accepting + [0] * (3 - accepting)
    assert lost == [0] * accepting + [silence] * (3 - accepting)


def test_where_all_accept_the_job_stays_settled_until_somebody_claims(world: World) -> None:  # J91
    job = planted(world)
    judged(world, job, lazy=3)
    assert world.job(job).state is JobState.SETTLED
    world.must(PROVIDER, CanaryOpen(job=job, salt=SALT))
    opened = world.job(job)
    assert (opened.state, opened.outcome, opened.canary_opened) == (JobState.SETTLED, Outcome.SETTLED, True)
    assert jackpots(opened) == []


def test_jackpots_take_no_more_of_the_pot_than_an_epoch_may(world: World) -> None:  # J93
    pot = world.state.totals().protocol
    bound = pot * PARAMETERS.canary_epoch_bps // 10_000
    found = []
    for at in range(3):
        job = planted(world, salt=sha256(bytes([at])))
        judged(world, job)
        world.must(PROVIDER, CanaryOpen(job=job, salt=sha256(bytes([at]))))
        found.append(jackpots(world.job(job)))
        world.blocks(PARAMETERS.canary_spacing_ms // 2_000 + 1, passed_ms=2_000)
    assert found == [[JACKPOT] * 3, [(bound - 3 * JACKPOT) // 3] * 3, []]
    assert pot - world.state.totals().protocol <= bound


def test_a_provider_opens_one_at_a_time(world: World) -> None:  # J92
    first, second = planted(world, salt=sha256(b"1")), planted(world, salt=sha256(b"2"))
    judged(world, first)
    judged(world, second)
    world.must(PROVIDER, CanaryOpen(job=first, salt=sha256(b"1")))
    assert world.do(PROVIDER, CanaryOpen(job=second, salt=sha256(b"2"))).reason == Reason.CANARY_TOO_SOON
    assert world.job(second).state is JobState.CONTESTED


def test_only_the_provider_opens_and_only_what_the_client_meant(world: World) -> None:  # J90, J91
    job = planted(world)
    assert world.do(PROVIDER, CanaryOpen(job=job, salt=SALT)).reason == Reason.JOB_WRONG_STATE
    judged(world, job, lazy=1)
    assert world.do("worker 1", CanaryOpen(job=job, salt=SALT)).reason == Reason.NOT_A_PARTY
    assert world.do(PROVIDER, CanaryOpen(job=job, salt=sha256(b"other"))).reason == Reason.CANARY_MISMATCH
    assert world.do(PROVIDER, CanaryOpen(job=bytes(32), salt=SALT)).reason == Reason.JOB_UNKNOWN
    world.must(PROVIDER, CanaryOpen(job=job, salt=SALT))
    assert world.do(PROVIDER, CanaryOpen(job=job, salt=SALT)).reason == Reason.CANARY_OPENED


def test_nobody_can_call_an_ordinary_job_a_canary(world: World) -> None:  # J90
    job = run_job(world)
    assert world.do(PROVIDER, CanaryOpen(job=job, salt=SALT)).reason == Reason.CANARY_MISMATCH


def test_a_commitment_is_of_one_network_client_and_provider() -> None:  # J90
    one = {"genesis": bytes(32), "client": bytes(20), "provider": bytes(20), "salt": SALT}
    others = [{**one, name: b"\1" * len(value)} for name, value in one.items()]
    assert len({canary_of(**each) for each in [one, *others]}) == 5
