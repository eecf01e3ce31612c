"""Receipts: what they show, and that nothing in them can be changed unseen (J86, J87)."""

import enum
from collections.abc import Callable, Iterator

import pytest

from ledger.market.batch import item_id
from ledger.market.order_payloads import BatchAccept
from ledger.market.receipt import (
    RECEIPT_VERSION,
    JobReceipt,
    ReceiptFile,
    check_receipt,
    decode_receipt,
    encode_receipt,
)
from ledger.records import Job, JobState
from ledger.stake.epochs import set_hash
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    Payload,
    VerifierReveal,
    open_transaction,
    sign_transaction,
)
from primitives import codec
from primitives.content import content_id
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from primitives.record import Record
from testnet.kit.large_builders import LargeJob, large_values
from testnet.kit.ledger_builders import (
    Script,
    World,
    a_batch,
    a_body,
    a_submission,
    a_world,
    publish,
    run_job,
    seed_of,
    values,
)
from testnet.kit.receipt_builders import a_receipt

WORLD = a_world()
SETTLED = a_receipt(WORLD, run_job(WORLD))
VOID = a_receipt(WORLD, run_job(WORLD, Script(accepts=False)))
TRUSTED = set_hash(SETTLED.proven.validators)


def refusal(receipt: JobReceipt, *, network: bytes = WORLD.charter.hash, validators: bytes = TRUSTED) -> Refused:
    with pytest.raises(Refused) as refused:
        check_receipt(decode_receipt(encode_receipt(receipt)), genesis_hash=network, validators_hash=validators)
    return refused.value


def test_a_receipt_shows_a_job_to_whoever_trusts_its_validators() -> None:  # J86
    again = decode_receipt(encode_receipt(SETTLED))
    assert again == SETTLED
    checked = check_receipt(again, genesis_hash=WORLD.charter.hash, validators_hash=TRUSTED)
    assert checked.stage == "settled"
    assert checked.job == WORLD.job(SETTLED.job)
    assert [type(each.body.payload).__name__ for each in checked.transactions] == [
        "JobSubmit",
        "JobAccept",
        "JobCommit",
        *["VerifierCommit"] * 3,
        "ProviderReveal",
        *["VerifierReveal"] * 3,
    ]
    assert checked.model.model.licence == b"Apache-2.0"
    assert checked.lowering.lowering.vm_version == 1


def test_a_receipt_says_its_stage() -> None:
    world = a_world()
    job = run_job(world)
    world.until(lambda state: world.job(job).state is JobState.PAST_CHALLENGE, at_most=700)
    later = a_receipt(world, job)
    trusted = set_hash(later.proven.validators)
    assert check_receipt(later, genesis_hash=world.charter.hash, validators_hash=trusted).stage == "past_challenge"
    assert check_receipt(VOID, genesis_hash=WORLD.charter.hash, validators_hash=TRUSTED).stage == "void"


def test_whoever_trusts_others_is_not_convinced() -> None:  # J87
    assert refusal(SETTLED, network=bytes(32)).reason is Reason.WRONG_NETWORK
    assert refusal(SETTLED, validators=bytes(32)).reason is Reason.BLOCK_WRONG_VALIDATORS


def test_a_receipt_without_its_transactions_shows_less_and_nothing_false() -> None:
    bare = change(SETTLED, transactions=[])
    assert check_receipt(bare, genesis_hash=WORLD.charter.hash, validators_hash=TRUSTED).transactions == []


def row_changed(receipt: JobReceipt, **fields: object) -> JobReceipt:
    row = receipt.proven.rows[0]
    assert row.value is not None
    job = change(codec.decode(Job, row.value, at_most=100_000), **fields)
    rows = [change(row, value=codec.encode(job)), *receipt.proven.rows[1:]]
    return change(receipt, proven=change(receipt.proven, rows=rows))


CHANGED: list[tuple[Callable[[JobReceipt], JobReceipt], Reason, str | None]] = [
    (lambda it: row_changed(it, price=1), Reason.BAD_PROOF, "row 0"),
    (lambda it: row_changed(it, outcome=None), Reason.BAD_PROOF, "row 0"),
    (lambda it: change(it, job=VOID.job), Reason.BAD_PROOF, None),
    (lambda it: change(it, proven=change(it.proven, rows=it.proven.rows[:2])), Reason.BAD_PROOF, None),
    (lambda it: change(it, proven=change(it.proven, rows=it.proven.rows[::-1])), Reason.BAD_PROOF, None),
    (lambda it: change(it, proven=change(it.proven, headers=VOID.proven.headers)), Reason.BAD_PROOF, "certificate"),
    (lambda it: change(it, transactions=[it.transactions[0][:-1] + b"\0"]), Reason.BAD_SIGNATURE, "transaction 0"),
    (lambda it: change(it, transactions=VOID.transactions), Reason.RECEIPT_CONTRADICTS, "transaction 0"),
]


@pytest.mark.parametrize(("tamper", "reason", "part"), CHANGED)
def test_a_receipt_that_was_changed_is_refused_and_told_where(
    tamper: Callable[[JobReceipt], JobReceipt], reason: Reason, part: str | None
) -> None:  # J87
    refused = refusal(tamper(SETTLED))
    assert (refused.reason, refused.facts.get("part")) == (reason, part)


def twisted(value: object) -> Iterator[object]:
    """Yield a value with each of its fields in turn made another; of lists, of the first item alone."""
    if isinstance(value, Record):
        for name in value.__struct_fields__:
            yield from (change(value, **{name: other}) for other in twisted(getattr(value, name)))
    elif isinstance(value, list):
        yield from ([other, *value[1:]] for other in twisted(value[0])) if value else ()
    elif isinstance(value, enum.Enum):
        yield from [each for each in type(value) if each is not value][:1]
    elif isinstance(value, int):
        yield value ^ 1
    elif isinstance(value, bytes) and value:
        yield bytes([value[0] ^ 1]) + value[1:]


def test_no_field_of_a_receipt_can_be_changed_unnoticed() -> None:  # J87
    job = codec.decode(Job, SETTLED.proven.rows[0].value or b"", at_most=100_000)
    rows = [codec.encode(each) for each in twisted(job)]
    first, *rest = SETTLED.proven.rows
    changed = [other for other in twisted(SETTLED) if isinstance(other, JobReceipt)]
    changed += [change(SETTLED, proven=change(SETTLED.proven, rows=[change(first, value=raw), *rest])) for raw in rows]
    assert len(changed) > 80
    for each in changed:
        refusal(each)


def also_signed(name: str, payload: Payload) -> JobReceipt:
    """Return the receipt with one transaction more, signed by somebody after the fact."""
    raw = sign_transaction(seed_of(name), WORLD.charter.hash, a_body(name, payload, nonce=99))
    return change(SETTLED, transactions=[*SETTLED.transactions, raw])


def verifier(world: World) -> str:
    return world.name(world.job(SETTLED.job).verifiers[0].worker)


def a_rejection(name: str) -> VerifierReveal:
    mine = values(name)
    return VerifierReveal(job=SETTLED.job, salt=mine.salt, cut=mine.cut, outputs=mine.outputs, verdict=Decision.REJECT)


@pytest.mark.parametrize(
    ("name", "payload", "what"),
    [
        ("worker 0", JobAccept(job=SETTLED.job, price=7), "price"),
        ("worker 0", JobCommit(job=SETTLED.job, commitment=sha256(b"another")), "commitment"),
        ("stranger", JobAccept(job=SETTLED.job, price=7), "sender"),
        ("client", a_submission(), "transaction"),
        (verifier(WORLD), a_rejection(verifier(WORLD)), "verdict"),
    ],
)
def test_a_party_cannot_sign_another_story_afterwards(name: str, payload: Payload, what: str) -> None:  # J87
    refused = refusal(also_signed(name, payload))
    assert refused.reason is Reason.RECEIPT_CONTRADICTS
    assert refused.facts["what"] == what
    assert refused.facts["seen"] != refused.facts["wanted"]


def test_an_item_of_a_batch_has_a_receipt_as_any_job() -> None:  # J87
    world = a_world()
    publish(world)
    batch = world.must("client", a_batch(b"one", b"two"))
    world.must("worker 0", BatchAccept(batch=batch, items=[0, 1], price=7))
    job = item_id(batch, 1)
    world.until(lambda _: world.job(job).outcome is not None)
    receipt = a_receipt(world, job)
    trusted = set_hash(receipt.proven.validators)
    checked = check_receipt(receipt, genesis_hash=world.charter.hash, validators_hash=trusted)
    kinds = [type(each.body.payload).__name__ for each in checked.transactions]
    assert kinds == ["BatchSubmit", "BatchAccept"]
    other = change(receipt, transactions=a_receipt(world, run_job(world)).transactions)
    with pytest.raises(Refused) as refused:
        check_receipt(other, genesis_hash=world.charter.hash, validators_hash=trusted)
    assert refused.value.reason is Reason.RECEIPT_CONTRADICTS


def test_large_values_stand_in_a_receipt_by_their_ids() -> None:  # J87
    world = a_world()
    mine = large_values("worker 0")
    large = LargeJob(world=world)
    large.verify(mine)
    large.reveal(mine)
    large.pick()
    for name in ("worker 0", *large.drawn):
        world.must(name, large.opening(mine if name == "worker 0" else large.own(name)))
    receipt = a_receipt(world, large.job)
    trusted = set_hash(receipt.proven.validators)
    checked = check_receipt(receipt, genesis_hash=world.charter.hash, validators_hash=trusted)
    assert (checked.stage, checked.job.outputs) == ("settled", content_id(mine.outputs))
    assert len(checked.transactions) == 10


def test_files_of_other_versions_and_no_receipts_at_all_are_refused() -> None:  # J86
    content = codec.encode(SETTLED)
    for raw, reason in (
        (codec.encode(ReceiptFile(version=RECEIPT_VERSION + 1, content=content)), Reason.RECEIPT_WRONG_VERSION),
        (content, Reason.MALFORMED),
        (b"", Reason.MALFORMED),
        (encode_receipt(SETTLED)[:-1], Reason.MALFORMED),
    ):
        with pytest.raises(Refused) as refused:
            decode_receipt(raw)
        assert refused.value.reason is reason


def test_the_submission_is_the_one_whose_id_names_the_job() -> None:
    opened = open_transaction(SETTLED.transactions[0], WORLD.charter.hash)
    assert opened.id == SETTLED.job
