"""`assay db` on homes of nodes that do not run."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.exit import Exit
from cli.main import app
from node.config import Config, render_config
from node.genesis_file import write_genesis
from node.home import Home, locked
from node.sync.blob_store import BlobStore
from tests.node.chains import CHARTER, Producer

HEIGHT = 8


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make()
    write_genesis(made.genesis, CHARTER.genesis)
    made.config.write_text(render_config(Config()))
    producer = Producer(made.state)
    producer.extend(HEIGHT)
    producer.close()
    BlobStore(made.blobs).put(b"content" * 1_000)
    return made


def db(home: Home, *words: str) -> Result:
    return CliRunner().invoke(app, ["db", *words, "--home", str(home.root), "--json"], env={"ASSAY_HOME": None})


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["data"]


def test_a_whole_home_is_found_whole(home: Home) -> None:
    told = data(db(home, "check"))
    assert told["problems"] == []
    assert (told["height"], told["blocks"], told["certificates_checked"]) == (HEIGHT, HEIGHT + 1, HEIGHT)
    plain = CliRunner().invoke(app, ["db", "check", "--home", str(home.root)])
    assert plain.exit_code == 0
    assert "problems" in plain.stdout


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def test_each_kind_of_file_that_is_damaged_is_named_and_the_exit_says_so(home: Home) -> None:
    blob = next(home.blobs.iterdir())
    segment = home.state / "segments" / "00000001.seg"
    flip(blob, 100)
    flip(segment, 500)
    result = db(home, "check")
    assert result.exit_code == Exit.PROBLEMS
    told = json.loads(result.stdout)["data"]
    assert {problem.get("file") for problem in told["problems"]} == {str(blob), str(segment)}
    rows = max((path for path in home.state.iterdir() if path.is_file()), key=lambda path: path.stat().st_size)
    flip(rows, 20)
    result = db(home, "check")
    assert result.exit_code == Exit.PROBLEMS
    assert str(home.state) in json.loads(result.stdout)["data"]["problems"][0]["file"]


@pytest.mark.parametrize("verb", ["check", "stats", "prune"])
def test_a_home_in_which_a_node_runs_is_left_alone(home: Home, verb: str) -> None:
    with locked(home):
        result = db(home, verb)
    assert result.exit_code == Exit.FAILED
    assert json.loads(result.stdout)["errors"][0]["name"] == "HOME_IN_USE"


def test_the_bytes_of_each_kind_are_told(home: Home) -> None:
    told = data(db(home, "stats"))
    counts = {each["kind"]: each["rows"] for each in told["kinds"]}
    assert (told["height"], told["lowest_block"]) == (HEIGHT, 0)
    assert counts["index of blocks"] == counts["receipts"] == counts["state roots"] == HEIGHT + 1
    assert counts["certificates"] == HEIGHT
    assert told["segments_bytes"] > 1_000
    assert told["blobs_bytes"] == 7_000


def test_pruning_keeps_what_every_node_keeps(home: Home) -> None:
    told = data(db(home, "prune", "--keep", "1"))
    assert (told["lowest_block"], told["lowest_history"]) == (0, 0)
    assert data(db(home, "check"))["problems"] == []
