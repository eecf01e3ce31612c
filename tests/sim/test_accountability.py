"""Beyond what the protocol bears networks fork; each fork names a third of the weight or more, and only liars (C18)."""

import itertools

from consensus.certificate import check
from consensus.evidence import culprits, offence
from testnet.sim.keyring import KeyedScheme
from testnet.sim.profile import Profile
from testnet.sim.run import Simulation

SEEDS = range(10)
TWO_OF_FOUR = Profile(name="beyond", loss=0.05, partitions=6, liars=("double-voter", "double-voter"), beyond=1)


def convicted(sim: Simulation) -> set[int]:
    """Return whom the certificates that honest nodes sent convict."""
    instance, scheme = sim.ground.instance, KeyedScheme(0)
    found = set()
    for one, other in itertools.combinations(sim.checks.certificates.values(), 2):
        if one.vote.view == other.vote.view:
            for first, second in culprits(one, other):
                assert offence(first, second, instance, scheme) is not None
                found.add(first.signer)
    return found


def test_c18_a_fork_names_a_third_of_the_weight_and_nobody_honest() -> None:
    forks = 0
    for seed in SEEDS:
        sim = Simulation(seed=seed, nodes=4, profile=TWO_OF_FOUR)
        report = sim.run()
        assert report.broken in {"", "agreement", "halt", "liveness"}, report.what
        if report.broken in {"agreement", "halt"}:
            forks += 1
            guilty = convicted(sim)
            validators = sim.ground.instance.validators
            assert guilty <= {node.index for node in sim.nodes if node.liar}
            assert 3 * sum(validators.weights[index] for index in guilty) > validators.total
    assert forks > len(SEEDS) // 2


def test_c17_the_certificates_of_a_run_hold_by_the_rules_of_the_product_too() -> None:
    sim = Simulation(seed=1, nodes=4, profile=Profile(name="calm"))
    sim.run()
    for certificate in sim.checks.certificates.values():
        check(certificate, sim.ground.instance, KeyedScheme(0))
