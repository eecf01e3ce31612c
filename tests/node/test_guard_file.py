"""A validator's record of votes goes to another machine whole, and only with its key."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from consensus.io import Voted
from consensus.messages import Certificate, SignedVote, Vote, VoteKind, sign_bytes
from ledger.block import Block, block_id
from ledger.genesis import charter_of, genesis_header
from ledger.state import change
from node.genesis_file import read_genesis
from node.guard_file import export_guard, import_guard
from node.home import Home, locked
from node.keys.files import KeyKind, load_key
from node.store.store import FinalRows, Store
from primitives import ed25519
from primitives.codec import encode
from primitives.hashing import ZERO_HASH, sha256
from primitives.reasons import Reason, Refused
from testnet.manifest import Manifest
from testnet.network_home import write_network

EPOCH = 3


class Validator:
    """A validator's home that has never run, and its key."""

    def __init__(self, root: Path, genesis_hash: bytes) -> None:
        self.home = Home(root)
        self.genesis_hash = genesis_hash
        self.seed = load_key(root / "keys" / "validator.json", kind=KeyKind.VALIDATOR, network="dasy").seed

    def vote(self, view: int, kind: VoteKind, block: bytes = ZERO_HASH) -> SignedVote:
        vote = Vote(epoch=EPOCH, view=view, kind=kind, block=block)
        return SignedVote(vote=vote, signer=0, signature=ed25519.sign(self.seed, sign_bytes(self.genesis_hash, vote)))

    def cast(self, *votes: SignedVote) -> None:
        store = Store(self.home.state, self.genesis_hash)
        store.guard.persist(EPOCH, [Voted(vote=each) for each in votes])
        store.close()

    def known(self) -> list[SignedVote]:
        store = Store(self.home.state, self.genesis_hash)
        votes = store.guard.votes()
        store.close()
        return votes

    def closed_in(self, epoch: int) -> int:
        store = Store(self.home.state, self.genesis_hash)
        view = store.guard.closed_in(epoch)
        store.close()
        return view


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, bytes]]:
    """Homes of two networks, and the networks' names; making keys takes a second."""
    made: list[tuple[Path, bytes]] = []
    for at in range(2):
        root = tmp_path_factory.mktemp(f"net{at}")
        network = write_network(root, Manifest(validators=1, accounts=1))
        made.append((root / "validator0", bytes.fromhex(network.genesis_hash)))
    return made


def a_validator(root: Path, network: tuple[Path, bytes]) -> Validator:
    shutil.copytree(network[0], root)
    return Validator(root, network[1])


@pytest.fixture
def old(networks: list[tuple[Path, bytes]], tmp_path: Path) -> Validator:
    made = a_validator(tmp_path / "old", networks[0])
    made.cast(made.vote(7, VoteKind.NOTARIZE, sha256(b"a")), made.vote(7, VoteKind.NULLIFY))
    return made


@pytest.fixture
def new(networks: list[tuple[Path, bytes]], tmp_path: Path) -> Validator:
    """The same keys on another machine."""
    return a_validator(tmp_path / "new", networks[0])


def closing(raw: bytes, epoch: int, view: int) -> bytes:
    return json.dumps(json.loads(raw) | {"closed": {"epoch": epoch, "view": view}}).encode()


def test_all_votes_come_along_and_none_twice(old: Validator, new: Validator) -> None:
    raw = export_guard(old.home)
    assert import_guard(new.home, raw).added == 2
    assert new.known() == old.known()
    assert (import_guard(new.home, raw).added, import_guard(new.home, raw).known) == (0, 2)


def test_of_two_marks_the_stricter_holds(old: Validator, new: Validator) -> None:
    raw = export_guard(old.home)
    import_guard(new.home, closing(raw, EPOCH, 40))
    import_guard(new.home, closing(raw, EPOCH, 20))
    assert new.closed_in(EPOCH) == 40
    assert new.closed_in(EPOCH + 1) == 0
    assert new.closed_in(EPOCH - 1) > 10**18
    assert json.loads(export_guard(new.home))["closed"] == {"epoch": EPOCH, "view": 40}
    assert json.loads(export_guard(new.home))["votes"] == []


def test_votes_that_contradict_each_other_are_counted_and_the_own_one_stays(old: Validator, new: Validator) -> None:
    mine = new.vote(7, VoteKind.NOTARIZE, sha256(b"b"))
    new.cast(mine)
    merged = import_guard(new.home, export_guard(old.home))
    assert (merged.added, merged.known, merged.contradicted) == (1, 0, 1)
    assert mine in new.known()


def test_a_record_of_another_network_or_key_is_refused(
    old: Validator, networks: list[tuple[Path, bytes]], tmp_path: Path
) -> None:
    stranger = a_validator(tmp_path / "stranger", networks[1])
    told = json.loads(export_guard(old.home))
    with pytest.raises(Refused) as refused:
        import_guard(stranger.home, json.dumps(told).encode())
    assert refused.value.reason is Reason.WRONG_NETWORK
    with pytest.raises(Refused) as refused:
        import_guard(stranger.home, json.dumps(told | {"genesis_hash": stranger.genesis_hash.hex()}).encode())
    assert refused.value.reason is Reason.KEY_UNKNOWN
    assert stranger.known() == []


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b'{"format": "assay-guard"}', b"[" * 100_000])
def test_what_is_no_record_is_refused(new: Validator, raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        import_guard(new.home, raw)
    assert refused.value.reason is Reason.MALFORMED


def test_a_vote_that_the_key_did_not_sign_is_refused_and_nothing_is_taken(old: Validator, new: Validator) -> None:
    told = json.loads(export_guard(old.home))
    told["votes"][-1]["view"] = 8
    with pytest.raises(Refused) as refused:
        import_guard(new.home, json.dumps(told).encode())
    assert refused.value.reason is Reason.BAD_SIGNATURE
    assert new.known() == []


def test_a_home_whose_node_runs_is_left_alone(old: Validator) -> None:
    raw = export_guard(old.home)
    with locked(old.home):
        for attempt in (lambda: export_guard(old.home), lambda: import_guard(old.home, raw)):
            with pytest.raises(Refused) as refused:
                attempt()
            assert refused.value.reason is Reason.HOME_IN_USE


def test_the_command_line_moves_a_record(old: Validator, new: Validator, tmp_path: Path) -> None:
    file = tmp_path / "guard.json"

    def assay(*words: str) -> str:
        result = CliRunner().invoke(app, ["validator", "guard", *words])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    assert "start the node of this home no more" in assay("export", str(file), "--home", str(old.home.root))
    assert assay("import", str(file), "--home", str(new.home.root)).startswith("2 votes added, 0 were known")


def test_the_record_is_closed_up_to_the_view_in_which_the_last_block_became_final(old: Validator) -> None:
    first = genesis_header(charter_of(read_genesis(old.home.genesis)))
    last = change(first, height=1, epoch=EPOCH, view=7)  # proposed again two views later (C23)
    vote = Vote(epoch=EPOCH, view=9, kind=VoteKind.FINALIZE, block=block_id(last))
    certificate = Certificate(scheme=1, vote=vote, signers=b"\1", signatures=[bytes(64)])
    store = Store(old.home.state, old.genesis_hash)
    for header, proof in ((first, None), (last, certificate)):
        rows = FinalRows(
            height=header.height,
            block_id=block_id(header),
            epoch=header.epoch,
            time_ms=header.timestamp_ms,
            block=encode(Block(header=header, transactions=[])),
            receipts=encode([]),
            transactions=[],
            writes={},
            state_root=header.state_root,
        )
        store.finalize([rows], proof)
    store.close()
    assert json.loads(export_guard(old.home))["closed"] == {"epoch": EPOCH, "view": 9}
