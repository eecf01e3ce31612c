"""A job from submission to settlement: 4 validators and 5 workers as processes, client and all on this machine."""

import time
from collections.abc import Iterator

from benches.figures import Figure, percentile
from benches.network import account, running
from cli.admission import check_bundles, lowering_of
from cli.client import ENDED, Client, model_record
from examples.filetype.files import samples
from examples.filetype.jobs import Asked, ask, input_of
from examples.filetype.labels import MODEL_FILE, package_file
from node.keys.files import Key
from node.rpc.client import RpcClient
from primitives.units import KARAT
from testnet.manifest import standard
from vm.lowering import lowering_id
from vm.manifest import model_id

JOBS = 12
PRICE_MAX = KARAT // 10
POLL_S = 0.05
JOB_S_MAX = 120.0
METHOD = f"{JOBS - 1} real files one after the other; seen over RPC, polled each {POLL_S * 1e3:.0f} ms"


def run() -> Iterator[Figure]:
    """Yield the time from submit to settled."""
    inputs = [bundle for bundle in map(input_of, samples()) if bundle is not None][:JOBS]
    with running(standard(validators=4, workers=5)) as (directory, network), RpcClient(network.nodes[0].rpc) as rpc:
        client, key = Client(rpc), account(directory, 0)
        asked = publish(client, key, inputs[0])
        took = [_one(client, key, asked, bundle) for bundle in inputs]
    warm = took[1:]
    for what, value in (("p50", percentile(warm, 50)), ("slowest", max(warm))):
        yield Figure(what=f"submit to settled, {what}", value=value, unit="s", method=METHOD)
    method = "workers fetch the model and start sandboxes for it"
    yield Figure(what="the first job", value=took[0], unit="s", method=method)


def publish(client: Client, key: Key, bundle: bytes) -> Asked:
    """Publish the model of the example for inputs like this one."""
    raw = package_file(MODEL_FILE).read_bytes()
    found = check_bundles(raw, [bundle])
    lowering = lowering_of(found)
    model = model_record(
        client.rpc.put_blob(raw),
        inputs=found.inputs,
        outputs=found.outputs,
        licence="Apache-2.0",
        publisher=key.info.address,
    )
    client.publish(key, model, lowering)
    return Asked(model=model_id(model), lowering=lowering_id(lowering))


def _one(client: Client, key: Key, asked: Asked, bundle: bytes) -> float:
    """Submit one job and return the seconds until it is settled."""
    began = time.perf_counter()
    job = ask(client, key, asked, bundle, max_price=PRICE_MAX)
    client.final(job)
    while (told := client.job(job))["state"] not in ENDED:
        if time.perf_counter() - began > JOB_S_MAX:
            raise TimeoutError(f"job {job.hex()} is {told['state']} after {JOB_S_MAX:.0f} s")
        time.sleep(POLL_S)
    if told["state"] == "void":
        raise RuntimeError(f"job {job.hex()} ended void: {told['outcome']}")
    return time.perf_counter() - began
