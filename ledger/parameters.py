"""What a network fixes at genesis: fees, shares, bonds and deadlines; and what each tier means."""

import enum
from typing import Annotated, assert_never

import msgspec

from primitives.record import Record
from primitives.units import BASIS, KARAT, U32, Bps

SECOND_MS = 1_000
DAY_MS = 86_400 * SECOND_MS
SPAN_MS_MAX = 366 * DAY_MS
"""No sum of a block's time and a span leaves the numbers of records."""
FEE_MAX = 1_000 * KARAT
"""No product of a fee and a multiple leaves the numbers of records."""

Span = Annotated[int, msgspec.Meta(ge=1, le=SPAN_MS_MAX)]
Fee = Annotated[int, msgspec.Meta(ge=0, le=FEE_MAX)]
Multiple = Annotated[int, msgspec.Meta(ge=0, le=1_000)]


class Tier(enum.IntEnum):
    """How thoroughly a job is verified (DESIGN 6)."""

    SPOT = 1
    STANDARD = 2
    HIGH = 3
    MAX = 4


K_MAX = 7
"""The most verifiers of a job: they and the provider can't all be bought (notes on verification economics, E3)."""


class TierTerms(Record):
    """What a tier asks: how often a job is verified, by how many, and what its provider has at stake."""

    q_bps: Annotated[int, msgspec.Meta(ge=1, le=BASIS)]
    """The least chance with which the beacon draws verifiers (J50)."""
    k: Annotated[int, msgspec.Meta(ge=1, le=K_MAX)]
    """How many verifiers a drawn job has."""
    bond_multiple: Multiple
    """The provider locks this many times price and value at risk, and k verifier fees (J11)."""


class Tiers(Record):
    """The four tiers (DESIGN 6)."""

    spot: TierTerms = TierTerms(q_bps=2_000, k=1, bond_multiple=12)
    standard: TierTerms = TierTerms(q_bps=BASIS, k=1, bond_multiple=4)
    high: TierTerms = TierTerms(q_bps=BASIS, k=3, bond_multiple=2)
    max: TierTerms = TierTerms(q_bps=BASIS, k=7, bond_multiple=2)

    def of(self, tier: Tier) -> TierTerms:
        """Return the terms of a tier."""
        match tier:
            case Tier.SPOT:
                return self.spot
            case Tier.STANDARD:
                return self.standard
            case Tier.HIGH:
                return self.high
            case Tier.MAX:
                return self.max
            case _:
                assert_never(tier)


class Parameters(Record):
    """The numbers of one network. Amounts in grains; deadlines in milliseconds of live time."""

    base_fee_min: Fee = 200
    """Grains per gas, burned at least by every transaction: a transfer costs a ten-thousandth of a karat (L27)."""
    validity_ms_max: Span = DAY_MS
    """How far ahead `valid_until` may lie: bounds what a mempool keeps (L22)."""
    unbonding_ms: Span = 14 * DAY_MS
    """Of block time (L53)."""
    validator_bond_min: Fee = 100 * KARAT
    """Of a validator's own stake when it registers, and of its whole stake to be in a set (Q10)."""
    churn_bps: Annotated[int, msgspec.Meta(ge=1, le=3_300)] = 1_000
    """How much of all weight may come and go from one epoch to the next (Q20)."""
    slash_bps: Bps = 500
    """Of the stake that stood for an epoch, for a proved offence in it (Q32)."""
    bounty_bps: Bps = 500
    """Of what the convict's own stake loses, to the proposer who includes the evidence (Q34)."""
    reward_ppm: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 20
    """Millionths of the reward pot that an epoch pays at most: a sixth of it in a year of epochs of an hour (Q40)."""
    absence_views_min: U32 = 8
    """Views missed in an epoch before they count as absence (Q43)."""
    absence_bps: Bps = 10
    """Of its stake, lost by a validator that was absent (Q43)."""
    jail_ms: Span = 600 * SECOND_MS
    """Of block time: how long an absent validator stays in jail at least (Q43)."""
    epoch_ms: Span = 3_600 * SECOND_MS
    """An epoch ends with the first block so long after its start (Q1)."""
    worker_bond_min: Fee = 10 * KARAT
    verifier_fee: Fee = KARAT // 100
    """What a verifier earns for each second of a run, rounded up, and for one at least (J10)."""
    owner_share_bps: Bps = 500
    """Of the price, to the publisher of the model (J40)."""
    protocol_share_bps: Bps = 200
    """Of the price, to the protocol's pot (J40)."""
    no_show_bps: Bps = 5_000
    """Of its locked bond, lost by a provider that falls silent (J42)."""
    no_reveal_bps: Bps = 1_000
    """Of its locked bond, lost by a verifier that does not commit or does not reveal (J43)."""
    verifier_bond_multiple: Multiple = 50
    """A verifier locks this many fees (J12)."""
    input_bytes_max: U32 = 1024 * 1024
    accept_ms: Span = 30 * SECOND_MS
    commit_ms: Span = 60 * SECOND_MS
    draw_ms: Span = 120 * SECOND_MS
    """For the beacon: at the slowest pace of live time 60 blocks, of which it takes 34 other proposers of 100 (J30)."""
    verify_ms: Span = 60 * SECOND_MS
    reveal_ms: Span = 30 * SECOND_MS
    check_ms: Span = 30 * SECOND_MS
    sample_ms: Span = 60 * SECOND_MS
    """For the beacon to pick leaves of large values, and for each party to open them."""
    sample_leaves: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    """Leaves of each large bundle that the beacon picks."""
    contest_ms: Span = 60 * SECOND_MS
    """For who rejected to open a claim (J56)."""
    challenge_ms: Span = 600 * SECOND_MS
    """How long anybody may challenge a result, and bonds stay locked (J45)."""
    audit_trust: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20
    """Verified jobs that halve a provider's audit rate, down to its tier's (J52)."""
    audit_forced: U32 = 50
    """Verified jobs of a provider found grey, before any may go undrawn again (J53)."""
    withheld_ms: Span = 60 * SECOND_MS
    """How long a holder has to show on the chain what it is asked for there (H22)."""
    canary_jackpot: Fee = KARAT // 100
    """To each verifier that finds a canary: as much again as its fee (J93)."""
    canary_epoch_bps: Bps = 100
    """Of the protocol's pot, paid for canaries in an epoch at most (J93)."""
    canary_spacing_ms: Span = 600 * SECOND_MS
    """Live time between two canaries that one provider opens, at least (J92)."""
    dispute_claim_ms: Span = 60 * SECOND_MS
    """For claims, the drawn workers' included, on top of what a run may take (X3)."""
    dispute_open_ms: Span = 30 * SECOND_MS
    dispute_step_ms: Span = 60 * SECOND_MS
    """For each step of a duel; a block hears one proof, so others may have to wait their turn (X3, X37)."""
    dispute_judge_ms: Span = 60 * SECOND_MS
    """For anybody's proofs of how far a party is off (X41)."""
    dispute_carriage: Fee = KARAT // 2
    """What a duel's transactions cost one side at the most, nearly: a part of a claim's bond (X12)."""
    dispute_bounty_bps: Bps = 3_000
    """Of what is slashed, to those who were right first (X61)."""
    live_step_ms_max: Span = 2 * SECOND_MS
    """The most that live time grows in one block: a halted chain punishes nobody (L41)."""
    tiers: Tiers = Tiers()


def accepts_needed(k: int) -> int:
    """Return how many accepts and no reject settle a job of `k` verifiers: two thirds, to the nearest (J41)."""
    return (2 * k + 1) // 3
