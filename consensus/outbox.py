"""What one step has to write and to do, gathered while its rules run."""

from consensus.io import Effect, Fault, GuardRecord, Halt, Penalise, Persist, Send
from consensus.messages import Message


class Outbox:
    """The effects of a step, with what must be written first kept apart."""

    def __init__(self, me: int | None) -> None:
        self.halted = False
        self._me = me
        self._records: list[GuardRecord] = []
        self._effects: list[Effect] = []

    def drain(self) -> list[Effect]:
        """Return the effects of the step, Persist first (C12)."""
        records, effects = self._records, self._effects
        self._records, self._effects = [], []
        return [Persist(records=records), *effects] if records else effects

    def persist(self, record: GuardRecord) -> None:
        """Write a record before anything else is done."""
        self._records.append(record)

    def add(self, effect: Effect) -> None:
        """Do something."""
        self._effects.append(effect)

    def send(self, to: int | None, message: Message) -> None:
        """Send to a validator, or to all; a follower sends nothing."""
        if self._me is not None and to != self._me:
            self._effects.append(Send(to=to, message=message))

    def penalise(self, sender: int | None, fault: Fault) -> None:
        """Blame whoever sent the message of the step."""
        self._effects.append(Penalise(sender=sender, fault=fault))

    def halt(self, why: str) -> None:
        """Stop for good (C11)."""
        self.halted = True
        self._effects.append(Halt(why=why))
