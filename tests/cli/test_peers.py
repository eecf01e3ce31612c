"""`assay peers` against a served socket."""

import json
from pathlib import Path
from typing import Any

import trio
from typer.testing import CliRunner, Result

from cli.main import app
from node.p2p.ipc import PeerAddress
from tests.node.rpc.owned import PEER, PEER_TEXT, owned


async def assay(home: Path, *words: str) -> Result:
    def run() -> Result:
        return CliRunner().invoke(app, ["peers", *words, "--home", str(home)], env={"ASSAY_RPC": None})

    return await trio.to_thread.run_sync(run)


async def test_the_owner_keeps_and_bans_peers_by_command(tmp_path: Path) -> None:
    async with owned(tmp_path / "admin.sock") as owner:
        kept = await assay(tmp_path, "add", f"{PEER_TEXT}@1.2.3.4:5", "--json")
        dropped = await assay(tmp_path, "remove", PEER_TEXT)
        banned = await assay(tmp_path, "ban", "1.2.3.4", "--seconds", "60")
        pardoned = await assay(tmp_path, "unban", "1.2.3.4")
    told: Any = json.loads(kept.stdout)
    assert told["data"] == {"done": True}
    assert [each.stdout.strip() for each in (dropped, banned, pardoned)] == ["was not kept", "banned", "ban lifted"]
    assert owner.peers.asked == [
        PeerAddress(peer=PEER, host="1.2.3.4", port=5),
        PEER,
        ("1.2.3.4/32", 60),
        "1.2.3.4/32",
    ]


async def test_without_a_node_there_is_nobody_to_ask(tmp_path: Path) -> None:
    result = await assay(tmp_path, "ban", "1.2.3.4")
    assert result.exit_code != 0
    assert "no node runs in this home" in result.stderr
