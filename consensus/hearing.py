"""How long the current view may last: less for a leader who is gone, more the longer nothing is final (C14)."""

from consensus.ancestry import Ancestry
from consensus.io import SetTimer
from consensus.outbox import Outbox
from consensus.timing import Timing
from consensus.validators import ValidatorSet

SILENT_VIEWS = 16
"""A leader unheard for so many views, while a quorum is heard, is given no time."""


class Hearing:
    """The last view of which each validator was heard to speak, and the view timer that depends on it."""

    def __init__(
        self, *, validators: ValidatorSet, me: int | None, view: int, timing: Timing, ancestry: Ancestry, outbox: Outbox
    ) -> None:
        self._validators = validators
        self._me = me
        self._heard = [view] * len(validators)
        self._timing = timing
        self._ancestry = ancestry
        self._outbox = outbox
        self._armed_ms = 0

    def hear(self, sender: int, view: int) -> None:
        """Note that a validator speaks of `view`."""
        self._heard[sender] = max(self._heard[sender], view)

    def arm(self, view: int, leader: int) -> None:
        """Set the timer of a view that begins."""
        self._armed_ms = self._view_ms(view, leader)
        self._outbox.add(SetTimer(view=view, delay_ms=self._armed_ms))

    def rearm(self, view: int, leader: int) -> None:
        """Set the timer anew if a block that became final makes its time shorter."""
        if self._view_ms(view, leader) < self._armed_ms:
            self.arm(view, leader)

    def _view_ms(self, view: int, leader: int) -> int:
        if self.is_silent(leader, view):
            return 0
        return self._timing.view_ms((view - 1 - self._ancestry.final.view) // len(self._validators))

    def is_silent(self, leader: int, view: int) -> bool:
        """Tell whether the leader of `view` is gone."""
        since = view - SILENT_VIEWS
        if self._heard[leader] >= since or leader == self._me:
            return False
        weights = zip(self._heard, self._validators.weights, strict=True)
        mine = 0 if self._me is None or self._heard[self._me] >= since else self._validators.weights[self._me]
        return mine + sum(weight for heard, weight in weights if heard >= since) >= self._validators.quorum
