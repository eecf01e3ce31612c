"""`assay db`: the store of a node that does not run."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit import Exit
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json

if TYPE_CHECKING:
    from ledger.genesis import Charter
    from node.home import Home
    from node.store.pruning import Keep

app = typer.Typer(name="db", help="The store of a node that does not run.", no_args_is_help=True)
PROGRESS_S = 1.0
"""Between two lines that tell how far a command is."""


class _Ticker:
    """Tells how far a command is, once a second."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._told_s = time.monotonic()

    def tell(self, line: str) -> None:
        """Say it, unless something has just been said."""
        if time.monotonic() >= self._told_s + PROGRESS_S:
            self._told_s = time.monotonic()
            self._cli.out.note(line)


@contextmanager
def _stopped(cli: Cli) -> Iterator[tuple["Home", "Charter"]]:
    """Hold the home, so that no node starts meanwhile; raises Refused HOME_IN_USE if one runs."""
    from ledger.genesis import charter_of
    from node.genesis_file import read_genesis
    from node.home import Home, locked

    home = Home(cli.home)
    charter = charter_of(read_genesis(home.genesis))
    with locked(home):
        yield home, charter


@verb(app)
def check(cli: Cli) -> None:
    """Check everything that the store holds; exits with 8 if something is wrong."""
    from node.store.check import check_store, refused_at_opening
    from node.store.disk import StoreFailedError
    from node.store.store import Store
    from node.sync.blob_store import BlobStore
    from primitives.reasons import Reason, Refused

    ticker = _Ticker(cli)

    def tell(what: str, done: int, of: int) -> None:
        ticker.tell(f"checking {what}: {done} of {of}")

    with _stopped(cli) as (home, charter):
        try:
            with closing(Store(home.state, charter.hash)) as store:
                found = check_store(store, charter.hash, tell)
        except Refused as refused:
            found = refused_at_opening(refused)
        except StoreFailedError as failed:
            found = refused_at_opening(Refused(Reason.STORE_DAMAGED, file=str(home.state), what=str(failed)))
        for path in BlobStore(home.blobs).damaged():
            found.add("the content is not that of its name", file=str(path))
    problems: list[Json] = [
        {name: each.hex() if isinstance(each, bytes) else each for name, each in problem.items() if each is not None}
        for problem in found.problems
    ]
    counts: dict[str, Json] = {
        "height": found.height,
        "blocks": found.blocks,
        "blocks with receipts": found.receipts,
        "certificates checked": found.signed,
        "certificates of older epochs": found.named,
        "rows of the state": found.state_rows,
        "votes not to forget": found.guard_rows,
    }
    lines = facts([*counts.items(), ("problems", len(problems) or "none")])
    for problem in found.problems:
        lines += facts([(name, each) for name, each in problem.items() if each is not None])
    named = {name.replace(" ", "_"): each for name, each in counts.items()}
    cli.out.result({**named, "problems": problems}, *lines)
    if problems:
        raise typer.Exit(Exit.PROBLEMS)


@verb(app)
def stats(cli: Cli) -> None:
    """Show how many bytes of what the store holds, and which heights."""
    from node.store.stats import bytes_of_files, kinds_of
    from node.store.store import Store

    with _stopped(cli) as (home, charter), closing(Store(home.state, charter.hash)) as store:
        kinds = kinds_of(store)
        rows, segments = bytes_of_files(home.state)
        floor, head = store.floor, store.head
        blobs = sum(path.stat().st_size for path in home.blobs.iterdir()) if home.blobs.is_dir() else 0
    told: dict[str, Json] = {
        "height": None if head is None else head.height,
        "lowest_block": floor.blocks,
        "lowest_history": floor.history,
        "rows_bytes": rows,
        "segments_bytes": segments,
        "blobs_bytes": blobs,
    }
    listed: list[Json] = [{"kind": each.name, "rows": each.rows, "bytes": each.bytes} for each in kinds]
    lines = table(("ROWS OF", "COUNT", "BYTES"), [(each.name, each.rows, each.bytes) for each in kinds])
    cli.out.result({**told, "kinds": listed}, *facts(list(told.items())), "", *lines)


@verb(app)
def prune(
    cli: Cli,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="How many blocks to keep; else as config.toml says.")
    ] = None,
) -> None:
    """Let go of old blocks at once; those of the unbonding time stay, and 1,024 at least."""
    from node.store.stats import bytes_of_files
    from node.store.store import Store

    with _stopped(cli) as (home, charter):
        kept = _kept(home, charter, keep)
        before = sum(bytes_of_files(home.state)) if home.state.is_dir() else 0
        ticker = _Ticker(cli)
        with closing(Store(home.state, charter.hash, keep=kept)) as store:
            while store.prune():
                ticker.tell(f"blocks from {store.floor.blocks} on, receipts from {store.floor.history} on")
            store.compact()
            floor = store.floor
        after = sum(bytes_of_files(home.state))
    told: dict[str, Json] = {
        "lowest_block": floor.blocks,
        "lowest_history": floor.history,
        "freed_bytes": before - after,
    }
    cli.out.result(told, *facts(list(told.items())))


def _kept(home: "Home", charter: "Charter", keep: int | None) -> "Keep":
    from node.config import read_config
    from node.store.pruning import KEEP_BLOCKS_MIN, Mode, keep_of

    age_ms = charter.genesis.parameters.unbonding_ms
    if keep is not None:
        return keep_of(Mode.PRUNED, max(keep, KEEP_BLOCKS_MIN), age_ms=age_ms)
    storage = read_config(home.config).storage
    return keep_of(storage.mode, storage.keep_blocks, age_ms=age_ms)
