"""The main job, end to end: a network, a client, a model and files that no one here made, and a worker that lies.

    python -m examples.filetype.demo

Exits 0 only if every file's label equals that of the library whose model this is, and every lie was caught.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

from cli.admission import check_bundles, lowering_of
from cli.client import Client, model_record
from cli.money import karat
from examples.filetype.features import answer_without_model, read_ends
from examples.filetype.files import Sample, samples
from examples.filetype.jobs import Asked, Question, answer, ask, input_of, parties, refunded, wait_all
from examples.filetype.labels import MODEL_FILE, Rules, load_rules, package_file
from examples.filetype.lies import (
    LIES,
    LIES_S,
    WINDOWS,
    Liar,
    check,
    escrowed,
    order_lie,
    purses,
    settle_up,
    tell,
    tell_purses,
)
from examples.filetype.phases import Failed, Teller
from node.keys.files import DEVELOPMENT_PREFIX, Key, KeyKind, create_key, load_key
from node.rpc.client import RpcClient
from primitives.reasons import Refused
from primitives.units import KARAT
from testnet.manifest import standard
from testnet.network_home import Network, write_network
from testnet.observe import wait_ready
from testnet.processes import start, stop
from vm.lowering import lowering_id
from vm.manifest import model_id

FUNDS = 100 * KARAT
PRICE_MAX = KARAT // 10
"""For an honest worker's run."""
FILES_MIN = 20
TYPES_MIN = 8
SETTLED_S = 120.0
"""For all jobs to end; they take some 20 s on two idle cores."""
CALIBRATED_ON = 2
"""Files; each takes two canonical runs."""
COMPARE_S = 120.0
TERMINATED = 143
"""128 and the number of SIGTERM, as shells have it."""
LIMIT_S = 90.0
"""From the start of the network to the last settled job, on two cores."""


def main() -> int:
    """Run the whole demonstration; returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the network is stopped then too
    teller = Teller()
    directory = Path(tempfile.mkdtemp(prefix="assay-demo-")) / "network"
    network: Network | None = None
    try:
        manifest = replace(standard(validators=4, workers=5, liars=1), parameters=WINDOWS)
        with teller.phase("keys and genesis for 4 validators, 5 workers and a liar"):
            network = write_network(directory, manifest)
            teller.say(f"  in {directory}")
        demonstrate(directory, network, teller)
        status = 0
    except (Failed, Refused) as fault:
        teller.say(f"\nFAILED: {fault}")
        status = 1
    finally:
        if network is not None:
            with teller.phase("stop the network"):
                stop(directory, [node.name for node in network.nodes])
    teller.say()
    for name, took in teller.phases:
        teller.say(f"  {took:6.1f} s  {name}")
    if status == 0:
        shutil.rmtree(directory.parent)
    teller.say("\nAll of it held." if status == 0 else f"\nIt did not hold; logs are in {directory / 'logs'}.")
    return status


def demonstrate(directory: Path, network: Network, teller: Teller) -> None:
    """Everything between start and stop. Raises Failed or Refused."""
    began = time.monotonic()
    with teller.phase("start the network"):
        start(directory, network.nodes)
        wait_ready(directory, network.nodes, progress=teller.progress)
        for node in network.nodes:
            teller.say(f"  {node.name:<11} {node.rpc}  {node.address}  {node.behaviour or ''}".rstrip())
    with RpcClient(network.nodes[0].rpc) as rpc:
        client = Client(rpc)
        with teller.phase("fund a client"):
            key = fund(client, directory, teller)
        with teller.phase("publish the model"):
            found = samples()
            asked = publish(client, key, found, teller)
        with teller.phase("submit files as jobs"):
            questions = submit(client, key, asked, found, teller)
        with teller.phase("run, verify, settle"):
            labels = settle(client, questions, network, teller)
        took = time.monotonic() - began
        teller.say(f"\nfrom the start of the network to the last settled job: {took:.1f} s")
        with teller.phase("compare with the library, in a process of its own"):
            labels |= without_model(found)
            compare(labels, teller)
        lie_thrice(client, key, asked, questions, network, teller)
    if took > LIMIT_S:
        teller.say(f"slower than the {LIMIT_S:.0f} s that two idle cores need")


def fund(client: Client, directory: Path, teller: Teller) -> Key:
    """Make a wallet and send it money from a funded account."""
    home = directory / "client" / "keys"
    key = create_key(home / "alice.json", kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX, password=None)
    rich = load_key(home / "dev0.json", kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX)
    client.transfer(rich, to=key.info.address, amount=FUNDS)
    teller.say(f"  alice {key.info.address_text} has {karat(client.balance(key.info.address_text))} karat")
    return key


def publish(client: Client, key: Key, found: list[Sample], teller: Teller) -> Asked:
    """Publish the model file that ships in the magika package, calibrated on some of the files."""
    file = package_file(MODEL_FILE)
    raw = file.read_bytes()
    bundles = [bundle for sample in found if (bundle := input_of(sample)) is not None]
    checked = check_bundles(raw, bundles[:CALIBRATED_ON])
    lowering = lowering_of(checked)
    content = client.rpc.put_blob(raw)
    model = model_record(
        content, inputs=checked.inputs, outputs=checked.outputs, licence="Apache-2.0", publisher=key.info.address
    )
    client.publish(key, model, lowering)
    teller.say(f"  {file.name} of package magika, {len(raw):,} bytes, {checked.nodes} nodes")
    for value in lowering.cut:
        teller.say(f"  cut {value.name.decode()} {value.type.shape}")
    teller.say(f"  model {model_id(model).hex()}")
    return Asked(model=model_id(model), lowering=lowering_id(lowering))


def submit(client: Client, key: Key, asked: Asked, found: list[Sample], teller: Teller) -> list[Question]:
    """Submit a job for every file that the model is needed for."""
    questions = []
    for sample in found:
        bundle = input_of(sample)
        if bundle is None:
            teller.say(f"  no job  {sample.name}  ({sample.origin})")
        else:
            job = ask(client, key, asked, bundle, max_price=PRICE_MAX)
            questions.append(Question(sample=sample, job=job))
            teller.progress(f"{len(questions)} jobs submitted")
    if len(found) < FILES_MIN:
        raise Failed(f"only {len(found)} of the files are on this machine, wanted {FILES_MIN}")
    return questions


def settle(client: Client, questions: list[Question], network: Network, teller: Teller) -> dict[str, str]:
    """Wait for all jobs, and tell for each what came of it; returns the labels by path."""
    ended = wait_all(client, [question.job for question in questions], teller, limit_s=SETTLED_S)
    rules: Rules = load_rules()
    names = {node.address: node.name for node in network.nodes if node.address}
    labels: dict[str, str] = {}
    head = ("LABEL", "SCORE", "RUN BY", "VERIFIED BY", "COST", "FILE")
    teller.say("  {:<11} {:>6}  {:<8} {:<24} {:<8} {}".format(*head))
    for question in questions:
        told = ended[question.job]
        if told["state"] == "void":
            raise Failed(f"job {question.job.hex()} for {question.sample.name} is void: {told['outcome']}")
        found = answer(client.output(told), rules)
        provider, verifiers = parties(told)
        checked = " ".join(names[str(each["worker"])] for each in verifiers if each["verdict"] == "accept")
        cost = escrowed(told) - refunded(told) + client.fee_paid(question.job)
        labels[str(question.sample.path)] = found.label
        told_file = f"{question.sample.name}  ({question.sample.origin})"
        teller.say(
            f"  {found.label:<11} {found.score:6.4f}  {names[provider]:<8} {checked:<24} {karat(cost):<8} {told_file}"
        )
    if len(set(labels.values())) < TYPES_MIN:
        raise Failed(f"only {len(set(labels.values()))} types of file, wanted {TYPES_MIN}")
    return labels


def without_model(found: list[Sample]) -> dict[str, str]:
    """Return the labels of the files that are answered without a job."""
    told = {str(sample.path): answer_without_model(read_ends(sample.path)) for sample in found}
    return {path: label for path, label in told.items() if label is not None}


def compare(labels: dict[str, str], teller: Teller) -> None:
    """Have the library itself label the files, and raise Failed if any label differs."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.filetype.compare"],
        input=json.dumps(labels),
        capture_output=True,
        text=True,
        timeout=COMPARE_S,
        check=False,
    )
    lines = (done.stdout or done.stderr).splitlines()
    for line in lines:
        if not line.startswith("same") or done.returncode:
            teller.say(f"  {line}")
    if done.returncode:
        raise Failed("the library gives other labels")


def lie_thrice(
    client: Client, key: Key, asked: Asked, questions: list[Question], network: Network, teller: Teller
) -> None:
    """Send the liar a job for each of its lies, and see each convicted."""
    node = next(node for node in network.nodes if node.behaviour == "liar")
    plan = network.manifest.workers[int(node.name.removeprefix("worker"))]
    liar = Liar(address=node.address, max_price=plan.ask)
    names = {each.address: each.name for each in network.nodes if each.address}
    names |= {key.info.address_text: "alice", liar.address: "the liar"}
    before = purses(client, names)
    jobs: dict[bytes, str] = {}
    for what, question in zip(LIES, questions, strict=False):
        with teller.phase(f"order a lie: {what}"):
            bundle = input_of(question.sample)
            assert bundle is not None
            jobs[order_lie(client, key, asked=asked, bundle=bundle, liar=liar)] = what
    with teller.phase("verify, reject, dispute, decide"):
        ended = wait_all(client, list(jobs), teller, limit_s=LIES_S)
    for job, what in jobs.items():
        teller.say(f"  {what}")
        tell(ended[job], names, teller)
        check(ended[job], liar)
    tell_purses(before, purses(client, names), names, teller)
    settle_up(client, before, list(jobs), me=key.info.address_text, liar=liar, names=names)


if __name__ == "__main__":
    sys.exit(main())
