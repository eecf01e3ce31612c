"""`assay job withheld` and `assay job demand`: content that nobody serves, asked for on the chain."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.money import karat
from cli.options import KeyName, PasswordFile, WaitS
from cli.out import table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

if TYPE_CHECKING:
    from cli.client import Client
    from node.keys.files import Key

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
OPEN = ("waiting", "asked")
"""States in which chunks may still come."""


def add_to(jobs: typer.Typer) -> None:
    """Add the commands to those about jobs."""

    @verb(jobs)
    def withheld(cli: Cli, job: JobId) -> None:
        """List what was asked for on the chain in a job because nobody served it, and what came of it."""
        with cli.node() as node:
            told = node.table("withheld.list", job=job)
        rows = [
            (
                each["stage"],
                each["state"],
                f"{len(records(each['shown']))}/{len(_numbers(each['chunks']))}",
                each["holder"],
                each["filer"],
                karat(int(str(each["lost"]))),
            )
            for each in records(told["filings"])
        ]
        if not rows:
            cli.out.note("nothing was asked for: all came as it should")
        header = ("STAGE", "STATE", "SHOWN", "HOLDER", "FILER", "LOST")
        cli.out.result(told, *(table(header, rows) if rows else []))

    @verb(jobs)
    def demand(
        cli: Cli, job: JobId, key: KeyName = None, password_file: PasswordFile = None, wait_s: WaitS = 300.0
    ) -> None:
        """Ask on the chain for a sealed output that nobody serves: its provider shows it there, or loses its bond.

        You pay the carriage beforehand, and get back what is not shown. Then `assay job result` finds the output.
        """
        from cli.client import Client
        from cli.wallet_keys import open_key

        with cli.node() as node:
            client = Client(node)
            signer = open_key(cli, key, password_file, network=client.network.prefix)
            told = _demanded(client, signer, bytes.fromhex(job), wait_s)
        words = "the output is here: fetch it with `assay job result`"
        cli.out.result(told, words if told["state"] == "answered" else f"{told['state']}: see `assay job withheld`")


def _demanded(client: "Client", signer: "Key", job: bytes, wait_s: float) -> dict[str, Json]:
    """File for the provider's sealed output, wait for the answer, and keep it in the node. Raises Refused."""
    from cli.client import wait
    from cli.delivery import content_of
    from ledger.market.withheld.chunks import chunk_count
    from ledger.market.withheld.payloads import Stage, WithheldFile
    from ledger.market.withheld.records import filing_id
    from primitives.reasons import Reason, Refused

    seen = client.job(job)
    if seen["sealed"] is None or seen["provider"] is None:
        raise Refused(Reason.NOTHING_OWED, job=job, state=str(seen["state"]), wanted="a sealed output")
    content, holder = content_of(seen["sealed"]), client.address(str(seen["provider"]))
    chunks = list(range(chunk_count(content)))
    identity = filing_id(job=job, stage=Stage.OUTPUT, holder=holder, filer=signer.info.address).hex()

    def ask() -> dict[str, Json]:
        filings = records(client.rpc.table("withheld.list", job=job.hex())["filings"])
        return next((each for each in filings if each["id"] == identity), {})

    if not ask():
        client.send(signer, WithheldFile(job=job, stage=Stage.OUTPUT, holder=holder, chunks=chunks))
    told = wait(ask, lambda filing: filing["state"] not in OPEN, wait_s=wait_s)
    if told is None:
        raise Refused(Reason.STILL_PENDING, job=job, waited_s=int(wait_s))
    if told["state"] == "answered":
        client.rpc.put_blob(collected(client, job, told))
    return told


def collected(client: "Client", job: bytes, told: dict[str, Json]) -> bytes:
    """Return content whose chunks stand on the chain. Raises Refused NOT_FOUND for a block that is not kept."""
    from cli.delivery import content_of
    from ledger.block import Block
    from ledger.limits import BLOCK_ENCODED_BYTES_MAX
    from node.compute.withholding import piece_in
    from primitives.codec import decode
    from primitives.reasons import Reason, Refused

    content, pieces = content_of(told["content"]), dict[int, bytes]()
    for each in records(told["shown"]):
        chunk, height = int(str(each["chunk"])), int(str(each["height"]))
        raw = bytes.fromhex(str(client.rpc.table("chain.raw_block", height=height)["raw"]))
        block = decode(Block, raw, at_most=BLOCK_ENCODED_BYTES_MAX)
        piece = piece_in(block, client.network.genesis_hash, job, content, chunk)
        if piece is None:
            raise Refused(Reason.NOT_FOUND, what="chunk", chunk=chunk, height=height)
        pieces[chunk] = piece
    return b"".join(pieces[chunk] for chunk in sorted(pieces))


def _numbers(told: Json) -> list[Json]:
    assert isinstance(told, list)
    return told
