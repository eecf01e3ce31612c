"""One paid question per file: the input, the order, and the answer from the settled output."""

import time
from dataclasses import dataclass

from cli.bundles import bundle_of_one, values
from cli.client import ENDED, Client, Order
from examples.filetype.features import FEATURES, answer_without_model, features, read_ends
from examples.filetype.files import Sample
from examples.filetype.labels import INPUT, OUTPUT, Label, Rules, label_of
from examples.filetype.phases import Failed, Teller
from node.keys.files import Key
from node.rpc.json_value import Json
from vm.tensor import OUTPUT_BUNDLE_BYTES_MAX, DType, decode_bundle

POLL_S = 0.3
PAGE = 100
"""Jobs told in one answer."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A file that was put to the network."""

    sample: Sample
    job: bytes


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked: a published model, and what its runs mean for inputs of this example's shape."""

    model: bytes
    lowering: bytes


def input_of(sample: Sample) -> bytes | None:
    """Return the model's input for a file, an encoded bundle; None if the file is answered without the model."""
    ends = read_ends(sample.path)
    if answer_without_model(ends) is not None:
        return None
    return bundle_of_one(INPUT, DType.INT32, [1, FEATURES], features(ends))


def ask(
    client: Client, key: Key, asked: Asked, bundle: bytes, *, max_price: int, provider: bytes | None = None
) -> bytes:
    """Submit one job and return its id."""
    content = client.rpc.put_blob(bundle)
    order = Order(model=asked.model, lowering=asked.lowering, input=content, max_price=max_price, provider=provider)
    return client.submit(client.order(key, order))


def wait_all(client: Client, jobs: list[bytes], teller: Teller, *, limit_s: float) -> dict[bytes, dict[str, Json]]:
    """Wait until every job has ended, and return what the chain says of each."""
    until = time.monotonic() + limit_s
    shown = ""
    while True:
        known = states(client)
        now = [known.get(job.hex(), "waiting") for job in jobs]
        line = ", ".join(f"{now.count(state)} {state}" for state in sorted(set(now)))
        if line != shown:
            teller.progress(line)
            shown = line
        if all(state in ENDED for state in now):
            return {job: client.job(job) for job in jobs}
        if time.monotonic() > until:
            raise Failed(f"jobs did not end within {limit_s:.0f} s: {line}")
        time.sleep(POLL_S)


def states(client: Client) -> dict[str, str]:
    """Return where every job on the chain stands, by its id."""
    found: dict[str, str] = {}
    cursor: Json = None
    while True:
        page = client.rpc.table("job.list", limit=PAGE, cursor=cursor)
        found |= {str(each["id"]): str(each["state"]) for each in entries(page, "jobs")}
        cursor = page["next"]
        if cursor is None:
            return found


def answer(output: bytes, rules: Rules) -> Label:
    """Return the label that a settled output stands for."""
    for each in decode_bundle(output, at_most=OUTPUT_BUNDLE_BYTES_MAX).tensors:
        if each.name.decode() == OUTPUT:
            return label_of([float(score) for score in values(each.tensor)], rules)
    raise Failed(f"the output has no tensor {OUTPUT}")


def parties(told: dict[str, Json]) -> tuple[str, list[dict[str, Json]]]:
    """Return the provider's address and the verifiers of a job."""
    verifiers = told["verifiers"]
    assert isinstance(verifiers, list)
    return str(told["provider"]), [each for each in verifiers if isinstance(each, dict)]


def refunded(told: dict[str, Json]) -> int:
    """Return what went back to the client, grains."""
    return sum(int(str(each["amount"])) for each in entries(told, "payouts") if each["kind"] == "refund")


def entries(told: dict[str, Json], name: str) -> list[dict[str, Json]]:
    """Return a list of objects in an answer."""
    found = told[name]
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, dict)]
