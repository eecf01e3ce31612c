"""Three jobs for a worker that lies, each in another way, and what becomes of them."""

from dataclasses import dataclass

from cli.client import Client, wait
from cli.money import karat
from examples.filetype.jobs import Asked, ask, entries, parties, refunded
from examples.filetype.phases import Failed, Teller
from ledger.parameters import Parameters
from node.keys.files import Key
from node.rpc.json_value import Json

LIES = (
    "the true output of another input",
    "the two top scores swapped",
    "one element at the cut moved by ten times the tolerance",
)
"""What testnet.kit's `liar` does with its first three jobs, in this order."""
COMMITTED_S = 60.0
"""For the liar to run a job and to commit to what it says of it."""
LIES_S = 400.0
"""For the disputes about them to be decided: their windows take about a minute, all three side by side."""
SECOND_MS = 1_000
WINDOWS = Parameters(
    dispute_claim_ms=30 * SECOND_MS,
    dispute_open_ms=20 * SECOND_MS,
    dispute_step_ms=30 * SECOND_MS,
    dispute_judge_ms=30 * SECOND_MS,
)
"""A dispute takes its windows however soon all is said: short enough to watch, and long enough for a busy machine.

What nobody proves in time has not happened: a machine that is too slow lets a lie pass.
"""
CAUGHT = ("convicted", "grey")
"""What a dispute says of a lie: false beyond doubt, or more than honest machines differ by."""


@dataclass(frozen=True, kw_only=True)
class Liar:
    """Who lies, and what it is paid at most."""

    address: str
    max_price: int


@dataclass(frozen=True, kw_only=True)
class Purses:
    """What everybody has at one moment, in grains."""

    balances: dict[str, int]
    bonds: dict[str, int]


def purses(client: Client, names: dict[str, str]) -> Purses:
    """Return what each of `names` (addresses) has."""
    told = {address: client.rpc.table("account.get", address=address) for address in names}
    return Purses(
        balances={address: int(str(each["balance"])) for address, each in told.items()},
        bonds={address: int(str(each["bond"])) for address, each in told.items()},
    )


def order_lie(client: Client, key: Key, *, asked: Asked, bundle: bytes, liar: Liar) -> bytes:
    """Send the liar a job and return its id once it has committed to its next lie. Raises Failed."""
    job = ask(client, key, asked, bundle, max_price=liar.max_price, provider=client.address(liar.address))
    client.final(job)
    told = wait(lambda: client.job(job), lambda told: told["commitment"] is not None, wait_s=COMMITTED_S)
    if told is None:
        raise Failed(f"the liar has not committed to job {job.hex()} within {COMMITTED_S:.0f} s")
    return job


def tell(told: dict[str, Json], names: dict[str, str], teller: Teller) -> None:
    """Show what became of a job."""
    teller.say(f"  job {str(told['id'])[:16]}")
    for happened in entries(told, "history"):
        who = names.get(str(happened["who"]), "") if happened["who"] else "the chain"
        teller.say(f"    height {happened['height']:>4}  {happened['event']!s:<16} {who:<12} -> {happened['state']}")
    for each in parties(told)[1]:
        teller.say(f"    {names[str(each['worker'])]} says {each['verdict']}")
    teller.say(f"    refunded {karat(refunded(told))} of {karat(escrowed(told))} held; outcome {told['outcome']}")


def settle_up(client: Client, before: Purses, jobs: list[bytes], *, me: str, liar: Liar, names: dict[str, str]) -> None:
    """Raise Failed unless the client got everything back but its fees, and the liar has lost of its bond."""
    after = purses(client, names)
    if after.balances[liar.address] > before.balances[liar.address]:
        raise Failed("the liar gained")
    if after.bonds[liar.address] >= before.bonds[liar.address]:
        raise Failed("the liar's bond is whole")
    if before.balances[me] - after.balances[me] != sum(client.fee_paid(job) for job in jobs):
        raise Failed("the client did not get back all it had paid in")


def tell_purses(before: Purses, after: Purses, names: dict[str, str], teller: Teller) -> None:
    """Show who has more or less than before."""
    for address, name in names.items():
        for what, was, now in (("", before.balances, after.balances), (" at stake", before.bonds, after.bonds)):
            if was[address] != now[address]:
                teller.say(f"  {name:<8} had {karat(was[address])}{what}, has {karat(now[address])}")


def check(told: dict[str, Json], liar: Liar) -> None:
    """Raise Failed unless the liar provided, was found out by verifiers who had committed before, and was not paid.

    A verifier that rejects has to prove it: the dispute decides.
    """
    provider, verifiers = parties(told)
    events = [str(each["event"]) for each in entries(told, "history")]
    wanted = ["submit", "accept", "commit", "draw"] + ["verifier_commit"] * len(verifiers) + ["provider_reveal"]
    if provider != liar.address:
        raise Failed(f"the job was provided by {provider}, not by the liar")
    if events[: len(wanted)] != wanted:
        raise Failed(f"history is {events}, wanted {wanted} first")
    if told["state"] != "void" or told["outcome"] not in CAUGHT:
        raise Failed(f"the job ended {told['state']}, {told['outcome']}")
    if not any(each["verdict"] == "reject" for each in verifiers):
        raise Failed("nobody rejected")
    if any(each["kind"] == "price" for each in entries(told, "payouts")):
        raise Failed("the liar was paid")
    if refunded(told) != escrowed(told):
        raise Failed("the refund is not all that was held")


def escrowed(told: dict[str, Json]) -> int:
    """Return what submitting the job took into escrow, grains: the price cap and a fee for each verifier."""
    return int(str(told["max_price"])) + len(parties(told)[1]) * int(str(told["verifier_fee"]))
