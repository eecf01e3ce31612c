"""Three jobs for a worker that lies, each in another way, and what becomes of them."""

from dataclasses import dataclass

from cli.client import Client
from cli.money import karat
from examples.filetype.jobs import Asked, ask, entries, parties, refunded, wait_all
from examples.filetype.phases import Failed, Teller
from node.keys.files import Key
from node.rpc.json_value import Json

LIES = (
    "the true output of another input",
    "the two top scores swapped",
    "one element at the cut moved by ten times the tolerance",
)
"""What testnet.kit's `liar` does with its first three jobs, in this order."""
LIE_S = 60.0
"""For one job to end."""


@dataclass(frozen=True, kw_only=True)
class Liar:
    """Who lies, and what it is paid at most."""

    address: str
    max_price: int


def lie(
    client: Client, key: Key, *, asked: Asked, bundle: bytes, liar: Liar, names: dict[str, str], teller: Teller
) -> None:
    """Send the liar one job, show what happens, and raise Failed unless it is caught and the client has its money."""
    before = {address: client.balance(address) for address in names}
    provider = client.address(liar.address)
    job = ask(client, key, asked, bundle, max_price=liar.max_price, provider=provider)
    told = wait_all(client, [job], teller, limit_s=LIE_S)[job]
    after = {address: client.balance(address) for address in names}
    teller.say(f"  job {job.hex()[:16]}")
    for happened in entries(told, "history"):
        who = names.get(str(happened["who"]), "") if happened["who"] else "the chain"
        teller.say(f"    height {happened['height']:>4}  {happened['event']!s:<16} {who:<12} -> {happened['state']}")
    for each in parties(told)[1]:
        teller.say(f"    {names[str(each['worker'])]} says {each['verdict']}")
    for address, name in names.items():
        if before[address] != after[address]:
            teller.say(f"    {name:<8} had {karat(before[address])}, has {karat(after[address])}")
    teller.say(f"    refunded {karat(refunded(told))} of {karat(escrowed(told))} held; outcome {told['outcome']}")
    check(told, liar)
    if after[liar.address] > before[liar.address]:
        raise Failed("the liar gained")
    fees = client.fee_paid(job) + verification_cost(told)
    if before[key.info.address_text] - after[key.info.address_text] != fees:
        raise Failed("the client did not get its price back")


def check(told: dict[str, Json], liar: Liar) -> None:
    """Raise Failed unless the liar provided, was found out by verifiers who had committed before, and was not paid."""
    provider, verifiers = parties(told)
    events = [str(each["event"]) for each in entries(told, "history")]
    wanted = ["submit", "accept", "commit", "draw"] + ["verifier_commit"] * len(verifiers) + ["provider_reveal"]
    if provider != liar.address:
        raise Failed(f"the job was provided by {provider}, not by the liar")
    if events[: len(wanted)] != wanted:
        raise Failed(f"history is {events}, wanted {wanted} first")
    if told["state"] != "void" or told["outcome"] != "rejected":
        raise Failed(f"the job ended {told['state']}, {told['outcome']}")
    if not any(each["verdict"] == "reject" for each in verifiers):
        raise Failed("nobody rejected")
    if any(each["kind"] == "price" for each in entries(told, "payouts")):
        raise Failed("the liar was paid")
    if refunded(told) != escrowed(told) - verification_cost(told):
        raise Failed("the refund is not the whole price")


def escrowed(told: dict[str, Json]) -> int:
    """Return what submitting the job took into escrow, grains: the price cap and a fee for each verifier."""
    return int(str(told["max_price"])) + len(parties(told)[1]) * int(str(told["verifier_fee"]))


def verification_cost(told: dict[str, Json]) -> int:
    """Return what verifiers were paid out of the escrow, grains."""
    return sum(int(str(each["amount"])) for each in entries(told, "payouts") if each["kind"] == "verifier_fee")
