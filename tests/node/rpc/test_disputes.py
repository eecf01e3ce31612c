"""Disputes over the API, and by command."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import trio
from typer.testing import CliRunner, Result

from cli.main import app
from ledger.transaction import Decision
from node.mempool.pool import Pool
from node.rpc import dispute_methods as methods
from node.rpc.dispute_shapes import DisputePage
from node.rpc.server import open_admin, open_rpc
from node.rpc.services import Services
from node.rpc.shapes import ById
from primitives.address import address_text
from primitives.reasons import Reason, Refused
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import World, address
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import Court
from tests.node.chains import LIMITS
from tests.node.compute.disputes.bench import Far, sitting
from tests.node.rpc.served import services_of


def text(name: str) -> str:
    return address_text(address(name), "dasy")


def services(chain: FakeChain) -> Services:
    return services_of(chain, pool=Pool(LIMITS), blobs=FakeBlobs())


def a_duel() -> tuple[World, Court]:
    """Return a dispute in which a stranger's forged trace fights that of the drawn workers."""
    world = played.a_world()
    job_id = played.a_job_played(world, played.right(), [Decision.ACCEPT] * 3)
    court = Court(world, job_id)
    court.claim("stranger", played.lie())
    court.all_drawn_claim(played.truth())
    court.open_all()
    return world, court


async def test_a_dispute_is_shown_with_its_claims_and_who_owes_what() -> None:
    """R18."""
    world, court = a_duel()
    api = services(FakeChain(world))
    told = await methods.dispute_show(api, ById(id=court.id.hex()))
    assert (told.stage, told.subject.kind, told.subject.party, told.outcome) == ("duel", "whole", None, None)
    assert (told.claims[0].who, told.claims[0].role) == (text("stranger"), "challenger")
    assert {each.role for each in told.claims[1:]} == {"drawn"}
    assert [each.struck for each in told.traces] == [None, None]
    assert told.duel is not None
    assert (told.duel.part, told.duel.step) == ("first", "run")
    assert [each.owes for each in told.duel.sides] == [True, True]
    with pytest.raises(Refused) as refused:
        await methods.dispute_show(api, ById(id="ab" * 32))
    assert refused.value.reason is Reason.DISPUTE_UNKNOWN


async def test_disputes_are_listed_by_job_and_by_whether_they_are_decided() -> None:
    """R18."""
    world, court = a_duel()
    api = services(FakeChain(world))
    assert len((await methods.dispute_list(api, DisputePage(open_only=True))).disputes) == 1
    assert (await methods.dispute_list(api, DisputePage(job="ab" * 32))).disputes == []
    court.fight()
    court.finish()
    assert (await methods.dispute_list(api, DisputePage(open_only=True))).disputes == []
    [told] = (await methods.dispute_list(api, DisputePage(job=court.job_id.hex()))).disputes
    assert (told.outcome, told.duel) == ("upheld", None)
    assert sorted(str(each.struck) for each in told.traces) == ["None", "wrong"]


async def test_only_a_worker_examines() -> None:
    """R18."""
    world, court = a_duel()
    with pytest.raises(Refused) as refused:
        await methods.dispute_examine(services(FakeChain(world)), ById(id=court.job_id.hex()))
    assert refused.value.reason is Reason.NOT_A_WORKER


async def assay(home: Path, rpc: str, *words: str) -> Result:
    def run() -> Result:
        return CliRunner().invoke(app, [*words, "--home", str(home)], env={"ASSAY_RPC": rpc})

    return await trio.to_thread.run_sync(run)


async def test_the_owner_challenges_a_job_by_command_and_anybody_sees_the_dispute(tmp_path: Path) -> None:
    """D28."""
    async with sitting(tmp_path, played.right()) as (bench, nursery):
        bench.oracles["stranger"] = Far(played.lie())
        await bench.start(nursery, "stranger", "worker 0")
        api = dataclasses.replace(services(bench.chain), disputes=bench.services["stranger"])
        sincere = dataclasses.replace(api, disputes=bench.services["worker 0"])
        async with open_rpc(api, host="127.0.0.1", port=0) as rpc, open_admin(api, tmp_path / "admin.sock"):
            told: list[Result] = []

            async def challenge() -> None:
                told.append(await assay(tmp_path, f"http://{rpc}", *words))

            words = ("job", "challenge", bench.job_id.hex(), "--yes")
            nursery.start_soon(challenge)
            with trio.fail_after(30):
                while not bench.disputes:
                    await trio.sleep(0.05)
                    bench.beat()
                while not told:
                    await trio.sleep(0.05)
                    bench.beat()
            shown = await assay(tmp_path, f"http://{rpc}", "dispute", "list", "--json")
            listed: Any = json.loads(shown.stdout)
            [dispute] = listed["data"]["disputes"]
            by_words = await assay(tmp_path, f"http://{rpc}", "dispute", "show", dispute["id"])
        assert told[0].exit_code == 0
        assert told[0].stdout.splitlines()[0] == f"dispute {dispute['id']}"
        assert text("stranger") in by_words.stdout
        async with open_rpc(sincere, host="127.0.0.1", port=0) as rpc, open_admin(sincere, tmp_path / "honest.sock"):
            (tmp_path / "admin.sock").unlink(missing_ok=True)
            (tmp_path / "honest.sock").rename(tmp_path / "admin.sock")
            nothing = await assay(tmp_path, f"http://{rpc}", *words)
        assert (nothing.exit_code, nothing.stdout) == (0, "there is no case: nothing is claimed\n")
