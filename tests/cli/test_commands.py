"""The commands that need no node."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from examples.filetype.labels import MODEL_FILE, package_file
from node.config import read_config
from node.genesis_file import write_genesis
from node.home import Home
from testnet.kit.ledger_builders import a_genesis


def assay(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"ASSAY_HOME": None, "ASSAY_RPC": None})


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["ok"]
    return told["data"]


def test_help_imports_nothing_heavy() -> None:
    heavy = ["msgspec", "trio", "cryptography", "nacl", "rich", "libp2p", "numpy", "http.client", "pydantic", "ledger"]
    program = f"import cli.main, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "noun",
    [
        [],
        ["keys"],
        ["wallet"],
        ["model"],
        ["job"],
        ["chain"],
        ["testnet"],
        ["receipt"],
        ["job", "batch"],
        ["validator"],
        ["peers"],
        ["db"],
    ],
)
def test_every_noun_explains_itself(noun: list[str]) -> None:
    result = assay(*noun, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_an_unknown_command_exits_with_usage_and_the_nearest_right_one() -> None:
    result = assay("walet")
    assert result.exit_code == 2
    assert "wallet" in result.stderr


def test_a_key_is_made_listed_shown_moved(tmp_path: Path) -> None:
    home, other = ["--home", str(tmp_path / "a"), "--json"], ["--home", str(tmp_path / "b"), "--json"]
    made = data(assay("keys", "new", "alice", "--unencrypted", *home))
    assert made["address"].startswith("dasy1")
    assert (tmp_path / "a" / "keys" / "alice.json").stat().st_mode & 0o777 == 0o600
    assert data(assay("keys", "list", *home)) == [made]
    assert data(assay("keys", "show", "alice", *home)) == made
    data(assay("keys", "export", "alice", str(tmp_path / "copy.json"), *home))
    moved = data(assay("keys", "import", "bob", str(tmp_path / "copy.json"), *other))
    assert moved["address"] == made["address"]
    assert data(assay("keys", "list", *other)) == [moved]


def test_a_key_of_a_real_network_needs_a_password(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path), "--json"]
    assert assay("keys", "new", "alice", "--network", "asy", "--unencrypted", *home).exit_code == 1
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    made = data(assay("keys", "new", "alice", "--network", "asy", "--password-file", str(secret), *home))
    assert made["encrypted"]


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["keys", "show", "nobody"], 1, "AS-801"),
        (["keys", "show", "../x"], 3, "AS-1003"),
        (["keys", "new", "x"], 1, "AS-805"),
        (["keys", "new", "x", "--kind", "golden"], 1, "AS-803"),
        (["wallet", "balance"], 3, "AS-1003"),
        (["wallet", "balance", "dasy1xyz"], 6, "AS-1001"),
        (["chain", "head"], 6, "AS-1001"),
        (["chain", "head", "--rpc", "http://127.0.0.1:1"], 6, "AS-1001"),
        (["chain", "head", "--rpc", "ftp://x"], 2, "AS-701"),
        (["chain", "head", "--rpc", "http://127.0.0.1:99999"], 2, "AS-701"),
        (["chain", "head", "--rpc", "http://[::1"], 2, "AS-701"),
        (["keys", "import", "x", "/"], 1, "AS-801"),
        (["init", "--genesis", "/"], 1, "AS-1006"),
        (["testnet", "up", "--dir", "/proc/nowhere"], 1, "AS-1006"),
        (["job", "submit", "m", "--max-price", "1", "--input", "/"], 1, "AS-1006"),
        (["job", "submit", "m", "--max-price", "1", "--input", "/etc/passwd"], 5, "AS-517"),
        (["wallet", "send", "bob", "one"], 1, "AS-1005"),
        (["testnet", "status", "--dir", "nowhere"], 3, "AS-1010"),
        (["validator", "join", "--bond", "x"], 1, "AS-1005"),
        (["validator", "join", "--bond", "5", "--commission", "101"], 1, "AS-1005"),
        (["validator", "list"], 6, "AS-1001"),
        (["chain", "pool"], 6, "AS-1001"),
        (["model", "check", "nowhere.onnx"], 1, "AS-1006"),
    ],
)
def test_a_fault_is_told_in_one_line_first_with_a_status_of_its_own(
    words: list[str], status: int, code: str, tmp_path: Path
) -> None:
    result = assay(*words, "--home", str(tmp_path))
    assert result.exit_code == status, result.stderr
    assert result.stdout == ""
    first = next(line for line in result.stderr.splitlines() if line.startswith("error"))
    assert first.startswith(f"error[{code}]: ")
    assert "Traceback" not in result.stderr


def test_a_model_cut_short_is_refused_in_a_sandbox(tmp_path: Path) -> None:
    raw = package_file(MODEL_FILE).read_bytes()
    short = tmp_path / "short.onnx"
    short.write_bytes(raw[: len(raw) // 2])
    result = assay("model", "check", str(short))
    assert result.exit_code == 5
    assert result.stderr.startswith("error[AS-501]: model unreadable")
    whole = tmp_path / "whole.onnx"
    whole.write_bytes(raw)
    found = data(assay("model", "check", str(whole), "--json"))
    assert found["inputs"] == [{"name": "bytes", "dtype": "int32", "shape": [-1, 2048]}]
    assert found["meaning"]["output_bytes"] == 214 * 4
    assert "exact" in found["classes"]


def test_init_makes_a_home_that_belongs_to_a_network(tmp_path: Path) -> None:
    write_genesis(tmp_path / "genesis.json", a_genesis())
    home = tmp_path / "home"
    words = ["init", "--genesis", str(tmp_path / "genesis.json"), "--worker", "--home", str(home), "--json"]
    told = data(assay(*words))
    assert told["worker"].startswith("dasy1")
    assert read_config(Home(home).config).roles.worker
    again = assay(*words)
    assert again.exit_code == 1
    assert "AS-903" in again.stderr
