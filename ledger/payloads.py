"""What each kind of transaction does (L23): who asks, may they, pay, change."""

from typing import assert_never

from ledger.fees import gas
from ledger.market import batch, canary, job, model, sampling, submitting, worker
from ledger.market.dispute import claims, hearing
from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputePayload,
    DisputeTell,
)
from ledger.market.order_payloads import BatchAccept, BatchSubmit, CanaryOpen
from ledger.market.withheld import filing
from ledger.market.withheld.payloads import WithheldChunk, WithheldFile, WithheldPayload
from ledger.moment import Moment, credit, debit
from ledger.stake import delegation, validator
from ledger.state import State
from ledger.transaction import (
    Delegate,
    JobAccept,
    JobCommit,
    JobDecline,
    JobSubmit,
    LoweringPublish,
    ModelPublish,
    ProviderReveal,
    SampleOpen,
    StakePayload,
    Transaction,
    Transfer,
    Undelegate,
    ValidatorExit,
    ValidatorRegister,
    ValidatorUnjail,
    ValidatorUpdate,
    VerifierCommit,
    VerifierReveal,
    WorkerBond,
    WorkerExit,
    WorkerRegister,
    WorkerUpdate,
)
from primitives.reasons import Reason, Refused


def execute(moment: Moment, transaction: Transaction) -> None:
    """Carry out a payload. Raises Refused; what it wrote until then must be undone."""
    sender, payload = transaction.sender, transaction.body.payload
    match payload:
        case Transfer():
            _transfer(moment.state, sender, payload)
        case WorkerRegister() | WorkerBond() | WorkerUpdate() | WorkerExit():
            _execute_worker(moment, sender, payload)
        case ModelPublish():
            model.publish(moment, sender, payload)
        case LoweringPublish():
            model.publish_lowering(moment, sender, payload)
        case JobSubmit() | BatchSubmit() | BatchAccept() | CanaryOpen():
            _execute_order(moment, sender, transaction.id, payload)
        case (
            JobAccept()
            | JobDecline()
            | JobCommit()
            | VerifierCommit()
            | ProviderReveal()
            | VerifierReveal()
            | SampleOpen()
        ):
            _execute_part(moment, sender, payload)
        case ValidatorRegister() | ValidatorUpdate() | ValidatorExit() | ValidatorUnjail() | Delegate() | Undelegate():
            _execute_stake(moment, sender, payload)
        case DisputeClaim() | DisputeOpen() | DisputeTell() | DisputeLeaf() | DisputeDefend() | DisputeBeyond():
            _execute_dispute(moment, transaction, payload)
        case WithheldFile() | WithheldChunk():
            _execute_withheld(moment, sender, payload)
        case _:
            assert_never(payload)


def _execute_worker(
    moment: Moment, sender: bytes, payload: WorkerRegister | WorkerBond | WorkerUpdate | WorkerExit
) -> None:
    """Carry out what concerns a worker's registration."""
    match payload:
        case WorkerRegister():
            worker.register(moment, sender, payload)
        case WorkerBond():
            worker.add_bond(moment, sender, payload)
        case WorkerUpdate():
            worker.update_terms(moment, sender, payload)
        case WorkerExit():
            worker.leave(moment, sender, payload)
        case _:
            assert_never(payload)


def _execute_order(
    moment: Moment, sender: bytes, transaction: bytes, payload: JobSubmit | BatchSubmit | BatchAccept | CanaryOpen
) -> None:
    """Carry out what orders jobs, or concerns an order; `transaction` is its id."""
    match payload:
        case JobSubmit():
            submitting.submit(moment, sender, transaction, payload)
        case BatchSubmit():
            batch.submit(moment, sender, transaction, payload)
        case BatchAccept():
            batch.accept(moment, sender, payload)
        case CanaryOpen():
            canary.open_canary(moment, sender, payload)
        case _:
            assert_never(payload)


def _execute_stake(moment: Moment, sender: bytes, payload: StakePayload) -> None:
    """Carry out what concerns validators and their stake."""
    match payload:
        case ValidatorRegister():
            validator.register(moment, sender, payload)
        case ValidatorUpdate():
            validator.update(moment, sender, payload)
        case ValidatorExit():
            validator.leave(moment, sender)
        case ValidatorUnjail():
            validator.unjail(moment, sender)
        case Delegate():
            delegation.delegate(moment, sender, payload)
        case Undelegate():
            delegation.undelegate(moment, sender, payload)
        case _:
            assert_never(payload)


def _execute_part(
    moment: Moment,
    sender: bytes,
    payload: JobAccept | JobDecline | JobCommit | VerifierCommit | ProviderReveal | VerifierReveal | SampleOpen,
) -> None:
    """Carry out a worker's part in a job."""
    match payload:
        case JobAccept():
            job.accept(moment, sender, payload)
        case JobDecline():
            job.decline(moment, sender, payload)
        case JobCommit():
            job.commit(moment, sender, payload)
        case VerifierCommit():
            job.verifier_commit(moment, sender, payload)
        case ProviderReveal():
            job.provider_reveal(moment, sender, payload)
        case VerifierReveal():
            job.verifier_reveal(moment, sender, payload)
        case SampleOpen():
            sampling.open_samples(moment, sender, payload)
        case _:
            assert_never(payload)


def _execute_dispute(moment: Moment, transaction: Transaction, payload: DisputePayload) -> None:
    """Carry out what concerns a dispute."""
    sender = transaction.sender
    carriage = gas(transaction) * moment.parameters.base_fee_min  # X60
    match payload:
        case DisputeClaim():
            claims.claim(moment, sender, payload, carriage=carriage)
        case DisputeOpen():
            claims.open_claim(moment, sender, payload, carriage=carriage)
        case DisputeTell():
            hearing.tell(moment, sender, payload, carriage=carriage)
        case DisputeLeaf():
            hearing.open_leaf(moment, sender, payload, carriage=carriage)
        case DisputeDefend():
            hearing.defend(moment, sender, payload, carriage=carriage)
        case DisputeBeyond():
            hearing.prove(moment, sender, payload, carriage=carriage)
        case _:
            assert_never(payload)


def _execute_withheld(moment: Moment, sender: bytes, payload: WithheldPayload) -> None:
    """Carry out what concerns content that does not come."""
    match payload:
        case WithheldFile():
            filing.file(moment, sender, payload)
        case WithheldChunk():
            filing.produce(moment, sender, payload)
        case _:
            assert_never(payload)


def _transfer(state: State, sender: bytes, payload: Transfer) -> None:
    if payload.amount == 0:
        raise Refused(Reason.ZERO_AMOUNT, seen=0, wanted="more than 0")
    debit(state, sender, payload.amount)
    credit(state, payload.to, payload.amount)
