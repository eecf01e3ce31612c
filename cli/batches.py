"""Batches on the client's side: inputs from files, one transaction, and the results of all items."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.bundles import INPUT_FILE_BYTES_MAX, bundle_of_file, json_of_bundle
from cli.client import ENDED, POLL_S, Client
from cli.delivery import OpenKey, content_of
from cli.job_checks import Meant, meaning_of
from cli.out import error_record
from cli.wallet_keys import read_limited
from ledger.market.order_payloads import BATCH_ITEMS_MAX, BatchItem, BatchSubmit
from ledger.parameters import Tier
from node.keys.envelopes import reply_key, reply_secret
from node.keys.files import Key
from node.rpc.json_value import Json, records
from primitives.content import content_id
from primitives.hashing import HASH_BYTES
from primitives.reasons import Reason, Refused
from vm.manifest import Class

LINES_BYTES_MAX = BATCH_ITEMS_MAX * INPUT_FILE_BYTES_MAX


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input: what it is called here, and its encoded bundle."""

    name: str
    bundle: bytes


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for every item."""

    tier: Tier
    class_: Class | None
    max_price: int
    at_risk: int


def read_inputs(path: Path) -> list[Input]:
    """Return the inputs in a folder, by name of file, or in a file of JSON lines.

    Raises Refused REQUEST_INVALID unless there are 1 to 64, and as reading each input does, with its name.
    """
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        raw = [(each.name, each) for each in files[: BATCH_ITEMS_MAX + 1]]
        found = [(name, read_limited(file, INPUT_FILE_BYTES_MAX)) for name, file in raw]
    else:
        lines = read_limited(path, LINES_BYTES_MAX).splitlines()
        found = [(f"line {at}", line) for at, line in enumerate(lines, start=1) if line.strip()]
    if not 1 <= len(found) <= BATCH_ITEMS_MAX:
        told = len(found) if len(found) <= BATCH_ITEMS_MAX else f"more than {BATCH_ITEMS_MAX}"
        raise Refused(Reason.REQUEST_INVALID, what="inputs", seen=told, wanted=f"1 to {BATCH_ITEMS_MAX}")
    return [Input(name=name, bundle=_named(name, raw)) for name, raw in found]


def _named(name: str, raw: bytes) -> bytes:
    """Return the bundle of an input; a refusal names it."""
    try:
        return bundle_of_file(raw)
    except Refused as refused:
        raise Refused(refused.reason, **{**refused.facts, "input": name}) from None


def ordered(
    client: Client, signer: Key, model: bytes, inputs: list[Input], terms: Terms, *, provider: bytes | None
) -> bytes:
    """Hand the inputs to the node, submit the batch, and return its id, which is not final yet. Raises Refused."""
    meant = _one_meaning(client, model, inputs, terms.class_)
    payload = BatchSubmit(
        model=model,
        lowering=meant.lowering,
        tier=terms.tier,
        class_=meant.class_,
        max_price=terms.max_price,
        provider=provider,
        at_risk=terms.at_risk,
        reply_key=reply_key(reply_secret(signer.seed, model)),  # K5
        items=[BatchItem(input=content_id(each.bundle), canary=secrets.token_bytes(HASH_BYTES)) for each in inputs],
    )
    client.hold_model(model)
    signed = client.sign(signer, payload)
    client.check(signed)
    for each in inputs:
        client.rpc.put_blob(each.bundle)
    return client.submit(signed)


def _one_meaning(client: Client, model: bytes, inputs: list[Input], class_: Class | None) -> Meant:
    """Return what all runs mean. Raises Refused with the input's name if one does not fit the model or the others."""
    first: Meant | None = None
    for each in inputs:
        try:
            meant = meaning_of(client, model, each.bundle, class_)
        except Refused as refused:
            raise Refused(refused.reason, **{**refused.facts, "input": each.name}) from None
        if first is not None and meant != first:
            raise Refused(Reason.INPUT_WRONG_SHAPE, input=each.name, wanted=f"the shapes of {inputs[0].name}")
        first = meant
    assert first is not None
    return first


def has_ended(item: dict[str, Json]) -> bool:
    """Tell whether the client has this item's result, or never will."""
    return item["state"] in ENDED


def watched(client: Client, batch: bytes, *, wait_s: float) -> Iterator[tuple[dict[str, Json], list[dict[str, Json]]]]:
    """Yield a batch with those of its items that have ended since the last time, until all have.

    Raises Refused STILL_PENDING after `wait_s`.
    """
    stop = time.monotonic() + wait_s
    told_of: list[Json] = []
    while True:
        told = client.rpc.table("batch.show", id=batch.hex())
        items = records(told["items"])
        fresh = [each for each in items if has_ended(each) and each["item"] not in told_of]
        told_of += [each["item"] for each in fresh]
        if fresh:
            yield told, fresh
        if len(told_of) == len(items):
            return
        if time.monotonic() > stop:
            left = f"{len(told_of)} of {len(items)} ended"
            raise Refused(Reason.STILL_PENDING, batch=batch, seen=left, waited_s=int(wait_s))
        time.sleep(POLL_S)


def names_of(inputs: list[Input], told: dict[str, Json]) -> list[Json]:
    """Return what the inputs of a batch are called here, item by item. Raises Refused CONTENT_MISMATCH if it is others.

    So a batch that was submitted at another time, or from another computer, is told by its files' names again.
    """
    items = records(told["items"])
    if len(inputs) != len(items):
        raise Refused(Reason.CONTENT_MISMATCH, seen=f"{len(inputs)} inputs", wanted=len(items))
    for found, item in zip(inputs, items, strict=True):
        if content_id(found.bundle) != content_of(item["input"]):
            raise Refused(Reason.CONTENT_MISMATCH, seen=found.name, wanted=f"the input of item {item['item']}")
    return [each.name for each in inputs]


def outputs_of(
    client: Client, told: dict[str, Json], open_key: OpenKey
) -> Iterator[tuple[dict[str, Json], bytes | None]]:
    """Yield a line for each item, with its encoded output if it has one, else with why not."""
    for each in records(told["items"]):
        line: dict[str, Json] = {name: each[name] for name in ("item", "job", "state", "outcome")}
        try:
            raw = client.output(client.job(bytes.fromhex(str(each["job"]))), open_key)
        except Refused as refused:
            yield {**line, "output": None, "error": error_record(refused)}, None
        else:
            yield {**line, "output": json_of_bundle(raw), "error": None}, raw
