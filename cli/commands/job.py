"""`assay job`: order a run, follow it, fetch its result."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands import batch, dispute, quote, withheld
from cli.money import karat, parse_karat
from cli.options import KeyName, Limit, PasswordFile, Unchecked, WaitS
from cli.out import facts, reason_told, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

if TYPE_CHECKING:
    from cli.client import Client
    from ledger.parameters import Tier
    from node.keys.files import Key
    from vm.manifest import Class

app = typer.Typer(name="job", help="Jobs: order a run, follow it, fetch its result.", no_args_is_help=True)
quote.add_to(app)
dispute.add_to(app)
withheld.add_to(app)
app.add_typer(batch.app)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
ID_DIGITS = 64


@verb(app)
def submit(
    cli: Cli,
    model: Annotated[str, typer.Argument(help="The model's id.")],
    input_: Annotated[Path, typer.Option("--input", help="A file: JSON of the tensors, or an encoded bundle.")],
    max_price: Annotated[str, typer.Option("--max-price", help="The most to pay for the run, karat.")],
    provider: Annotated[str | None, typer.Option("--provider", help="The one worker that may run it.")] = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
    wait_s: WaitS = 120.0,
    *,
    tier: Annotated[
        str, typer.Option("--tier", help="How thoroughly it is verified: spot, standard, high or max.")
    ] = "high",
    value_at_risk: Annotated[
        str, typer.Option("--value-at-risk", help="What a false result may cost you, karat: raises the bond.")
    ] = "0",
    class_: Annotated[
        str | None, typer.Option("--class", help="native, or exact: bit for bit; by default native if served.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until there is a result, or never will be.")] = False,
    unchecked: Unchecked = False,
) -> None:
    """Order one run of a model on an input; the price is held until independent machines have re-run it."""
    from cli.bundles import INPUT_FILE_BYTES_MAX, bundle_of_file
    from cli.client import Client
    from cli.wallet_keys import open_key, read_limited

    price = parse_karat(max_price)
    raw_input = read_limited(input_, INPUT_FILE_BYTES_MAX)
    bundle = raw_input if unchecked and not raw_input.lstrip().startswith(b"{") else bundle_of_file(raw_input)
    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        worker = client.address(provider) if provider else None
        wanted = _Wanted(
            model=id_of(model),
            bundle=bundle,
            price=price,
            worker=worker,
            class_=class_of(class_),
            tier=tier_of(tier),
            at_risk=parse_karat(value_at_risk),
        )
        signed = _order(client, signer, wanted, checked=not unchecked)
        job = client.submit(signed)
        if wait:
            cli.out.note(f"job {job.hex()}")
        client.final(job)
        if wait:
            _follow(cli, client, job, wait_s)
        told = client.job(job)
    cli.out.result(told, *(_summary(told) if wait else [job.hex()]))
    _exit_if_void(told)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a client asks for."""

    model: bytes
    bundle: bytes
    price: int
    worker: bytes | None
    class_: "Class | None"
    tier: "Tier"
    at_risk: int


def _order(client: "Client", signer: "Key", wanted: _Wanted, *, checked: bool) -> bytes:
    """Check the job if asked to, hand the input to the node and return the signed transaction."""
    from cli.client import Order
    from cli.job_checks import meaning_of, unchecked_meaning
    from primitives.content import content_id

    find = meaning_of if checked else unchecked_meaning
    meant = find(client, wanted.model, wanted.bundle, wanted.class_)
    order = Order(
        model=wanted.model,
        lowering=meant.lowering,
        class_=meant.class_,
        input=content_id(wanted.bundle),
        max_price=wanted.price,
        provider=wanted.worker,
        tier=wanted.tier,
        at_risk=wanted.at_risk,
    )
    signed = client.order(signer, order)
    if checked:
        client.hold_model(wanted.model)
        client.check(signed)
    client.rpc.put_blob(wanted.bundle)
    return signed


def class_of(name: str | None) -> "Class | None":
    """Return the class of this name. Raises Refused REQUEST_INVALID."""
    from primitives.reasons import Reason, Refused
    from vm.manifest import Class

    if name is None:
        return None
    found = {each.name.lower(): each for each in Class}.get(name)
    if found is None:
        raise Refused(Reason.REQUEST_INVALID, what="--class", seen=name, wanted="native or exact")
    return found


def tier_of(name: str) -> "Tier":
    """Return the tier of this name. Raises Refused REQUEST_INVALID."""
    from ledger.parameters import Tier
    from primitives.reasons import Reason, Refused

    found = {each.name.lower(): each for each in Tier}.get(name)
    if found is None:
        raise Refused(Reason.REQUEST_INVALID, what="--tier", seen=name, wanted="spot, standard, high or max")
    return found


@verb(app)
def watch(cli: Cli, job: JobId, wait_s: WaitS = 600.0) -> None:
    """Follow a job until its client has a result, or never will."""
    from cli.client import Client

    with cli.node() as node:
        client = Client(node)
        _follow(cli, client, id_of(job), wait_s)
        told = client.job(id_of(job))
    cli.out.result(told, *_summary(told))
    _exit_if_void(told)


@verb(app)
def result(
    cli: Cli,
    job: JobId,
    output: Annotated[Path | None, typer.Option("--output", help="Write it, encoded, here.")] = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
) -> None:
    """Fetch a job's output. Over 4 KiB it is sealed to the client, whose key opens it, and fetched from any party."""
    from cli.bundles import json_of_bundle
    from cli.client import Client
    from cli.wallet_keys import open_key

    with cli.node() as node:
        client = Client(node)
        network = client.network.prefix
        raw = client.output(client.job(id_of(job)), lambda: open_key(cli, key, password_file, network=network))
    if output is not None:
        output.write_bytes(raw)
        cli.out.result({"file": str(output), "bytes": len(raw)}, str(output))
    else:
        told = json_of_bundle(raw)
        import json

        cli.out.result(told, json.dumps(told))


@verb(app)
def list_(cli: Cli, limit: Limit = 100) -> None:
    """List jobs."""
    with cli.node() as node:
        told = node.table("job.list", limit=limit)
    jobs = told["jobs"]
    assert isinstance(jobs, list)
    rows = [
        (each["id"], each["state"], each["client"], each["provider"] or "-", karat(int(str(each["price"]))))
        for each in jobs
        if isinstance(each, dict)
    ]
    if not rows:
        cli.out.note("no jobs yet; order one with `assay job submit`")
    cli.out.result(told, *(table(("JOB", "STATE", "CLIENT", "PROVIDER", "PRICE"), rows) if rows else []))


def id_of(text: str) -> bytes:
    """Return an id that is given in hexadecimal. Raises Refused REQUEST_INVALID."""
    from primitives.reasons import Reason, Refused

    if len(text) != ID_DIGITS or not all(digit in "0123456789abcdef" for digit in text):
        raise Refused(Reason.REQUEST_INVALID, what="id", seen=text, wanted="64 hexadecimal digits")
    return bytes.fromhex(text)


def _follow(cli: Cli, client: "Client", job: bytes, wait_s: float) -> None:
    """Print each event of a job as it happens."""
    seen = 0
    try:
        for told in client.watch(job, wait_s=wait_s):
            history = records(told["history"])
            for happened in history[seen:]:
                who = f"  {happened['who']}" if happened["who"] else ""
                line = f"{happened['event']:<16} height {happened['height']}  {happened['state']}{who}"
                cli.out.event({"job": job.hex(), **happened}, line)
            seen = len(history)
            if str(told["state"]) in _NEXT:
                cli.out.note(f"{'':<16} {_NEXT[str(told['state'])]}")
    except KeyboardInterrupt:
        cli.out.note(f"it goes on; follow it with `assay job watch {job.hex()}`")
        raise


def _exit_if_void(told: dict[str, Json]) -> None:
    """End with a status of its own, so that a script sees that there is no result."""
    from cli.exit import Exit

    if told["state"] == "void":
        raise typer.Exit(Exit.PROBLEMS)


_NEXT = {
    "unverified": "the beacon did not draw it: paid when its challenge window ends, unless somebody disputes it",
    "contested": "a verifier rejects the result, and has to open a claim or lose",
    "disputed": "claims about the result are heard; `assay dispute list` tells where they stand",
    "sampling": "each party opens leaves of its large values that the beacon picks",
}
"""What is awaited where the state's name does not tell it."""


def _summary(told: dict[str, Json]) -> list[str]:
    """Return who did what and what it cost, as people read it."""
    declined, verifiers, payouts = told["declined"], told["verifiers"], told["payouts"]
    assert isinstance(declined, list)
    assert isinstance(verifiers, list)
    assert isinstance(payouts, list)
    pairs: list[tuple[str, object]] = [
        ("job", told["id"]),
        ("class", told["class"]),
        ("tier", f"{told['tier']}: {told['k']} verifiers, drawn with {int(str(told['audit_bps'])) / 100:g} %"),
        ("state", told["state"]),
        ("outcome", told["outcome"]),
        ("disputes", f"{told['disputes']} open: see `assay dispute list`" if told["disputes"] else None),
        ("found", told["ruled"] and f"{told['ruled']}, by disputes"),
        ("provider", told["provider"]),
    ]
    if str(told["state"]) in _NEXT:
        pairs.append(("next", _NEXT[str(told["state"])]))
    pairs += [("declined", f"{each['worker']}  {reason_told(each)}") for each in declined if isinstance(each, dict)]
    if told["outcome"] == "not_accepted" and not declined:
        pairs.append(("why", "no worker was free that takes such a model for this price; a higher --max-price may do"))
    pairs += [("verifier", f"{each['worker']}  {each['verdict']}") for each in verifiers if isinstance(each, dict)]
    pairs += [
        (str(each["kind"]), f"{karat(int(str(each['amount'])))} to {each['to'] or 'a pot'}")
        for each in payouts
        if isinstance(each, dict)
    ]
    pairs += [("lost", f"{karat(int(str(each['amount'])))} by {each['worker']}") for each in records(told["penalties"])]
    return facts([(name, value) for name, value in pairs if value is not None])
