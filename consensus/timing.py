"""How long the core waits (C14). Timers affect liveness alone; nodes may differ in them."""

from primitives.record import Record


class Timing(Record):
    """Waiting times, in milliseconds."""

    delta_ms: int = 500
    """Δ, what a message between validators takes at most when the network is well: 500 between continents, 100 near."""
    idle_ms: int = 1_000
    """How long a leader may wait for transactions."""
    growth: tuple[int, int] = (3, 2)
    """The factor, as a fraction, by which a view's time grows for each round of leaders without a final block."""
    cap_ms: int = 60_000
    """No view waits longer."""
    retry_ms: int = 1_000
    """Between repetitions while a view lasts: 2Δ."""

    def view_ms(self, rounds: int) -> int:
        """Return the time of a view after `rounds` rounds of leaders without a final block."""
        numerator, denominator = self.growth
        extra = 3 * self.delta_ms
        for _ in range(rounds):
            if self.idle_ms + extra >= self.cap_ms:
                break
            extra = extra * numerator // denominator
        return min(self.idle_ms + extra, self.cap_ms)
