"""What a network fixes at genesis: fees, shares, bonds and deadlines; and what each tier means."""

import enum

from primitives.record import Record
from primitives.units import KARAT, U64, Bps

SECOND_MS = 1_000
DAY_MS = 86_400 * SECOND_MS


class Tier(enum.IntEnum):
    """How thoroughly a job is verified (DESIGN 6); HIGH alone is served so far."""

    SPOT = 1
    STANDARD = 2
    HIGH = 3
    MAX = 4


class Parameters(Record):
    """The numbers of one network. Amounts in grains; deadlines in milliseconds of live time."""

    base_fee: U64 = KARAT // 10_000
    """Burned by every transaction (L20)."""
    validity_ms_max: U64 = DAY_MS
    """How far ahead `valid_until` may lie: bounds what a mempool keeps (L22)."""
    unbonding_ms: U64 = 14 * DAY_MS
    """Of block time (L53)."""
    worker_bond_min: U64 = 10 * KARAT
    verifier_fee: U64 = KARAT // 100
    """What one verifier earns with one job."""
    owner_share_bps: Bps = 500
    """Of the price, to the publisher of the model (J40)."""
    protocol_share_bps: Bps = 200
    """Of the price, to the protocol's pot (J40)."""
    no_show_bps: Bps = 5_000
    """Of its locked bond, lost by a provider that falls silent (J42)."""
    no_reveal_bps: Bps = 1_000
    """Of its locked bond, lost by a verifier that does not commit or does not reveal (J43)."""
    verifier_bond_multiple: U64 = 50
    """A verifier locks this many fees (J12)."""
    input_bytes_max: U64 = 1024 * 1024
    accept_ms: U64 = 30 * SECOND_MS
    commit_ms: U64 = 60 * SECOND_MS
    draw_ms: U64 = 60 * SECOND_MS
    verify_ms: U64 = 60 * SECOND_MS
    reveal_ms: U64 = 30 * SECOND_MS
    check_ms: U64 = 30 * SECOND_MS
    challenge_ms: U64 = 600 * SECOND_MS
    """How long bonds stay locked after a settlement (J45)."""
    live_step_ms_max: U64 = 2 * SECOND_MS
    """The most that live time grows in one block: a halted chain punishes nobody (L41)."""


VERIFIERS = 3
"""k of tier HIGH."""
ACCEPTS_MIN = 2
"""With fewer reveals than k, this many accepts and no reject settle a job (J41)."""
PROVIDER_BOND_MULTIPLE = 2
"""A provider of tier HIGH locks this many prices, and k verifier fees (J11)."""
