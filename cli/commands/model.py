"""`assay model`: check, publish, look up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import KeyName, Limit, PasswordFile, Unchecked
from cli.out import facts, table
from cli.verb import Cli, verb
from node.rpc.json_value import Json

if TYPE_CHECKING:
    from vm.manifest import Port

app = typer.Typer(name="model", help="Models: check, publish, look up.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="An ONNX file.")]
Cut = Annotated[list[str], typer.Option("--cut", help="A value at which runs are compared; may be repeated.")]
INTERFACE_BYTES_MAX = 1024 * 1024
"""Sixty-four ports in JSON."""


@verb(app)
def check(cli: Cli, file: File, cut: Cut) -> None:
    """Tell whether the network would take a model, and why not."""
    from cli.admission import admit
    from cli.wallet_keys import read_limited
    from vm.manifest import MODEL_BYTES_MAX

    admitted = admit(read_limited(file, MODEL_BYTES_MAX), cut)
    inputs, outputs = _ports(admitted.inputs), _ports(admitted.outputs)
    operators: dict[str, Json] = {each.name.decode(): each.count for each in admitted.operators}
    told: dict[str, Json] = {
        "inputs": inputs,
        "outputs": outputs,
        "cut_bytes": admitted.cut_bytes,
        "output_bytes": admitted.output_bytes,
        "nodes": admitted.nodes,
        "operators": operators,
    }
    pairs = [("input", _port_text(each)) for each in admitted.inputs]
    pairs += [("output", _port_text(each)) for each in admitted.outputs]
    pairs += [
        ("at the cut", f"{admitted.cut_bytes} bytes"),
        ("nodes", str(admitted.nodes)),
        ("operators", ", ".join(f"{name} {count}" for name, count in operators.items())),
    ]
    cli.out.result(told, *facts(pairs))


@verb(app)
def publish(
    cli: Cli,
    file: File,
    cut: Cut,
    licence: Annotated[str, typer.Option("--licence", help="An SPDX expression.")] = "",
    interface: Annotated[Path | None, typer.Option("--interface", help="JSON of its ports, for --unchecked.")] = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
    *,
    unchecked: Unchecked = False,
) -> None:
    """Publish a model, and wait until that is final."""
    from cli.admission import admit
    from cli.bundles import name_bytes, ports_of_file
    from cli.client import Client, model_record
    from cli.wallet_keys import open_key, read_limited
    from primitives.reasons import Reason, Refused
    from vm.manifest import MODEL_BYTES_MAX, model_id

    raw = read_limited(file, MODEL_BYTES_MAX)
    if unchecked:
        if interface is None:
            raise Refused(Reason.REQUEST_INVALID, seen="--unchecked", wanted="--interface FILE with it")
        inputs, outputs = ports_of_file(read_limited(interface, INTERFACE_BYTES_MAX))
    else:
        admitted = admit(raw, cut)
        inputs, outputs = admitted.inputs, admitted.outputs
    with cli.node() as node:
        client = Client(node)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        content = node.put_blob(raw)
        model = model_record(content, inputs=inputs, outputs=outputs, licence=licence, publisher=signer.info.address)
        txid = client.publish(signer, model, [name_bytes(name) for name in cut])
    told: dict[str, Json] = {
        "model": model_id(model).hex(),
        "transaction": txid.hex(),
        "root": content.root.hex(),
        "length": content.length,
    }
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
def show(cli: Cli, model: Annotated[str, typer.Argument(help="The model's id.")]) -> None:
    """Show a published model."""
    with cli.node() as node:
        told = node.table("model.show", id=model)
    cli.out.result(told, *facts(list(told.items())))


def _row(told: Json) -> tuple[object, ...]:
    assert isinstance(told, dict)
    file = told["file"]
    assert isinstance(file, dict)
    return told["id"], file["length"], told["licence"], told["publisher"]


def _ports(ports: "list[Port]") -> list[Json]:
    return [{"name": port.name.decode(), "dtype": port.dtype.name.lower(), "shape": list(port.shape)} for port in ports]


def _port_text(port: "Port") -> str:
    shape = ", ".join("?" if size < 0 else str(size) for size in port.shape)
    return f"{port.name.decode()}  {port.dtype.name.lower()} [{shape}]"
