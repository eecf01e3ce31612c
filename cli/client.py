"""What a client does on the chain through a node: sign, send, wait, publish, order. Used by commands and examples."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from cli.delivery import OpenKey, content_of, sealed_result
from ledger.parameters import Tier
from ledger.transaction import (
    Body,
    JobSubmit,
    LoweringPublish,
    ModelPublish,
    Payload,
    Transfer,
    sign_transaction,
)
from node.keys.envelopes import reply_key, reply_secret
from node.keys.files import Key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.address import parse_address
from primitives.content import ContentId
from primitives.hashing import HASH_BYTES
from primitives.reasons import Fact, Reason, Refused
from vm.lowering import Lowering
from vm.manifest import Class, Model, Port, Provenance

VALID_MS = 600_000
"""How long a transaction may wait for its block: ten minutes are plenty, and a lost one is soon forgotten."""
FINAL_S = 60.0
"""How long a command waits for a transaction to be final unless told otherwise."""
POLL_S = 0.1
"""Between two questions; a block takes about half a second."""
ENDED = ("settled", "unverified", "past_challenge", "void")
"""States in which the client has its result, or never will; what is disputed later changes who is paid."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What must be known of a network to sign for it."""

    prefix: str
    genesis_hash: bytes
    verifier_fee: int


@dataclass(frozen=True, kw_only=True)
class Order:
    """A job to be submitted. The input is content that the node already holds."""

    model: bytes
    lowering: bytes
    """Of the model, for an input of this shape."""
    input: ContentId
    max_price: int
    class_: Class = Class.NATIVE
    provider: bytes | None = None
    tier: Tier = Tier.HIGH
    at_risk: int = 0
    """What a false result may cost the client, grains."""
    canary: bytes | None = None
    """The commitment to a canary, 32 bytes; None: no canary (J90)."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What somebody offers instead of what the node advises; cap and tip in grains per gas."""

    fee_cap: int | None = None
    tip: int | None = None
    nonce: int | None = None
    """Of a transaction that waits and shall be replaced."""


ADVISED = Offer()


class Client:
    """One user's dealings with one network through one node."""

    def __init__(self, rpc: RpcClient) -> None:
        self.rpc = rpc

    @cached_property
    def network(self) -> Network:
        """Return the network that the node belongs to."""
        status = self.rpc.table("node.status")
        parameters = self.rpc.table("chain.params")
        return Network(
            prefix=str(status["network"]),
            genesis_hash=bytes.fromhex(str(status["genesis_hash"])),
            verifier_fee=int(str(parameters["verifier_fee"])),
        )

    def address(self, text: str) -> bytes:
        """Return the 20 bytes of an address of this network. Raises Refused."""
        return parse_address(text, self.network.prefix)

    def balance(self, address: str) -> int:
        """Return an account's balance, grains."""
        return int(str(self.rpc.table("account.get", address=address)["balance"]))

    def sign(self, key: Key, payload: Payload, *, offer: Offer = ADVISED) -> bytes:
        """Return a signed transaction, with the account's next nonce and what the node advises to offer."""
        account = self.rpc.table("account.get", address=key.info.address_text)
        advice = self.rpc.table("fee.estimate")
        tip = int(str(advice["tip"])) if offer.tip is None else offer.tip
        cap = int(str(advice["fee_cap"])) + tip if offer.fee_cap is None else offer.fee_cap
        body = Body(
            sender=key.info.public,
            nonce=int(str(account["next_nonce"])) if offer.nonce is None else offer.nonce,
            fee_cap=cap,
            tip=tip,
            valid_until=int(str(self.rpc.table("chain.head")["timestamp_ms"])) + VALID_MS,
            payload=payload,
        )
        return sign_transaction(key.seed, self.network.genesis_hash, body)

    def check(self, raw: bytes) -> None:
        """Have the node try a transaction without taking it. Raises Refused as submitting it would."""
        self.rpc.call("tx.check", raw=raw.hex())

    def submit(self, raw: bytes) -> bytes:
        """Hand in a signed transaction and return its id. Raises Refused."""
        return bytes.fromhex(str(self.rpc.table("tx.submit", raw=raw.hex())["id"]))

    def send(self, key: Key, payload: Payload, *, wait_s: float = FINAL_S, offer: Offer = ADVISED) -> bytes:
        """Sign, submit and wait until final; return the transaction's id. Raises Refused, also if the chain did."""
        txid = self.submit(self.sign(key, payload, offer=offer))
        self.final(txid, wait_s=wait_s)
        return txid

    def final(self, txid: bytes, *, wait_s: float = FINAL_S) -> dict[str, Json]:
        """Wait until a transaction is final and return what is known of it.

        Raises Refused with the reason in its receipt if it failed, STILL_PENDING if the time ran out.
        """
        status = wait(
            lambda: self.rpc.table("chain.tx", id=txid.hex()), lambda told: told["state"] == "final", wait_s=wait_s
        )
        if status is None:
            raise Refused(Reason.STILL_PENDING, transaction=txid, waited_s=int(wait_s))
        receipt = status["receipt"]
        if isinstance(receipt, dict) and receipt["reason"]:
            raise Refused(Reason(int(str(receipt["reason"]))), transaction=txid, **_facts(receipt.get("facts")))
        return status

    def transfer(self, key: Key, *, to: bytes, amount: int, offer: Offer = ADVISED) -> bytes:
        """Send grains and return the final transaction's id. Raises Refused."""
        return self.send(key, Transfer(to=to, amount=amount), offer=offer)

    def publish(self, key: Key, model: Model, lowering: Lowering) -> bytes:
        """Publish a model whose file the node holds; return the final transaction's id. Raises Refused."""
        return self.send(key, ModelPublish(model=model, lowering=lowering))

    def lower(self, key: Key, lowering: Lowering) -> bytes:
        """Register another lowering of a published model; return the final transaction's id. Raises Refused."""
        return self.send(key, LoweringPublish(lowering=lowering))

    def model_file(self, model: str) -> bytes:
        """Return the file of a published model, by the id as people write it. Raises Refused MODEL_UNKNOWN."""
        file = self.rpc.table("model.show", id=model)["file"]
        assert isinstance(file, dict)
        return self.rpc.get_blob(ContentId(root=bytes.fromhex(str(file["root"])), length=int(str(file["length"]))))

    def hold_model(self, model: bytes) -> None:
        """Have the node serve a model's file, so that whoever is to verify a job of it finds it.

        Raises Refused MODEL_UNKNOWN, and CONTENT_NOT_FOUND if nobody hands it out, of which no result could be checked.
        """
        file = content_of(self.rpc.table("model.show", id=model.hex())["file"])
        try:
            self.rpc.hold_blob(file)
        except Refused as refused:
            if refused.reason is not Reason.CONTENT_NOT_FOUND:
                raise
            wanted = "its file from somebody, for verifiers to find it"
            raise Refused(Reason.CONTENT_NOT_FOUND, model=model, wanted=wanted, **refused.facts) from None

    def order(self, key: Key, order: Order) -> bytes:
        """Return the signed transaction that submits a job."""
        canary = order.canary or secrets.token_bytes(HASH_BYTES)
        payload = JobSubmit(
            model=order.model,
            lowering=order.lowering,
            input=order.input,
            tier=order.tier,
            class_=order.class_,
            max_price=order.max_price,
            provider=order.provider,
            at_risk=order.at_risk,
            reply_key=reply_key(reply_secret(key.seed, canary)),  # K5
            canary=canary,
        )
        return self.sign(key, payload)

    def fee_paid(self, txid: bytes) -> int:
        """Return what a final transaction has paid, grains."""
        receipt = self.rpc.table("chain.tx", id=txid.hex())["receipt"]
        assert isinstance(receipt, dict)
        return int(str(receipt["fee"]))

    def job(self, job: bytes) -> dict[str, Json]:
        """Return what the chain says about a job. Raises Refused JOB_UNKNOWN."""
        return self.rpc.table("job.show", id=job.hex())

    def watch(self, job: bytes, *, wait_s: float) -> Iterator[dict[str, Json]]:
        """Yield a job each time its history has grown, until it ends. Raises Refused STILL_PENDING after `wait_s`."""
        seen = 0
        stop = time.monotonic() + wait_s
        while True:
            told = self.job(job)
            history = told["history"]
            assert isinstance(history, list)
            ended = told["state"] in ENDED
            if len(history) > seen:
                seen = len(history)
                yield told
            if ended:
                return
            if time.monotonic() > stop:
                raise Refused(Reason.STILL_PENDING, job=job, state=str(told["state"]), waited_s=int(wait_s))
            time.sleep(POLL_S)

    def output(self, told: dict[str, Json], open_key: OpenKey | None = None) -> bytes:
        """Return the encoded output of a job; `open_key` gives its client's key where it is sealed to that.

        Raises Refused JOB_VOID for a job without one, and as `sealed_result` does.
        """
        outputs = told["outputs"]
        if told["state"] == "void" or not isinstance(outputs, dict):
            raise Refused(Reason.JOB_VOID, job=str(told["id"]), seen=str(told["outcome"]), wanted="settled")
        if told["sealed"] is None:
            return self.rpc.get_blob(content_of(outputs))
        if open_key is None:
            raise Refused(Reason.KEY_UNKNOWN, job=str(told["id"]), wanted=f"the key of {told['client']}")
        return sealed_result(self, told, open_key())


def model_record(file: ContentId, *, inputs: list[Port], outputs: list[Port], licence: str, publisher: bytes) -> Model:
    """Return the record of a model that names no parents."""
    nothing = Provenance(parents=[], datasets=[], training_jobs=[])
    return Model(
        file=file, inputs=inputs, outputs=outputs, licence=licence.encode(), provenance=nothing, publisher=publisher
    )


def wait(
    ask: Callable[[], dict[str, Json]], done: Callable[[dict[str, Json]], bool], *, wait_s: float
) -> dict[str, Json] | None:
    """Ask until the answer will do, and return it, or None when the time is over."""
    stop = time.monotonic() + wait_s
    while not done(answer := ask()):
        if time.monotonic() > stop:
            return None
        time.sleep(POLL_S)
    return answer


def _facts(told: Json) -> dict[str, Fact]:
    if not isinstance(told, dict):
        return {}
    return {
        name: value if value is None or isinstance(value, str | int) else str(value) for name, value in told.items()
    }
