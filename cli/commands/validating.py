"""`assay validator join`, `rotate`, `unjail`, `leave`: being a validator."""

from pathlib import Path
from typing import Annotated

import typer

from cli.money import parse_karat, parse_percent, percent
from cli.options import KeyName, PasswordFile
from cli.out import facts
from cli.verb import Cli, verb
from node.rpc.json_value import Json

NodeHome = Annotated[
    Path | None, typer.Option("--node", help="Home of the node that shall validate; else the one of the keys.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to their noun."""
    for action in (join, rotate, unjail, leave):
        verb(app)(action)


def join(
    cli: Cli,
    bond: Annotated[str, typer.Option("--bond", help="Stake of one's own, karat.")],
    commission: Annotated[str, typer.Option("--commission", help="Percent of what delegators' stake earns.")] = "5",
    node_home: NodeHome = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
    *,
    fresh_keys: Annotated[bool, typer.Option("--fresh-keys", help="Make a new vote key and onion first.")] = False,
) -> None:
    """Become a validator: an account's bond, and the keys of a node, which are made if it has none."""
    from cli.client import Client
    from cli.epochs import effect_of
    from cli.validator_keys import NodeKeys
    from cli.wallet_keys import open_key
    from ledger.transaction import ValidatorRegister

    grains, share = parse_karat(bond), parse_percent(commission)
    with cli.node() as rpc:
        client = Client(rpc)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        keys = NodeKeys(node_home or cli.home, network=client.network, validator=signer.info.address)
        payload = ValidatorRegister(
            key=keys.vote_key(fresh=fresh_keys),
            peer=keys.peer(),
            onion=keys.onion(fresh=fresh_keys),
            commission=share,
            bond=grains,
        )
        txid = client.send(signer, payload)
        must_restart = keys.take_role()
        effect = effect_of(rpc)
    told: dict[str, Json] = {
        "transaction": txid.hex(),
        "validator": signer.info.address_text,
        "key": payload.key.key.hex(),
        "peer": payload.peer.key.hex(),
        "onion": payload.onion.hex(),
        "bond": str(grains),
        "epoch": effect.epoch,
        "from_ms": effect.from_ms,
        "must_restart": must_restart,
    }
    pairs = [("transaction", txid), ("validator", signer.info.address_text), ("commission", percent(share))]
    pairs += [("vote key", payload.key.key), ("onion", payload.onion), ("validates", effect.told)]
    pairs += [("next", f"restart the node of {keys.home.root}: it did not have the role yet")] if must_restart else []
    cli.out.result(told, *facts(pairs))


def rotate(
    cli: Cli,
    node_home: NodeHome = None,
    key: KeyName = None,
    password_file: PasswordFile = None,
    *,
    onion_only: Annotated[bool, typer.Option("--onion-only", help="Renew the hash onion alone.")] = False,
    vote_key_only: Annotated[bool, typer.Option("--vote-key-only", help="Change the vote key alone.")] = False,
) -> None:
    """Change a validator's vote key and renew its hash onion; the node needs no restart."""
    from cli.client import Client
    from cli.epochs import effect_of
    from cli.validator_keys import NodeKeys
    from cli.wallet_keys import open_key
    from ledger.transaction import ValidatorUpdate
    from primitives.reasons import Reason, Refused

    if onion_only and vote_key_only:
        raise Refused(Reason.REQUEST_INVALID, wanted="one of --onion-only and --vote-key-only, or neither")
    with cli.node() as rpc:
        client = Client(rpc)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        rpc.table("validator.get", address=signer.info.address_text)  # before keys are made that nobody needs
        keys = NodeKeys(node_home or cli.home, network=client.network, validator=signer.info.address)
        payload = ValidatorUpdate(
            key=None if onion_only else keys.vote_key(fresh=True),
            peer=None,
            onion=None if vote_key_only else keys.onion(fresh=True),
            commission=None,
        )
        txid = client.send(signer, payload)
        effect = effect_of(rpc)
    vote_key = None if payload.key is None else payload.key.key.hex()
    tip = None if payload.onion is None else payload.onion.hex()
    told: dict[str, Json] = {
        "transaction": txid.hex(),
        "key": vote_key,
        "onion": tip,
        "epoch": effect.epoch,
        "from_ms": effect.from_ms,
    }
    pairs = [("transaction", txid), ("vote key", vote_key or "as before"), ("onion", tip or "as before")]
    kept = f"keep the old files in {keys.folder} until then"
    cli.out.result(told, *facts([*pairs, ("in use", effect.told), ("note", kept)]))


def unjail(cli: Cli, key: KeyName = None, password_file: PasswordFile = None) -> None:
    """Validate again after a time in jail."""
    from cli.epochs import effect_of
    from ledger.transaction import ValidatorUnjail

    txid = _sent(cli, key, password_file, ValidatorUnjail())
    with cli.node() as rpc:
        effect = effect_of(rpc)
    told: dict[str, Json] = {"transaction": txid.hex(), "epoch": effect.epoch, "from_ms": effect.from_ms}
    cli.out.result(told, *facts([("transaction", txid), ("validates", effect.told)]))


def leave(cli: Cli, key: KeyName = None, password_file: PasswordFile = None) -> None:
    """Stop validating, and take one's own stake out."""
    from cli.epochs import effect_of, span
    from ledger.transaction import ValidatorExit

    txid = _sent(cli, key, password_file, ValidatorExit())
    with cli.node() as rpc:
        effect, unbonding_ms = effect_of(rpc), int(str(rpc.table("chain.params")["unbonding_ms"]))
    told: dict[str, Json] = {
        "transaction": txid.hex(),
        "epoch": effect.epoch,
        "from_ms": effect.from_ms,
        "unbonding_ms": unbonding_ms,
    }
    words = f"its weight falls {effect.told}; run the node until `assay validator show` tells no weight"
    cli.out.result(told, *facts([("transaction", txid), ("votes", words), ("paid", f"in {span(unbonding_ms)}")]))


def _sent(cli: Cli, key: str | None, password_file: Path | None, payload: object) -> bytes:
    from typing import cast

    from cli.client import Client
    from cli.wallet_keys import open_key
    from ledger.transaction import Payload

    with cli.node() as rpc:
        client = Client(rpc)
        signer = open_key(cli, key, password_file, network=client.network.prefix)
        return client.send(signer, cast("Payload", payload))
