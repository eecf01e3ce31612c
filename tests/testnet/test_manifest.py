"""What a network consists of, and who connects to whom."""

from testnet.manifest import Follower, Manifest, Worker, connections, names, standard


def test_nodes_are_named_by_role_and_number() -> None:
    manifest = Manifest(validators=2, workers=[Worker()], followers=[Follower()])
    assert names(manifest) == ["validator0", "validator1", "worker0", "follower0"]


def test_each_pair_is_dialled_from_one_side() -> None:
    dialled = connections(standard(validators=3, workers=2, followers=1))
    pairs = [frozenset((one, other)) for one, others in dialled.items() for other in others]
    assert len(pairs) == len(set(pairs)) == 6 * 5 // 2


def test_a_follower_may_be_connected_to_one_other_only() -> None:
    followers = [Follower(), Follower(connect=["follower0"])]
    dialled = connections(Manifest(validators=1, followers=followers))
    assert dialled["follower1"] == ["follower0"]
    assert "follower1" not in dialled["follower0"]
    assert dialled["follower0"] == ["validator0"]


def test_one_worker_of_the_standard_network_runs_other_settings_and_liars_come_in_addition() -> None:
    crew = standard(workers=5, liars=1).workers
    assert [(worker.threads, worker.optimisation) for worker in crew] == [(1, True), (2, False)] + [(1, True)] * 4
    assert [worker.behaviour for worker in crew] == [None] * 5 + ["liar"]
    assert crew[-1].ask > crew[0].ask
