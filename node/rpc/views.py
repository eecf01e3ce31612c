"""From the ledger's records to the API's objects."""

from typing import Any, get_args

import msgspec
from msgspec import inspect

from consensus.messages import Certificate
from ledger.records import Declined, Happened, Job, LoweringEntry, ModelEntry, Payout, Penalty, Track, Verifier, Worker
from ledger.transaction import Payload, Receipt, Transaction
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.rpc.model_shapes import LoweringShape, ModelShape
from node.rpc.model_views import lowering, port, text
from node.rpc.shapes import (
    CertificateShape,
    Content,
    DeclinedShape,
    HappenedShape,
    JobShape,
    JobSummary,
    PayoutShape,
    PenaltyShape,
    ReceiptShape,
    TrackShape,
    TransactionShape,
    VerifierShape,
    WorkerShape,
)
from primitives.address import ADDRESS_BYTES, address_text
from primitives.content import ContentId
from primitives.reasons import Reason
from vm.manifest import Class, Model

AMOUNT_FIELDS = ("amount", "bond", "ask", "gas_ask", "max_price", "price")
"""Fields of payloads that hold grains, told as decimal text."""
KINDS = {kind: kind.__name__ for kind in get_args(Payload)}


class Views:
    """Makes objects for one network, whose prefix addresses have."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def address(self, address: bytes) -> str:
        """Return an address as text."""
        return address_text(address, self._prefix)

    def address_or_none(self, address: bytes | None) -> str | None:
        """Return an address as text, where there is one."""
        return None if address is None else self.address(address)

    def transaction(self, transaction: Transaction) -> TransactionShape:
        """Return what was signed."""
        body = transaction.body
        return TransactionShape(
            id=transaction.id.hex(),
            sender=self.address(transaction.sender),
            nonce=body.nonce,
            fee_cap=str(body.fee_cap),
            tip=str(body.tip),
            valid_until=body.valid_until,
            kind=KINDS[type(body.payload)],
            payload=self._payload(body.payload),
        )

    def _payload(self, payload: Payload) -> dict[str, Any]:
        told = {}
        kind = inspect.type_info(type(payload))
        assert isinstance(kind, inspect.StructType)
        for field in kind.fields:
            value = getattr(payload, field.name)
            is_amount = field.name in AMOUNT_FIELDS and value is not None
            told[field.name.rstrip("_")] = str(value) if is_amount else self._plain(field.type, value)
        return told

    def _plain(self, kind: inspect.Type, value: object) -> object:
        """Return a value of a payload as JSON has it: byte strings of an address's length as text, others in hex."""
        match kind, value:
            case inspect.BytesType(min_length=size, max_length=most), bytes() if size == most == ADDRESS_BYTES:
                return self.address(value)
            case inspect.UnionType(types=kinds), _:
                return None if value is None else self._plain(next(k for k in kinds if not _is_none(k)), value)
            case inspect.ListType(item_type=item), list():
                return [self._plain(item, each) for each in value]
            case inspect.StructType(fields=fields), msgspec.Struct():
                return {field.name: self._plain(field.type, getattr(value, field.name)) for field in fields}
            case inspect.EnumType(cls=cls), int():
                return str(cls(value).name).lower()
            case _, bytes():
                return value.hex()
            case _:
                return value

    def job(self, job_id: bytes, job: Job) -> JobShape:
        """Return all of a job."""
        return JobShape(
            id=job_id.hex(),
            client=self.address(job.client),
            model=job.model.hex(),
            lowering=job.lowering.hex(),
            input=content(job.input),
            tier=job.tier.name.lower(),
            k=job.k,
            audit_bps=job.audit_bps,
            chosen=job.chosen,
            redrawn=job.redrawn,
            class_=job.class_.name.lower(),
            run_ms=job.run_ms,
            max_price=str(job.max_price),
            at_risk=str(job.at_risk),
            bond_multiple=job.bond_multiple,
            verifier_fee=str(job.verifier_fee),
            named=self.address_or_none(job.named),
            state=job.state.name.lower(),
            outcome=None if job.outcome is None else job.outcome.name.lower(),
            escrow=str(job.escrow),
            due_live_ms=job.due_live_ms,
            provider=self.address_or_none(job.provider),
            price=str(job.price),
            provider_locked=str(job.provider_locked),
            commitment=_hex_or_none(job.commitment),
            commit_height=job.commit_height,
            cut=_content_or_none(job.cut),
            outputs=_content_or_none(job.outputs),
            large=job.large,
            sealed=_content_or_none(job.sealed),
            reply_key=_hex_or_none(job.reply_key),
            canary=job.canary.hex(),
            batch=_hex_or_none(job.batch),
            picked=_hex_or_none(job.picked),
            opened=job.opened,
            disputes=job.disputes,
            ruled=None if job.ruled is None else job.ruled.name.lower(),
            verifiers=[self._verifier(each) for each in job.verifiers],
            payouts=[self.payout(each) for each in job.payouts],
            penalties=[self.penalty(each) for each in job.penalties],
            declined=[self.declined(each) for each in job.declined],
            history=[self._happened(each) for each in job.history],
        )

    def job_summary(self, job_id: bytes, job: Job) -> JobSummary:
        """Return a job's line in a list."""
        return JobSummary(
            id=job_id.hex(),
            client=self.address(job.client),
            model=job.model.hex(),
            provider=self.address_or_none(job.provider),
            max_price=str(job.max_price),
            price=str(job.price),
            state=job.state.name.lower(),
            outcome=None if job.outcome is None else job.outcome.name.lower(),
        )

    def _verifier(self, verifier: Verifier) -> VerifierShape:
        return VerifierShape(
            worker=self.address(verifier.worker),
            locked=str(verifier.locked),
            commitment=_hex_or_none(verifier.commitment),
            cut=_content_or_none(verifier.cut),
            outputs=_content_or_none(verifier.outputs),
            verdict=None if verifier.verdict is None else verifier.verdict.name.lower(),
            forced=verifier.forced,
            holds=verifier.holds,
            opened=verifier.opened,
            sealed=_content_or_none(verifier.sealed),
        )

    def payout(self, payout: Payout) -> PayoutShape:
        """Return a payout."""
        return PayoutShape(kind=payout.kind.name.lower(), to=self.address_or_none(payout.to), amount=str(payout.amount))

    def penalty(self, penalty: Penalty) -> PenaltyShape:
        """Return a penalty."""
        return PenaltyShape(worker=self.address(penalty.worker), amount=str(penalty.amount))

    def declined(self, declined: Declined) -> DeclinedShape:
        """Return what a worker found that declined a job."""
        number = declined.reason
        return DeclinedShape(worker=self.address(declined.worker), reason=number, reason_name=_reason_name(number))

    def _happened(self, happened: Happened) -> HappenedShape:
        return HappenedShape(
            event=happened.event.name.lower(),
            who=self.address_or_none(happened.who),
            state=happened.state.name.lower(),
            height=happened.height,
            time_ms=happened.time_ms,
            live_ms=happened.live_ms,
        )

    def model(self, model_id: bytes, entry: ModelEntry) -> ModelShape:
        """Return a published model."""
        model = entry.model
        return ModelShape(
            id=model_id.hex(),
            file=content(model.file),
            inputs=[port(each) for each in model.inputs],
            outputs=[port(each) for each in model.outputs],
            licence=text(model.licence),
            publisher=self.address(model.publisher),
            parents=[each.hex() for each in model.provenance.parents],
            datasets=[each.hex() for each in model.provenance.datasets],
            training_jobs=[each.hex() for each in model.provenance.training_jobs],
            published=entry.published,
        )

    def lowering(self, entry: LoweringEntry, model: Model) -> LoweringShape:
        """Return a registered lowering of a model."""
        return lowering(entry.lowering, model, publisher=self.address(entry.publisher), published=entry.published)

    def worker(self, address: bytes, worker: Worker, track: Track, *, spot_audit_bps: int) -> WorkerShape:
        """Return a registered worker, with its record as a provider."""
        return WorkerShape(
            address=self.address(address),
            operator=self.address(worker.operator),
            peer_id=peer_id_text(peer_id_of(worker.peer)),
            bond=str(worker.bond),
            bond_free=str(worker.free_bond),
            bond_locked=str(worker.locked),
            capacity=worker.capacity,
            providing=worker.providing,
            verifying=worker.verifying,
            ask=str(worker.ask),
            gas_ask=str(worker.gas_ask),
            classes=[each.name.lower() for each in Class if worker.classes >> (each - 1) & 1],
            max_model_bytes=worker.max_model_bytes,
            registered=worker.registered,
            track=TrackShape(
                settled=track.settled,
                rejected=track.rejected,
                convicted=track.convicted,
                grey=track.grey,
                forced=track.forced,
                spot_audit_bps=spot_audit_bps,
            ),
        )


def certificate(found: Certificate) -> CertificateShape:
    """Return who signed a certificate."""
    signers = [8 * at + bit for at, byte in enumerate(found.signers) for bit in range(8) if byte >> bit & 1]
    vote = found.vote
    return CertificateShape(epoch=vote.epoch, view=vote.view, block=vote.block.hex(), signers=signers)


def receipt(found: Receipt) -> ReceiptShape:
    """Return what came of a transaction."""
    name = None if found.ok else _reason_name(found.reason)
    facts = dict(found.facts)
    return ReceiptShape(ok=found.ok, reason=found.reason, reason_name=name, fee=str(found.fee), facts=facts)


def content(found: ContentId) -> Content:
    """Return what names a piece of content."""
    return Content(root=found.root.hex(), length=found.length)


def _reason_name(number: int) -> str | None:
    """Return the name of a reason; a worker may decline with a number that means nothing here."""
    return next((reason.name.lower() for reason in Reason if reason == number), None)


def _hex_or_none(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _content_or_none(value: ContentId | None) -> Content | None:
    return None if value is None else content(value)


def _is_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType)
