import msgspec
import pytest

from ledger.transaction import JobDecline, JobSubmit, Transfer
from node.rpc.table import METHODS
from primitives.address import address_text
from primitives.content import content_id
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    Script,
    a_lowering,
    a_model,
    a_publication,
    a_submission,
    address,
    least_fee,
    publish,
    run_job,
)
from tests.node.rpc.served import FACTS, Node
from vm.lowering import lowering_id
from vm.manifest import model_id

FEE = least_fee(Transfer(to=bytes(20), amount=0))


def text(name: str) -> str:
    return address_text(address(name), "dasy")


def a_transfer(node: Node, amount: int = 5) -> str:
    return node.chain.world.sign("client", Transfer(to=address("stranger"), amount=amount)).hex()


async def test_every_method_of_the_table_is_described_and_has_its_schemas(node: Node) -> None:
    found = await node.call("rpc.discover")
    assert [each["name"] for each in found["methods"]] == [method.name for method in METHODS]
    assert all(each["summary"].endswith(".") for each in found["methods"])
    schemas = found["components"]["schemas"]
    for each in found["methods"]:
        assert each["result"]["schema"]["$ref"].rpartition("/")[2] in schemas
        assert all(param["schema"] for param in each["params"])


async def test_status_tells_how_the_node_stands(node: Node) -> None:
    node.chain.step()
    status = await node.call("node.status")
    head = node.chain.head
    assert status["network"] == "dasy"
    assert status["genesis_hash"] == node.chain.genesis_hash.hex()
    assert (status["height"], status["state_root_height"]) == (1, 1)
    assert status["state_root"] == head.state_root.hex()
    assert status["final_age_ms"] == 5
    assert status["roles"] == ["validator", "worker"]
    assert status["pids"] == {"node": 10, "network": 11, "sandboxes": [12]}
    assert status["worker"] == text("worker 0")
    assert status["p2p_address"] == f"{status['peer_id']}@127.0.0.1:4001"
    assert len(status["peers"]) == len(FACTS.peers)


async def test_a_block_is_found_by_height_and_by_id(node: Node) -> None:
    txid = (await node.call("tx.submit", raw=a_transfer(node)))["id"]
    node.chain.step()
    block = await node.call("chain.block", height=1)
    assert block == await node.call("chain.block", id=block["id"])
    assert block["state_root"] == (await node.call("chain.state_root", height=1))["state_root"]
    assert block["certificate"]["signers"] == [0, 1, 3]
    (transaction,) = block["transactions"]
    assert transaction["id"] == txid
    assert transaction["sender"] == text("client")
    assert transaction["kind"] == "Transfer"
    assert transaction["payload"] == {"to": text("stranger"), "amount": "5"}


async def test_blocks_that_are_not_there_are_not_found(node: Node) -> None:
    for params in ({"height": 9}, {"id": "ab" * 32}):
        assert (await node.refusal("chain.block", **params))["data"]["reason"] == Reason.NOT_FOUND
    assert (await node.refusal("chain.state_root", height=9))["data"]["reason"] == Reason.NOT_FOUND
    for both in ({}, {"height": 1, "id": "ab" * 32}):
        assert (await node.refusal("chain.block", **both))["data"]["reason"] == Reason.REQUEST_INVALID


async def test_a_transaction_is_followed_from_unknown_to_final(node: Node) -> None:
    raw = a_transfer(node)
    txid = (await node.call("tx.check", raw=raw))["id"]
    assert (await node.call("chain.tx", id=txid))["state"] == "unknown"
    assert (await node.call("tx.submit", raw=raw)) == {"id": txid}
    assert (await node.call("chain.tx", id=txid))["state"] == "pending"
    node.chain.step()
    final = await node.call("chain.tx", id=txid)
    assert (final["state"], final["height"], final["index"]) == ("final", 1, 0)
    assert final["receipt"]["ok"]
    assert final["receipt"]["fee"] == str(FEE)
    assert final["block"] == (await node.call("chain.block", height=1))["id"]


async def test_submitting_twice_is_submitting_once(node: Node) -> None:
    raw = a_transfer(node)
    first = await node.call("tx.submit", raw=raw)
    assert await node.call("tx.submit", raw=raw) == first
    node.chain.step()
    assert await node.call("tx.submit", raw=raw) == first
    assert not node.chain.pool


async def test_a_failed_transaction_tells_its_reason_and_facts(node: Node) -> None:
    world = node.chain.world
    run_job(world)
    raw = world.sign("publisher", a_publication())
    final = world.block(raw)
    receipt = final.outcome.receipts[0]
    node.chain._places[receipt.transaction] = (final.outcome.header.height, 0, receipt)
    told = (await node.call("chain.tx", id=receipt.transaction.hex()))["receipt"]
    assert not told["ok"]
    assert (told["reason"], told["reason_name"]) == (Reason.MODEL_EXISTS, "model_exists")
    assert told["facts"]


async def test_an_account_tells_its_balance_nonces_and_bond(node: Node) -> None:
    await node.call("tx.submit", raw=a_transfer(node, amount=KARAT))
    waiting = await node.call("account.get", address=text("client"))
    assert (waiting["nonce"], waiting["next_nonce"]) == (0, 1)
    node.chain.step()
    account = await node.call("account.get", address=text("client"))
    assert account["balance"] == str(1000 * KARAT - KARAT - FEE)
    assert (account["nonce"], account["next_nonce"], account["bond"]) == (1, 1, "0")
    worker = await node.call("account.get", address=text("worker 1"))
    assert (worker["bond"], worker["bond_free"], worker["bond_locked"]) == (str(100 * KARAT), str(100 * KARAT), "0")
    nobody = await node.call("account.get", address=text("worker 19"))
    assert (nobody["balance"], nobody["nonce"]) == ("0", 0)


@pytest.mark.parametrize(
    ("address_", "reason"),
    [
        ("", Reason.BAD_ADDRESS),
        ("dasy1qqqq", Reason.BAD_ADDRESS),
        (address_text(bytes(20), "asy"), Reason.WRONG_NETWORK),
    ],
)
async def test_a_bad_address_is_refused(node: Node, address_: str, reason: Reason) -> None:
    assert (await node.refusal("account.get", address=address_))["data"]["reason"] == reason


async def test_refusals_of_the_ledger_have_its_numbers_and_change_nothing(node: Node) -> None:
    world = node.chain.world
    before = node.chain.head.state_root
    poor = world.sign("client", Transfer(to=address("stranger"), amount=10**15)).hex()
    unknown = world.sign("client", a_submission()).hex()
    garbage = "00ff"
    forged = a_transfer(node)[:-2] + "ff"
    for raw, reason in (
        (poor, Reason.INSUFFICIENT_BALANCE),
        (unknown, Reason.MODEL_UNKNOWN),
        (garbage, Reason.MALFORMED),
        (forged, Reason.BAD_SIGNATURE),
        (world.sign("client", Transfer(to=address("stranger"), amount=1), ahead=2).hex(), Reason.NONCE_GAP),
    ):
        for method in ("tx.check", "tx.submit"):
            error = await node.refusal(method, raw=raw)
            assert error["code"] == -32000
            assert error["data"]["reason"] == reason
            assert error["data"]["code"] == f"AS-{int(reason)}"
    assert not node.chain.pool
    assert node.chain.head.state_root == before


async def test_addresses_and_bytes_in_facts_are_told_as_text(node: Node) -> None:
    run_job(node.chain.world)
    payload = a_submission(provider="stranger")
    error = await node.refusal("tx.check", raw=node.chain.world.sign("client", payload).hex())
    assert error["data"]["facts"] == {"provider": text("stranger")}
    assert error["data"]["help"]


async def test_parameters_and_genesis_are_told(node: Node) -> None:
    params = await node.call("chain.params")
    assert params["verifier_fee"] == str(node.chain.genesis.parameters.verifier_fee)
    assert params["accept_ms"] == node.chain.genesis.parameters.accept_ms
    assert params["tiers"]["high"] == {"q_bps": 10_000, "k": 3, "bond_multiple": 2}
    genesis = await node.call("chain.genesis")
    assert genesis["hash"] == node.chain.genesis_hash.hex()
    assert len(genesis["genesis"]["validators"]) == 4


async def test_the_parameters_told_are_all_there_are(node: Node) -> None:
    names = set(msgspec.structs.asdict(node.chain.genesis.parameters))
    assert set(await node.call("chain.params")) == names


async def test_a_settled_job_tells_everything(node: Node) -> None:
    job_id = run_job(node.chain.world)
    job = await node.call("job.show", id=job_id.hex())
    assert (job["state"], job["outcome"], job["tier"], job["class"]) == ("settled", "settled", "high", "native")
    assert job["provider"] == text("worker 0")
    assert job["outputs"]["length"] > 0
    assert [each["verdict"] for each in job["verifiers"]] == ["accept"] * 3
    events = [each["event"] for each in job["history"]]
    assert events[:4] == ["submit", "accept", "commit", "draw"]
    assert events.index("provider_reveal") > max(at for at, each in enumerate(events) if each == "verifier_commit")
    assert sum(int(each["amount"]) for each in job["payouts"]) == int(job["max_price"]) + 3 * int(job["verifier_fee"])
    assert {each["kind"] for each in job["payouts"]} >= {"price", "verifier_fee", "refund"}


async def test_a_rejected_job_tells_its_refund(node: Node) -> None:
    job_id = run_job(node.chain.world, Script(provider_shift=1.0))
    job = await node.call("job.show", id=job_id.hex())
    assert (job["state"], job["outcome"]) == ("void", "rejected")
    assert {each["verdict"] for each in job["verifiers"]} == {"reject"}


async def test_lists_come_in_pages_without_gap_or_repetition(node: Node) -> None:
    ids = sorted(run_job(node.chain.world).hex() for _ in range(3))
    seen, cursor = [], None
    while True:
        page = await node.call("job.list", limit=2, cursor=cursor)
        seen += [each["id"] for each in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids
    assert len((await node.call("job.list", client=text("client")))["jobs"]) == 3
    assert not (await node.call("job.list", client=text("stranger")))["jobs"]
    first = await node.call("worker.list", limit=3)
    rest = await node.call("worker.list", limit=3, cursor=first["next"])
    assert len(first["workers"]) + len(rest["workers"]) == 5
    assert rest["next"] is None
    tracks = [each["track"] for each in (*first["workers"], *rest["workers"])]
    assert sorted(each["settled"] for each in tracks) == [0, 0, 0, 0, 3]
    assert sorted(each["spot_audit_bps"] for each in tracks) == [8_696, *[10_000] * 4]


async def test_models_are_listed_and_shown(node: Node) -> None:
    run_job(node.chain.world)
    (listed,) = (await node.call("model.list"))["models"]
    assert listed == await node.call("model.show", id=model_id(a_model()).hex())
    assert listed["publisher"] == text("publisher")
    assert listed["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 20]}]
    assert listed["licence"] == "Apache-2.0"


async def test_the_lowerings_of_a_model_are_told(node: Node) -> None:
    run_job(node.chain.world)
    (listed,) = (await node.call("model.lowerings", model=model_id(a_model()).hex()))["lowerings"]
    row = {"dtype": "float32", "shape": [1, 20]}
    assert listed["id"] == lowering_id(a_lowering()).hex()
    assert (listed["classes"], listed["tolerance"]) == (["native", "exact"], "1/10000")
    assert (listed["inputs"], listed["cut"]) == ([{"name": "x", **row}], [{"name": "logits", **row}])
    named = {"model": model_id(a_model()).hex(), "shapes": [[1, 20]], "publisher": text("publisher")}
    assert (await node.call("model.lowerings", **named))["lowerings"] == [listed]
    for other in ({"shapes": [[2, 20]]}, {"publisher": text("client")}):
        assert not (await node.call("model.lowerings", **{**named, **other}))["lowerings"]
    assert (await node.refusal("model.lowerings", model="ab" * 32))["data"]["reason"] == Reason.MODEL_UNKNOWN


@pytest.mark.parametrize(("method", "reason"), [("model.show", Reason.MODEL_UNKNOWN), ("job.show", Reason.JOB_UNKNOWN)])
async def test_what_is_not_on_the_chain_is_unknown(node: Node, method: str, reason: Reason) -> None:
    error = await node.refusal(method, id="ab" * 32)
    assert error["data"]["reason"] == reason
    assert error["data"]["facts"]


async def test_payloads_of_every_kind_are_told(node: Node) -> None:
    world = node.chain.world
    run_job(world)
    kinds = []
    for final in world.finals:
        block = await node.call("chain.block", height=final.outcome.header.height)
        kinds += [each["kind"] for each in block["transactions"]]
        for each in block["transactions"]:
            if each["kind"] == JobSubmit.__name__:
                assert each["payload"]["max_price"] == str(KARAT)
                assert each["payload"]["provider"] == text("worker 0")
                assert (each["payload"]["tier"], each["payload"]["class"]) == ("high", "native")
    assert set(kinds) >= {"ModelPublish", "JobSubmit", "JobAccept", "JobCommit", "VerifierCommit", "ProviderReveal"}


async def test_a_model_is_checked_in_the_sandbox_of_a_worker(node: Node) -> None:
    content = await node.remote.put(b"a model")
    asked = {"root": content.root.hex(), "length": content.length}
    found = await node.call("model.check", **asked)
    assert [(each["name"], each["kind"]) for each in found["operators"]] == [
        ("Gemm", "contraction"),
        ("Softmax", "inexact"),
    ]
    assert (found["classes"], found["tolerance"]) == (["native", "exact"], "1/10000")
    assert found["calibration"]["values"][0]["in_sigma"] == 2_000
    wrong = await node.call("model.check", **asked, shapes=[[7, 20]])
    assert (wrong["classes"], wrong["faults"][0]["classes"]) == ([], ["native"])
    assert wrong["faults"][0]["facts"] == {"node": "1 Round /round", "seen": 3}
    bad = await node.blobs.put(b"bad")
    error = await node.refusal("model.check", root=bad.root.hex(), length=bad.length)
    assert error["data"]["reason"] == Reason.MODEL_UNREADABLE


async def test_what_a_worker_could_not_do_is_told_with_its_reason(node: Node) -> None:
    (failure,) = (await node.call("worker.failures"))["failures"]
    assert failure == {
        "job": (b"j" * 32).hex(),
        "step": "accept",
        "reason": Reason.RUN_TIME_LIMIT,
        "reason_name": "run_time_limit",
        "facts": {"limit_ms": 5, "client": text("client")},
    }


async def test_content_is_put_found_and_fetched(node: Node) -> None:
    raw = bytes(range(256)) * 5000
    told = (await node.ask("PUT", "/blob", raw)).json
    content = content_id(raw)
    assert told == {"root": content.root.hex(), "length": len(raw)}
    assert await node.call("blob.find", **told) == {"held": True}
    assert (await node.ask("GET", f"/blob/{told['root']}/{told['length']}")).body == raw


async def test_content_of_a_peer_is_fetched_from_there(node: Node) -> None:
    content = await node.remote.put(b"far away")
    where = {"root": content.root.hex(), "length": content.length}
    assert await node.call("blob.find", **where) == {"held": False}
    answer = await node.ask("GET", f"/blob/{content.root.hex()}/{content.length}")
    assert (answer.status, answer.body) == (200, b"far away")


async def test_content_that_nobody_has_is_not_found(node: Node) -> None:
    answer = await node.ask("GET", f"/blob/{'ab' * 32}/7")
    assert answer.status == 404
    assert answer.json["error"]["data"]["reason"] == Reason.CONTENT_NOT_FOUND


@pytest.mark.parametrize(
    "path", ["/blob/zz/1", f"/blob/{'ab' * 32}/-1", f"/blob/{'ab' * 32}/1e3", f"/blob/{'AB' * 32}/1"]
)
async def test_a_path_that_names_no_content_is_refused(node: Node, path: str) -> None:
    answer = await node.ask("GET", path)
    assert answer.status == 400
    assert answer.json["error"]["data"]["reason"] == Reason.REQUEST_INVALID


async def test_a_declined_job_tells_who_declined_and_why_even_for_a_number_without_a_name(node: Node) -> None:
    world = node.chain.world
    publish(world)
    for number, name in ((Reason.OPERATOR_REFUSED, "operator_refused"), (599, None)):
        job_id = world.must("client", a_submission())
        world.must("worker 0", JobDecline(job=job_id, reason=number))
        job = await node.call("job.show", id=job_id.hex())
        assert (job["state"], job["outcome"]) == ("void", "declined")
        assert job["declined"] == [{"worker": text("worker 0"), "reason": number, "reason_name": name}]


async def test_the_way_to_the_head_is_told(node: Node) -> None:
    told = await node.call("sync.status")
    assert (told["height"], told["target"], told["behind"], told["peers"]) == (1_000, 5_000, 4_000, 3)
    assert (told["blocks_per_s"], told["left_s"]) == (100.0, 40.0)
    assert (told["lowest_block"], told["lowest_history"]) == (0, 700)
