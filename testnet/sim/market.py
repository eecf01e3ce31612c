"""The people of a simulated market: a client, a publisher and workers, who act on what they see final."""

from collections.abc import Callable, Iterator

from ledger.genesis import Charter
from ledger.parameters import Tier
from ledger.records import Job, JobState
from ledger.state import State
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    Payload,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
    sign_transaction,
)
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    GENESIS_MS,
    a_body,
    a_model,
    a_publication,
    a_submission,
    address,
    seed_of,
    values,
)
from vm.manifest import model_id

PROVIDER = "worker 0"
WORKERS = 5
PATIENCE_MS = 30_000
"""After so long without effect somebody signs again what they wanted."""


class Market:
    """Plays everybody, each by their own key, honestly. One job, from publication to its end."""

    def __init__(self, charter: Charter, submit: Callable[[bytes], None], tier: Tier = Tier.HIGH) -> None:
        self._charter = charter
        self._tier = tier
        self._submit = submit
        self._names = {address(name): name for name in [f"worker {index}" for index in range(WORKERS)]}
        self._tried: dict[tuple[str, str], int] = {}

    def act(self, state: State, now_ms: int) -> None:
        """Do what the state calls for."""
        for name, payload in self._wishes(state):
            wish = (name, type(payload).__name__)
            if now_ms - self._tried.get(wish, -PATIENCE_MS) >= PATIENCE_MS:
                self._tried[wish] = now_ms
                nonce = state.account(address(name)).nonce
                body = a_body(name, payload, nonce=nonce, time_ms=GENESIS_MS + now_ms)
                self._submit(sign_transaction(seed_of(name), self._charter.hash, body))

    def job(self, state: State) -> tuple[bytes, Job] | None:
        """Return the job, once it is submitted."""
        return next(state.jobs(), None)

    def _wishes(self, state: State) -> Iterator[tuple[str, Payload]]:
        found = self.job(state)
        if state.model(model_id(a_model())) is None:
            yield "publisher", a_publication()
        elif found is None:
            yield "client", a_submission(provider=PROVIDER, tier=self._tier)
        else:
            yield from self._duties(*found)

    def _duties(self, job_id: bytes, job: Job) -> Iterator[tuple[str, Payload]]:
        mine = values(PROVIDER)
        drawn = [(self._names[each.worker], each) for each in job.verifiers]
        match job.state:
            case JobState.OPEN:
                yield PROVIDER, JobAccept(job=job_id, price=KARAT // 2)
            case JobState.ACCEPTED:
                yield PROVIDER, JobCommit(job=job_id, commitment=mine.commitment(self._charter, job_id, PROVIDER))
            case JobState.VERIFYING:
                for name, verifier in drawn:
                    if verifier.commitment is None:
                        made = values(name).commitment(self._charter, job_id, name)
                        yield name, VerifierCommit(job=job_id, commitment=made)
            case JobState.REVEALING:
                yield PROVIDER, ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs)
            case JobState.CHECKING:
                for name, verifier in drawn:
                    if verifier.verdict is None:
                        own, verdict = values(name), Decision.ACCEPT
                        shown = VerifierReveal(
                            job=job_id, salt=own.salt, cut=own.cut, outputs=own.outputs, verdict=verdict
                        )
                        yield name, shown
            case _:
                pass
