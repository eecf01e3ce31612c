"""Certificates asked for and given, seldom enough that nobody can make this node work for nothing (C9, C19)."""

from consensus.ancestry import Ancestry
from consensus.messages import JUSTIFICATION_MAX, CertificateRequest, Certificates
from consensus.outbox import Outbox

ANSWERS_MAX = 2
"""Answers to one validator between two retries."""


class Exchange:
    """Requests and answers between two retries."""

    def __init__(self, *, epoch: int, ancestry: Ancestry, outbox: Outbox) -> None:
        self._epoch = epoch
        self._ancestry = ancestry
        self._outbox = outbox
        self._requested = False
        self._answers: dict[int, int] = {}

    def renew(self) -> None:
        """Begin anew at a retry."""
        self._requested = False
        self._answers.clear()

    def request(self, to: int, first: int, last: int) -> None:
        """Ask a validator for the certificates of a range of views: one request between two retries."""
        if not self._requested:
            self._requested = True
            self._outbox.send(to, CertificateRequest(epoch=self._epoch, first_view=first, last_view=last))

    def answer(self, sender: int | None, first: int, last: int, view: int) -> None:
        """Tell a validator what it lacks: the final point, the range, and what leads into this node's `view`."""
        if sender is None or self._answers.get(sender, 0) >= ANSWERS_MAX:
            return
        found = self._ancestry.certificates(first, min(last, view))
        latest = self._ancestry.certificate_of(view - 1)
        if latest is not None and latest not in found:
            found = [*found[: JUSTIFICATION_MAX - 1], latest]
        if found:
            self._answers[sender] = self._answers.get(sender, 0) + 1
            self._outbox.send(sender, Certificates(certificates=found))
