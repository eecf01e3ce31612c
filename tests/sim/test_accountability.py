"""Beyond what the protocol bears networks fork; each fork names a third of the weight or more, and only liars (C18)."""

from consensus.certificate import check
from testnet.manifest import Manifest
from testnet.sim.forks import NETWORKS, fork
from testnet.sim.run import Simulation

SEEDS = range(10)


def test_c18_a_fork_names_a_third_of_the_weight_and_nobody_honest() -> None:
    found = [each for seed in SEEDS if (each := fork(NETWORKS[0], seed)) is not None]
    assert len(found) > len(SEEDS) // 2
    assert all(3 * each.share > 1 for each in found)
    assert not any(each.honest for each in found)


def test_c17_the_certificates_of_a_run_hold_by_the_rules_of_the_product_too() -> None:
    sim = Simulation(Manifest(delta_ms=150, idle_ms=100), 1)
    assert not sim.run().broken
    committee = sim.committee(0)
    for certificate in sim.checks.certificates.values():
        check(certificate, committee.instance, sim.scheme(committee))
