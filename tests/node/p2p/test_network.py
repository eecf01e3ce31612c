"""Nodes' network programs with each other: links, gossip, requests, and what happens when a program dies."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import trio

from node.network import NetworkConfig, NetworkRestarted, PeerUnavailableError, open_network
from node.p2p.ipc import BODY_MAX, Direct, Gossip, Limits, PeerDown, PeerUp, Requested, Verdict
from primitives.reasons import Reason, Refused
from tests.node.p2p.conftest import NETWORK_ID, PATIENCE_S, Start, Witness, peer_of, seed_of, until

pytestmark = pytest.mark.e2e


async def test_validators_exchange_frames_in_order_and_only_with_whom_they_name(start: Start) -> None:
    a = await start(1, validators=(1, 2, 3))
    b = await start(2, validators=(1, 2, 3), peers=(a,))
    c = await start(3, validators=(1, 2, 3), peers=(a, b))
    await until(lambda: all(len(each.network.links) == 2 for each in (a, b, c)))

    for number in range(20):
        assert a.network.send(7, b"vote %d" % number)
    assert b.network.send(9, bytes(BODY_MAX), to=[peer_of(1)], priority=False)
    assert b.network.send(9, b"last", to=[peer_of(1)], priority=False)

    for each in (b, c):
        await each.wait_for(Direct, body=b"vote 19")
        frames = each.all_of(Direct, peer=peer_of(1), channel=7, priority=True)
        assert [frame.body for frame in frames] == [b"vote %d" % number for number in range(20)]
    await a.wait_for(Direct, body=b"last")
    assert [len(frame.body) for frame in a.all_of(Direct, peer=peer_of(2), channel=9)] == [BODY_MAX, 4]
    assert not c.all_of(Direct, peer=peer_of(2))
    with pytest.raises(Refused) as refused:
        a.network.send(7, bytes(BODY_MAX + 1))
    assert refused.value.reason is Reason.TOO_LARGE


async def test_who_is_no_validator_has_connections_but_no_link(start: Start) -> None:
    a = await start(1, validators=(1, 2))
    pretender = await start(5, validators=(1, 5), peers=(a,))
    b = await start(2, validators=(1, 2), peers=(a,))
    await a.wait_for(PeerUp, peer=peer_of(2), is_validator_link=True)
    assert a.network.links == [peer_of(2)]
    await until(lambda: b.network.links == [peer_of(1)])
    assert pretender.network.links == []
    assert not pretender.all_of(PeerUp, is_validator_link=True)
    assert await _answered(a, pretender, b"a follower may ask")


async def test_validators_may_join_and_leave_while_the_network_runs(start: Start) -> None:
    a = await start(1, validators=(1, 2))
    b = await start(2, validators=(1, 2), peers=(a,))
    c = await start(3)
    await until(lambda: a.network.links == [peer_of(2)] and b.network.links == [peer_of(1)])
    assert not c.network.peers

    for each in (a, b, c):  # c's peers learn its address, c learns nobody's
        each.network.set_validators(
            [c.network.address, peer_of(1), peer_of(2)] if each is not c else [*map(peer_of, (1, 2, 3))]
        )
    await until(lambda: all(len(each.network.links) == 2 for each in (a, b, c)))
    c.network.send(1, b"a vote of who joined")
    for each in (a, b):
        await each.wait_for(Direct, body=b"a vote of who joined", peer=peer_of(3))

    for each in (a, b, c):
        each.network.set_validators([peer_of(2), peer_of(3)] if each is not a else [])
    await until(lambda: b.network.links == [peer_of(3)] and c.network.links == [peer_of(2)] and not a.network.links)
    await b.wait_for(PeerDown, peer=peer_of(1), is_validator_link=True)
    assert peer_of(1) in b.network.peers


async def test_votes_overtake_bodies_that_wait(start: Start) -> None:
    a = await start(1, validators=(1, 2))
    b = await start(2, validators=(1, 2), peers=(a,))
    await until(lambda: bool(a.network.links and b.network.links))
    for number in range(4):
        assert a.network.send(9, number.to_bytes(1, "big") * BODY_MAX, priority=False)
    a.network.send(1, b"a vote")
    await b.wait_for(Direct, channel=9, body=bytes([3]) * BODY_MAX)
    order = [event.channel for event in b.all_of(Direct)]
    assert order.index(1) < order.index(9) + 2


async def test_a_penalty_counts_as_so_many_invalid_messages(start: Start) -> None:
    judge = await start(2, limits=Limits(is_test_network=True, outbound=0, rejects_until_ban=3))
    await start(1, peers=(judge,))
    judge.network.penalise(peer_of(1), "said one thing and another", 2)
    judge.network.penalise(peer_of(1), "and again", 1)
    await judge.wait_for(PeerDown, peer=peer_of(1))
    await until(lambda: judge.network.stats.get("banned_refused", 0) > 0)


async def _answered(answering: Witness, asking: Witness, question: bytes) -> bool:
    """Tell whether a question of one witness is answered by another."""
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            asked = await answering.wait_for(Requested, body=question)
            answering.network.respond(asked.id, b"yes")

        nursery.start_soon(answer)
        peer = answering.network.peer_id
        return bool(await asking.network.request(peer, "sync", question) == b"yes")


async def test_any_peer_may_ask_and_learns_why_there_is_no_answer(start: Start) -> None:
    a = await start(1)
    b = await start(2, peers=(a,))
    answers: dict[bytes, bytes | None] = {b"%d" % number: b"%d" % number * 1000 for number in range(40)}
    answers |= {b"what nobody knows": None, b"large": bytes(BODY_MAX)}
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            for nth in range(42):
                await until(lambda nth=nth: len(a.all_of(Requested)) > nth)
                asked = a.all_of(Requested)[nth]
                assert (asked.peer, asked.protocol) == (peer_of(2), "blob")
                a.network.respond(asked.id, answers[asked.body])

        async def ask(number: int) -> None:
            question = b"%d" % number
            assert await b.network.request(peer_of(1), "blob", question) == answers[question]

        nursery.start_soon(answer)
        for number in range(40):
            nursery.start_soon(ask, number)
        with pytest.raises(PeerUnavailableError, match="no answer"):
            await b.network.request(peer_of(1), "blob", b"what nobody knows")
        assert await b.network.request(peer_of(1), "blob", b"large") == bytes(BODY_MAX)
    with pytest.raises(PeerUnavailableError, match="not connected"):
        await b.network.request(peer_of(9), "blob", b"")


async def test_gossip_is_forwarded_once_it_is_accepted_and_not_before(start: Start) -> None:
    middle = await start(2)
    author = await start(1, peers=(middle,))
    far = await start(3, peers=(middle,))
    bodies = [b"ignored", b"rejected", b"accepted", b"accepted late"]
    for body in bodies:
        author.network.publish("tx", body)
        gossip = await middle.wait_for(Gossip, body=body)
        assert (gossip.topic, gossip.author, gossip.forwarder) == ("tx", peer_of(1), peer_of(1))
    ignored, rejected, accepted, late = (middle.all_of(Gossip, body=body)[0].handle for body in bodies)
    middle.network.judge(ignored, Verdict.IGNORE)
    middle.network.judge(rejected, Verdict.REJECT)
    middle.network.judge(accepted, Verdict.ACCEPT)
    first = await far.wait_for(Gossip)
    assert (first.body, first.forwarder, first.author) == (b"accepted", peer_of(2), peer_of(1))

    middle.network.judge(late, Verdict.ACCEPT)
    await far.wait_for(Gossip, body=b"accepted late")
    author.network.publish("final", b"of another topic")
    await middle.wait_for(Gossip, topic="final")
    assert [gossip.body for gossip in far.all_of(Gossip)] == [b"accepted", b"accepted late"]
    assert not author.all_of(Gossip)


async def test_who_gossips_what_is_invalid_is_cut_off_and_kept_out(start: Start) -> None:
    judge = await start(2, limits=Limits(is_test_network=True, outbound=0, rejects_until_ban=2))
    liar = await start(1, peers=(judge,))
    for body in (b"one lie", b"another lie"):
        liar.network.publish("tx", body)
        gossip = await judge.wait_for(Gossip, body=body)
        judge.network.judge(gossip.handle, Verdict.REJECT)
    await judge.wait_for(PeerDown, peer=peer_of(1))
    await until(lambda: judge.network.stats.get("banned_refused", 0) > 0)
    assert not judge.network.peers


async def test_what_the_node_does_not_judge_is_let_go_oldest_first(start: Start) -> None:
    middle = await start(2, limits=Limits(is_test_network=True, outbound=0, held_per_peer=2))
    author = await start(1, peers=(middle,))
    far = await start(3, peers=(middle,))
    for number in range(4):
        author.network.publish("tx", b"%d" % number)
        await middle.wait_for(Gossip, body=b"%d" % number)
    for gossip in middle.all_of(Gossip):
        middle.network.judge(gossip.handle, Verdict.ACCEPT)
    await far.wait_for(Gossip, body=b"2")
    await far.wait_for(Gossip, body=b"3")
    assert sorted(gossip.body for gossip in far.all_of(Gossip)) == [b"2", b"3"]


async def test_a_killed_program_is_started_again_and_everything_goes_on(start: Start) -> None:
    a = await start(1, validators=(1, 2))
    b = await start(2, validators=(1, 2), peers=(a,))
    await until(lambda: all(each.network.links for each in (a, b)))
    a.network.publish("tx", b"before")
    a.network.judge((await b.wait_for(Gossip, body=b"before")).handle, Verdict.ACCEPT)
    port, pid = a.network.port, a.network.pid

    async with trio.open_nursery() as nursery:

        async def ask_in_vain() -> None:
            with pytest.raises(PeerUnavailableError, match="the network program ended"):
                await a.network.request(peer_of(2), "sync", b"a question under way")

        nursery.start_soon(ask_in_vain)
        await b.wait_for(Requested)
        os.kill(pid, signal.SIGKILL)

    restarted = await a.wait_for(NetworkRestarted)
    assert restarted.pid == a.network.pid != pid
    assert a.network.port == port
    await b.wait_for(PeerDown, peer=peer_of(1), is_validator_link=True)
    await until(lambda: all(each.network.links for each in (a, b)))
    a.network.send(1, b"a vote")
    await b.wait_for(Direct, body=b"a vote")
    b.network.send(1, b"another vote")
    await a.wait_for(Direct, body=b"another vote")
    # Its sequence numbers begin anew, and peers must not take them for those of messages they have seen.
    for number in range(3):
        a.network.publish("tx", b"after %d" % number)
        await b.wait_for(Gossip, body=b"after %d" % number)


async def test_a_validator_that_stands_still_is_noticed_and_welcome_back(start: Start) -> None:
    limits = Limits(is_test_network=True, outbound=0, silence_ms=2000)
    a = await start(1, validators=(1, 2), limits=limits)
    b = await start(2, validators=(1, 2), peers=(a,), limits=limits)
    await until(lambda: all(each.network.links for each in (a, b)))
    os.kill(b.network.pid, signal.SIGSTOP)
    await a.wait_for(PeerDown, peer=peer_of(2))
    assert not a.network.links
    os.kill(b.network.pid, signal.SIGCONT)
    # Until it is heard: on a busy machine so short a silence may part them again.
    await until(lambda: a.network.send(1, b"a vote") and bool(b.all_of(Direct, body=b"a vote")))
    assert b.network.restarts == 0


async def test_a_program_that_hangs_is_killed_and_another_started() -> None:
    config = NetworkConfig(identity_seed=seed_of(1), network_id=NETWORK_ID, silence_s=5.0)
    async with open_network(config) as network:
        pid = network.pid
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: network.restarts == 1 and bool(network.stats))
        assert network.pid not in (0, pid)
        assert not _is_alive(pid)


async def test_requests_that_are_given_up_leave_the_connection_whole(start: Start) -> None:
    a = await start(1, validators=(1, 2))
    b = await start(2, validators=(1, 2), peers=(a,))
    await until(lambda: bool(a.network.links and b.network.links))
    async with trio.open_nursery() as nursery:

        async def answer_all() -> None:
            answered = 0
            while True:
                for asked in a.all_of(Requested)[answered:]:
                    a.network.respond(asked.id, bytes(1 << 20))
                    answered += 1
                await trio.sleep(0.01)

        nursery.start_soon(answer_all)
        for number in range(40):
            with trio.move_on_after(0.001 * (number % 7)):
                await b.network.request(peer_of(1), "blob", b"given up %d" % number)
        assert await b.network.request(peer_of(1), "blob", b"and now in earnest") == bytes(1 << 20)
        nursery.cancel_scope.cancel()
    assert not b.all_of(PeerDown)
    assert a.network.restarts == b.network.restarts == 0


async def test_the_program_ends_with_a_node_that_is_killed() -> None:
    code = (
        "import trio\n"
        "from node.network import NetworkConfig, open_network\n"
        "async def main():\n"
        "    async with open_network(NetworkConfig(identity_seed=bytes(32), network_id=bytes(32))) as network:\n"
        "        print(network.pid, flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, stdout=subprocess.PIPE, check=False)
        node: trio.Process = await nursery.start(start, [sys.executable, "-c", code])
        assert node.stdout is not None
        with trio.fail_after(PATIENCE_S):
            pid = int(await node.stdout.receive_some())
        node.kill()
        await until(lambda: not _is_alive(pid))
        nursery.cancel_scope.cancel()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_node_does_not_load_libp2p() -> None:
    code = "import sys, node.network; sys.exit(any(m.split('.')[0] in ('libp2p', 'multiaddr') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
