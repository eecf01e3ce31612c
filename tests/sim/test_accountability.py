"""Beyond what the protocol bears networks fork; each fork names a third of the weight or more, and only liars (C18)."""

import itertools

from consensus.certificate import check
from consensus.evidence import culprits, offence
from testnet.faults import Faults
from testnet.manifest import Manifest
from testnet.sim.run import Simulation

SEEDS = range(10)
TWO_OF_FOUR = Manifest(
    name="beyond",
    delta_ms=150,
    idle_ms=100,
    faults=Faults(loss=0.05, partitions=6, cast=["double-voter", "double-voter"], beyond=1),
)


def convicted(sim: Simulation) -> set[int]:
    """Return whom the certificates that honest nodes sent convict."""
    committee = sim.committee(0)
    scheme = sim.scheme(committee)
    found = set()
    for one, other in itertools.combinations(sim.checks.certificates.values(), 2):
        if one.vote.view == other.vote.view:
            for first, second in culprits(one, other):
                assert offence(first, second, committee.instance, scheme) is not None
                found.add(committee.nodes[first.signer])
    return found


def test_c18_a_fork_names_a_third_of_the_weight_and_nobody_honest() -> None:
    forks = 0
    for seed in SEEDS:
        sim = Simulation(TWO_OF_FOUR, seed)
        report = sim.run()
        assert report.broken in {"", "agreement", "halt", "liveness"}, report.what
        if report.broken in {"agreement", "halt"}:
            forks += 1
            guilty = convicted(sim)
            committee = sim.committee(0)
            assert guilty <= {node.index for node in sim.nodes if node.liar}
            assert 3 * committee.weight(guilty) > committee.instance.validators.total
    assert forks > len(SEEDS) // 2


def test_c17_the_certificates_of_a_run_hold_by_the_rules_of_the_product_too() -> None:
    sim = Simulation(Manifest(delta_ms=150, idle_ms=100), 1)
    assert not sim.run().broken
    committee = sim.committee(0)
    for certificate in sim.checks.certificates.values():
        check(certificate, committee.instance, sim.scheme(committee))
