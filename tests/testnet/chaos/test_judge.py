"""The record of votes convicts whoever signed against itself, and nobody else."""

import json
from pathlib import Path

from testnet.chaos.judge import judge_votes
from testnet.network_home import Node

NODE = Node(name="validator0", role="validator", rpc="", p2p="", address="", behaviour="recorded")


def judged(directory: Path, *votes: tuple[int, int, str, str], torn: str = "") -> tuple[int, list[str]]:
    """Return how many votes there are in a record, and what is wrong with them."""
    lines = [json.dumps(dict(zip(("epoch", "view", "kind", "block"), vote, strict=True))) + "\n" for vote in votes]
    (directory / "votes").mkdir()
    (directory / "votes" / "validator0.jsonl").write_text("".join(lines) + torn)
    wrong: list[str] = []
    return judge_votes(directory, [NODE], wrong), wrong


def test_votes_that_may_stand_beside_each_other_are_none_of_its_business(tmp_path: Path) -> None:
    votes = [(0, 5, "NOTARIZE", "a"), (0, 5, "NULLIFY", ""), (0, 6, "NOTARIZE", "b"), (0, 6, "FINALIZE", "b")]
    again = (0, 6, "FINALIZE", "b")
    other_epoch = (1, 5, "NOTARIZE", "c")
    assert judged(tmp_path, *votes, again, other_epoch) == (6, [])


def test_two_blocks_of_one_view_are_found(tmp_path: Path) -> None:
    count, wrong = judged(tmp_path, (0, 5, "NOTARIZE", "a"), (0, 5, "NOTARIZE", "b"))
    assert (count, len(wrong)) == (2, 1)
    assert wrong[0].startswith("double sign: validator0 cast NOTARIZE twice")


def test_a_skipped_view_that_is_finalized_is_found(tmp_path: Path) -> None:
    _, wrong = judged(tmp_path, (0, 5, "FINALIZE", "a"), (0, 5, "NULLIFY", ""))
    assert wrong == ["double sign: validator0 cast NULLIFY and FINALIZE in epoch and view (0, 5)"]


def test_a_line_that_a_kill_cut_short_is_no_vote(tmp_path: Path) -> None:
    assert judged(tmp_path, (0, 5, "NOTARIZE", "a"), torn='{"epoch": 0, "vi') == (1, [])
