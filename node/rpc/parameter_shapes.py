"""The numbers that genesis fixed, as JSON objects."""

from node.rpc.method import Amount, Shape


class TierShape(Shape):
    """What a tier asks."""

    q_bps: int
    """The least chance of being drawn for verification, in ten-thousandths."""
    k: int
    """How many workers verify a job that is drawn."""
    bond_multiple: int
    """The provider locks so many times price and value at risk."""


class ParametersShape(Shape):
    """The numbers that genesis fixed; see the ledger's specification."""

    base_fee_min: Amount
    """Per gas; fee.estimate tells what it is now."""
    validity_ms_max: int
    unbonding_ms: int
    validator_bond_min: Amount
    churn_bps: int
    slash_bps: int
    bounty_bps: int
    reward_ppm: int
    absence_views_min: int
    absence_bps: int
    jail_ms: int
    epoch_ms: int
    worker_bond_min: Amount
    verifier_fee: Amount
    owner_share_bps: int
    protocol_share_bps: int
    no_show_bps: int
    no_reveal_bps: int
    verifier_bond_multiple: int
    input_bytes_max: int
    accept_ms: int
    commit_ms: int
    draw_ms: int
    verify_ms: int
    reveal_ms: int
    check_ms: int
    sample_ms: int
    sample_leaves: int
    contest_ms: int
    challenge_ms: int
    audit_trust: int
    audit_forced: int
    withheld_ms: int
    canary_jackpot: Amount
    canary_epoch_bps: int
    canary_spacing_ms: int
    dispute_claim_ms: int
    dispute_open_ms: int
    dispute_step_ms: int
    dispute_judge_ms: int
    dispute_carriage: Amount
    dispute_bounty_bps: int
    live_step_ms_max: int
    tiers: dict[str, TierShape]
    """What spot, standard, high and max mean."""
