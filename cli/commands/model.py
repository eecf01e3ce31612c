"""`assay model`: check, publish, look up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import KeyName, Limit, PasswordFile
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json, records

if TYPE_CHECKING:
    from vm.sandbox_protocol import Checked

app = typer.Typer(name="model", help="Models: check, publish, look up.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="An ONNX file.")]
LOWERINGS_SHOWN = 100
ModelId = Annotated[str, typer.Argument(metavar="MODEL", help="The model's id.")]
Samples = Annotated[
    list[Path] | None,
    typer.Option("--input", help="A sample of its input, to calibrate on: JSON, or an encoded bundle; repeatable."),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", help="The shape of an input, NAME=1,224,224,3; else a sample's, else 1 where free."),
]


@verb(app)
def check(cli: Cli, file: File, input_: Samples = None, shape: Shapes = None) -> None:
    """Tell in which classes the network would serve a model, operator by operator, what it costs, and why not."""
    from cli import checked
    from cli.admission import check as judge
    from cli.exit import Exit
    from cli.wallet_keys import read_limited
    from node.rpc.model_views import verdict
    from vm.manifest import MODEL_BYTES_MAX

    told = verdict(judge(read_limited(file, MODEL_BYTES_MAX), input_ or [], shape or []))
    cli.out.result(checked.record(told), *checked.lines(told))
    if not told.classes:
        raise typer.Exit(Exit.PROBLEMS)


@verb(app)
def publish(
    cli: Cli,
    file: File,
    input_: Samples = None,
    shape: Shapes = None,
    licence: Annotated[str, typer.Option("--licence", help="An SPDX expression.")] = "",
    key: KeyName = None,
    password_file: PasswordFile = None,
) -> None:
    """Publish a model with what its jobs mean for one shape of its inputs, and wait until that is final."""
    from cli.admission import check as judge
    from cli.admission import lowering_of
    from cli.client import Client, model_record
    from cli.wallet_keys import open_key, read_limited
    from vm.manifest import MODEL_BYTES_MAX, model_id

    raw = read_limited(file, MODEL_BYTES_MAX)
    found = judge(raw, input_ or [], shape or [])
    lowering = lowering_of(found)
    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        content = node.put_blob(raw)
        model = model_record(
            content, inputs=found.inputs, outputs=found.outputs, licence=licence, publisher=signer.info.address
        )
        txid = client.publish(signer, model, lowering)
    told: dict[str, Json] = {
        "model": model_id(model).hex(),
        **_told_lowering(found),
        "transaction": txid.hex(),
        "root": content.root.hex(),
        "length": content.length,
    }
    cli.out.result(told, *facts(list(told.items())))


@verb(app)
def lower(
    cli: Cli,
    model: ModelId,
    input_: Samples = None,
    shape: Shapes = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
) -> None:
    """Register what a published model's jobs mean for another shape of its inputs; anybody may."""
    from cli.admission import check as judge
    from cli.admission import lowering_of
    from cli.client import Client
    from cli.wallet_keys import open_key

    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        found = judge(client.model_file(model), input_ or [], shape or [])
        txid = client.lower(signer, lowering_of(found))
    told: dict[str, Json] = {"model": model, **_told_lowering(found), "transaction": txid.hex()}
    cli.out.result(told, *facts(list(told.items())))


@verb(app)
def list_(cli: Cli, limit: Limit = 100) -> None:
    """List the published models."""
    with cli.node() as node:
        told = node.table("model.list", limit=limit)
    models = told["models"]
    assert isinstance(models, list)
    rows = [_row(each) for each in models]
    if not rows:
        cli.out.note("no models yet; publish one with `assay model publish`")
    cli.out.result(told, *(table(("MODEL", "BYTES", "LICENCE", "PUBLISHER"), rows) if rows else []))


@verb(app)
def show(cli: Cli, model: ModelId) -> None:
    """Show a published model, and for which shapes of its inputs jobs are served."""
    with cli.node() as node:
        told = node.table("model.show", id=model)
        known = records(node.table("model.lowerings", model=model, limit=LOWERINGS_SHOWN)["lowerings"])
    rows = [(each["id"], _shapes(each), _classes(each), *_gas(each)) for each in known]
    heads = ("LOWERING", "FOR", "CLASSES", "GAS NATIVE", "EXACT")
    shown = {**told, "inputs": _ports(told["inputs"]), "outputs": _ports(told["outputs"])}
    lines = [*facts(list(shown.items())), "", *table(heads, rows)]
    cli.out.result({**told, "lowerings": list(known)}, *lines)


def _classes(lowering: dict[str, Json]) -> str:
    classes = lowering["classes"]
    assert isinstance(classes, list)
    return " ".join(map(str, classes))


def _gas(lowering: dict[str, Json]) -> tuple[Json, Json]:
    """Return what workers that ask by the gas are paid for, in class native and exact."""
    cost = lowering["cost"]
    assert isinstance(cost, dict)
    return cost["native_gas"], cost["gas"]


def _ports(told: Json) -> str:
    """Return ports as `model check` tells them; free dimensions are marked."""
    from cli.bundles import ports_of_json
    from vm.manifest import told_shape

    ports = ports_of_json(told)
    return ", ".join(
        f"{each.name.decode(errors='replace')} {each.dtype.name.lower()} {told_shape(each.shape)}" for each in ports
    )


def _shapes(lowering: dict[str, Json]) -> str:
    return ", ".join(f"{port['name']} {port['shape']}" for port in records(lowering["inputs"]))


def _row(told: Json) -> tuple[object, ...]:
    assert isinstance(told, dict)
    file = told["file"]
    assert isinstance(file, dict)
    return told["id"], file["length"], told["licence"], told["publisher"]


def _told_lowering(found: "Checked") -> dict[str, Json]:
    """Return what was registered beside a model: its id, for which shapes, and in which classes."""
    from node.rpc.model_views import classes
    from vm.lowering import lowering_id

    lowering = found.lowering
    assert lowering is not None
    inputs = [
        f"{port.name.decode(errors='replace')} {list(type_.shape)}"
        for port, type_ in zip(found.inputs, lowering.inputs, strict=True)
    ]
    return {"lowering": lowering_id(lowering).hex(), "for": ", ".join(inputs), "classes": " ".join(classes(lowering))}
