"""What a provider has shown, and how often it is verified: always at first, never less than its tier asks (J52)."""

from ledger.moment import Moment
from ledger.parameters import Parameters, Tier
from ledger.records import Track
from ledger.state import change, track_key
from primitives.units import BASIS, mul_div_ceil


def audit_bps(parameters: Parameters, track: Track, tier: Tier) -> int:
    """Return the chance with which a job of this provider and tier is verified, in ten-thousandths (J52).

    With t trusted jobs it is T / (T + t), rounded up, T being the parameter `audit_trust`; the tier's q at least.
    """
    if track.forced:
        return BASIS  # J53
    earned = mul_div_ceil(BASIS, parameters.audit_trust, parameters.audit_trust + track.trusted)
    return max(parameters.tiers.of(tier).q_bps, earned)


def settled(moment: Moment, provider: bytes) -> None:
    """Note that a job of this provider was verified and settled."""
    track = moment.state.track(provider)
    trusted = track.trusted if track.forced else track.trusted + 1
    after = change(track, settled=track.settled + 1, trusted=trusted, forced=max(0, track.forced - 1))
    moment.state.put(track_key(provider), after)


def rejected(moment: Moment, provider: bytes) -> None:
    """Note that a job of this provider ended in a reject that nobody contested: it moves no audit rate (J52)."""
    track = moment.state.track(provider)
    moment.state.put(track_key(provider), change(track, rejected=track.rejected + 1))


def convicted(moment: Moment, provider: bytes) -> None:
    """Note that this provider was slashed for false values: its trust begins anew (J53)."""
    track = moment.state.track(provider)
    after = change(track, trusted=0, convicted=track.convicted + 1, forced=moment.parameters.audit_forced)
    moment.state.put(track_key(provider), after)


def grey(moment: Moment, provider: bytes) -> None:
    """Note that a dispute found values of this provider beyond what honest machines give (J53)."""
    track = moment.state.track(provider)
    after = change(track, trusted=0, grey=track.grey + 1, forced=moment.parameters.audit_forced)
    moment.state.put(track_key(provider), after)
