"""A network of real processes, from `up` to `down`, as a user sees it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from testnet.processes import Process, family, is_alive, kill, read_running

pytestmark = pytest.mark.e2e


def assay(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"ASSAY_HOME": None, "ASSAY_RPC": None})


def data(*words: str) -> Any:
    result = assay(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["data"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("testnet") / "net"
    up = assay("testnet", "up", "--dir", str(place), "--workers", "0")
    assert up.exit_code == 0, up.stderr
    yield place
    assay("testnet", "down", "--dir", str(place))


def test_all_nodes_have_one_state_root_at_the_highest_height_that_all_hold(directory: Path) -> None:
    found = data("testnet", "status", "--dir", str(directory))
    assert found["agree"]
    assert found["height"] >= 1
    assert len({node["state_root"] for node in found["nodes"]}) == 1
    assert all(node["peers"] == 3 for node in found["nodes"])


def test_a_transfer_is_final_when_the_command_returns(directory: Path) -> None:
    home = ["--home", str(directory / "client")]
    before = int(data("wallet", "balance", "dev1", *home)["balance"])
    sent = data("wallet", "send", "dev1", "2.5", "--key", "dev0", *home)
    assert int(data("wallet", "balance", "dev1", *home)["balance"]) == before + 2_500_000_000
    assert data("chain", "tx", sent["transaction"], *home)["receipt"]["ok"]
    block = data("chain", "block", str(sent["height"]), *home)
    assert [each["id"] for each in block["transactions"]] == [sent["transaction"]]


def test_a_killed_node_is_told_as_stopped_and_up_is_refused_while_others_run(directory: Path) -> None:
    kill(directory, "validator3")
    found = data("testnet", "status", "--dir", str(directory))
    assert [node["state"] for node in found["nodes"]] == ["running"] * 3 + ["stopped"]
    assert found["agree"]
    again = assay("testnet", "up", "--dir", str(directory))
    assert again.exit_code == 1
    assert again.stderr.splitlines()[0].startswith("error[AS-1009]")


def test_down_leaves_nothing_running_and_up_goes_on_from_there(directory: Path) -> None:
    before = data("testnet", "status", "--dir", str(directory))["height"]
    nodes = list(read_running(directory).values())
    everything: list[Process] = nodes + [child for node in nodes for child in family(node)]
    assert len(everything) >= 2 * len(nodes)
    assert len(data("testnet", "down", "--dir", str(directory))["stopped"]) == 3
    assert not [process for process in everything if is_alive(process)]
    assert data("testnet", "up", "--dir", str(directory))["height"] > before
