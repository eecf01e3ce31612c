"""What a job means: other shapes of the inputs, class exact, and a publisher that lies about it."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from cli.admission import check_bundles, lowering_of
from cli.bundles import bundle_of_file
from cli.client import Client, Order
from examples.filetype import labels
from examples.filetype.features import FEATURES
from node.keys.files import KeyKind, load_key
from node.rpc.client import RpcClient
from primitives.reasons import Reason
from primitives.units import KARAT
from tests.e2e.market import Market, events, input_file
from vm.lowering import lowering_id

pytestmark = pytest.mark.e2e


def rows(folder: Path, *at: int) -> Path:
    """Write the inputs of several sample files as one, a row for each."""
    told = [json.loads(input_file(folder, each).read_text())[labels.INPUT] for each in at]
    data = [number for each in told for number in each["data"]]
    path = folder / "rows.json"
    path.write_text(json.dumps({labels.INPUT: {"dtype": "int32", "shape": [len(at), FEATURES], "data": data}}))
    return path


_TERMS = ("--max-price", "0.01", "--key", "dev5")


def _by(honest: Market) -> tuple[str, str]:
    """Return who shall provide: a worker of the usual settings."""
    return "--provider", honest.nodes["worker0"].address


def test_a_shape_that_nobody_has_lowered_is_refused_until_somebody_does(honest: Market, tmp_path: Path) -> None:
    two = rows(tmp_path, 0, 1)
    words = ["job", "submit", honest.model, "--input", str(two), *_TERMS, *_by(honest)]
    error = honest.refused(*words)
    assert (error["reason"], error["facts"]["seen"]) == (Reason.LOWERING_UNKNOWN, f"[2,{FEATURES}]")
    assert "assay model lower" in error["help"]
    told = honest.cli("model", "lower", honest.model, "--input", str(two), "--key", "dev6")["data"]
    job = honest.ended(honest.cli(*words)["data"]["id"])
    assert (job["state"], job["lowering"]) == ("settled", told["lowering"])


def test_in_class_exact_all_parties_have_the_same_bits(honest: Market, tmp_path: Path) -> None:
    """V124, on workers with other threads and optimisation."""
    one = input_file(tmp_path, 2)
    words = ["job", "submit", honest.model, "--input", str(one), *_TERMS, *_by(honest)]
    job = honest.ended(honest.cli(*words, "--class", "exact")["data"]["id"])
    assert (job["state"], job["class"]) == ("settled", "exact")
    assert len({json.dumps(each["outputs"]) for each in [job, *job["verifiers"]]}) == 1


def test_a_large_result_is_sampled_and_reaches_its_client_sealed_though_its_provider_is_gone(
    honest: Market, tmp_path: Path
) -> None:
    """J72: five rows of scores are more than 4 KiB, at the cut and of output."""
    five = rows(tmp_path, 0, 0, 0, 0, 0)
    honest.cli("model", "lower", honest.model, "--input", str(five), "--key", "dev6")
    words = ["job", "submit", honest.model, "--input", str(five), *_TERMS, *_by(honest)]
    job = honest.ended(honest.cli(*words, "--class", "native")["data"]["id"])
    assert (job["state"], job["large"], events(job).count("sample")) == ("settled", True, 4)
    assert all(each["sealed"] for each in [job, *job["verifiers"]])
    error = honest.refused("job", "result", job["id"], "--key", "dev6")
    assert error["reason"] == Reason.SEAL_BROKEN
    honest.kill("worker0")
    try:
        told = honest.cli("job", "result", job["id"], "--key", "dev5")["data"]
    finally:
        honest.start("worker0")
    (scores,) = told.values()
    width, data = scores["shape"][1], scores["data"]
    assert [data[at * width : (at + 1) * width] for at in range(5)] == [data[:width]] * 5


def test_a_publisher_who_lies_about_what_a_model_means_finds_nobody_to_work_for_it(
    honest: Market, tmp_path: Path
) -> None:
    """V125: a worker derives the lowering anew, declines with the reason, and loses nothing."""
    key = load_key(honest.home / "keys" / "dev6.json", kind=KeyKind.WALLET, network="dasy")
    raw = labels.package_file(labels.MODEL_FILE).read_bytes()
    bundle = bundle_of_file(input_file(tmp_path, 0).read_bytes())
    lie = replace(lowering_of(check_bundles(raw, [bundle])), program_root=b"\x07" * 32)
    before = honest.balance("worker0")
    with RpcClient(honest.nodes["validator0"].rpc) as rpc:
        client = Client(rpc)
        client.lower(key, lie)
        order = Order(
            model=bytes.fromhex(honest.model),
            lowering=lowering_id(lie),
            input=rpc.put_blob(bundle),
            max_price=KARAT // 100,
            provider=client.address(honest.nodes["worker0"].address),
        )
        submitted = client.submit(client.order(key, order))
        client.final(submitted)
    job = honest.ended(submitted.hex())
    assert (job["state"], job["outcome"], job["penalties"]) == ("void", "declined", [])
    assert [each["reason"] for each in job["declined"]] == [Reason.LOWERING_DIFFERS]
    assert honest.balance("worker0") <= before
