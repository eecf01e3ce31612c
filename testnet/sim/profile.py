"""What a simulated network suffers: profiles of faults, chosen by name."""

from primitives.record import Record


class Profile(Record):
    """Faults of one run. Rates are per message, counts per run; each one configured must really occur."""

    name: str
    loss: float = 0.0
    """Share of messages that vanish."""
    duplicate: float = 0.0
    """Share of messages that arrive twice."""
    late: float = 0.0
    """Share of messages that take far longer than Δ."""
    partitions: int = 0
    """Times that the network splits in two for a while."""
    deaf: int = 0
    """Times that one node hears nothing for a while, though it is heard."""
    crashes: int = 0
    """Times that a node dies between two inputs and comes back."""
    torn: int = 0
    """Times that a node dies amid the effects of a step, with a torn write."""
    liars: tuple[str, ...] = ()
    """Liars by name (testnet.sim.liars), one node each, as far as less than a third are liars."""
    beyond: int = 0
    """So many liars more than the protocol bears: then forks may happen, and must name their authors."""


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="calm"),
        Profile(name="lossy", loss=0.15, duplicate=0.05, late=0.03),
        Profile(name="split", loss=0.02, partitions=5, deaf=3),
        Profile(name="crash", loss=0.02, crashes=5, torn=5),
        Profile(name="equivocator", loss=0.05, late=0.02, liars=("equivocator", "double-voter")),
        Profile(name="double-voter", loss=0.05, partitions=2, liars=("double-voter", "skipper")),
        Profile(name="skipper", loss=0.05, torn=3, liars=("skipper", "equivocator")),
        Profile(name="garbler", loss=0.02, late=0.05, crashes=2, liars=("garbler", "nuller")),
        Profile(
            name="storm",
            loss=0.2,
            duplicate=0.05,
            late=0.05,
            partitions=3,
            deaf=2,
            crashes=3,
            torn=3,
            liars=("equivocator", "double-voter"),
        ),
    )
}
CYCLE = ("lossy", "split", "crash", "equivocator", "double-voter", "skipper", "garbler", "storm")
"""The profiles of a campaign, in turn by seed."""
