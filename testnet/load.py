"""Signed transfers at a steady rate from the funded accounts of a network, each followed until it is final.

A transaction that was accepted and does not become final is handed in again, the same bytes, to another node: a node
that is killed forgets what waited in it, and a nonce is used only once.
"""

import random
import threading
import time
from pathlib import Path

import msgspec

from ledger.transaction import Body, Transfer, sign_transaction, transaction_id
from node.keys.files import DEVELOPMENT_PREFIX, Key, KeyKind, load_key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.codec import encode
from primitives.reasons import Reason, Refused
from testnet.network_home import CLIENT, Network, Node

DRAIN_S = 60.0
"""For what is on its way at the end to become final."""
CALL_S = 2.0
"""For an answer of a node that may be paused."""
TICK_S = 0.05
AGAIN_S = 3.0
"""After which a transaction that is not final is handed in again."""
IN_FLIGHT_MAX = 8
"""Of one account: those behind a lost one wait for it."""
VALID_MS = 600_000
FEE_CAP = 1_000_000
"""Grains per gas: no base fee of a test network comes near."""
BLOCKS_AT_ONCE = 20
"""Blocks read in one step, so that submitting goes on while a reader comes from behind."""
SILENT = (Reason.NODE_UNREACHABLE, Reason.NODE_ANSWER_INVALID)
"""No answer, or one that broke off as its node was killed."""
KNOWN = (Reason.ALREADY_KNOWN, Reason.NONCE_TOO_LOW)
"""Refusals that say that a transaction waits or is final already."""


class Place(msgspec.Struct, frozen=True):
    """Where a transaction is final, as a node said."""

    height: int
    index: int
    block: str


class Sent(msgspec.Struct, kw_only=True):
    """A transaction on its way."""

    txid: str
    raw: bytes
    nonce: int
    first_s: float
    """When it was handed in first."""
    last_s: float = 0.0
    accepted_s: float | None = None


class Told(msgspec.Struct, kw_only=True):
    """What came of a load."""

    seconds: float = 0.0
    signed: int = 0
    accepted: int = 0
    again: int = 0
    """Handed in once more."""
    refused: int = 0
    unreachable: int = 0
    """Calls that no node answered in time."""
    held_back: int = 0
    """Not signed, as too many of the account were on their way."""
    final: int = 0
    waiting: int = 0
    """Accepted and not final at the end."""
    final_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class Load:
    """The senders, and the reader of final blocks. One thread runs it."""

    def __init__(self, directory: Path, network: Network, *, per_s: float, seed: int = 0, nodes: list[Node]) -> None:
        """`nodes` are those that are asked, in turn."""
        self.told = Told()
        self.blocks: dict[int, str] = {}
        """The id of each block that a node said is final, by height."""
        self.final: dict[str, Place] = {}
        """Where transactions are final, as a node said first."""
        self.contradictions: list[str] = []
        """What a node said against what a node said before."""
        self._genesis_hash = bytes.fromhex(network.genesis_hash)
        self._keys = [_key(directory, at) for at in range(network.manifest.accounts)]
        self._per_s = per_s
        self._chance = random.Random(seed)
        self._clients = [RpcClient(node.rpc, tries=1, call_s=CALL_S) for node in nodes]
        self._nonces: dict[int, int] = {}
        self._turns = list(range(len(self._keys)))
        """Which node each account asks: always the same while that goes well, for a node wants nonces in order."""
        self._waiting: dict[int, list[Sent]] = {at: [] for at in range(len(self._keys))}
        self._took_s: list[float] = []
        self._height = 0
        """Of the next block to be read; 0 before it is known where the chain stands."""
        self._reader = 0
        """Counts up: each time another node is asked for blocks."""
        self._stop = threading.Event()
        self._quiet = threading.Event()

    def run(self) -> None:
        """Send and read until `stop`."""
        began = due = time.monotonic()
        while not self._stop.wait(TICK_S):
            if self._height == 0:
                self._begin()
                continue
            now = time.monotonic()
            while due <= now and not self._quiet.is_set():
                self._send_new()
                due += 1 / self._per_s
            due = max(due, now - 1.0)  # after a stall no burst of all that was missed
            self._send_again()
            self._read()
        self.told.seconds = time.monotonic() - began
        for client in self._clients:
            client.close()

    def quiet(self) -> None:
        """Send nothing new; what is on its way is followed on."""
        self._quiet.set()

    @property
    def waiting(self) -> int:
        """How many accepted transactions are not final."""
        return sum(sent.accepted_s is not None for waiting in self._waiting.values() for sent in waiting)

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()

    def report(self) -> Told:
        """Return the figures, after `run`."""
        told, took = self.told, sorted(self._took_s)
        told.waiting = self.waiting
        told.final_per_s = told.final / told.seconds if told.seconds else 0.0
        told.p50_ms, told.p99_ms = (took[int(len(took) * part)] * 1e3 if took else 0.0 for part in (0.5, 0.99))
        return told

    def _ask(self, node: int, method: str, **params: Json) -> dict[str, Json] | None:
        """Ask a node; None if it does not answer. Raises Refused as the node does."""
        try:
            return self._clients[node % len(self._clients)].table(method, **params)
        except Refused as fault:
            if fault.reason not in SILENT:
                raise
            self.told.unreachable += 1
            return None

    def _begin(self) -> None:
        """Learn where the chain stands, before anything is sent that could be in a block."""
        self._reader += 1
        head = self._ask(self._reader, "chain.head")
        if head is not None:
            self._height = int(str(head["height"])) + 1

    def _send_new(self) -> None:
        at = self._chance.randrange(len(self._keys))
        key, waiting = self._keys[at], self._waiting[at]
        if len(waiting) >= IN_FLIGHT_MAX:
            self.told.held_back += 1
            return
        if at not in self._nonces:
            account = self._ask(self._turns[at], "account.get", address=key.info.address_text)
            if account is None:
                return
            self._nonces[at] = int(str(account["next_nonce"]))
        body = Body(
            sender=key.info.public,
            nonce=self._nonces[at],
            fee_cap=FEE_CAP,
            tip=self._chance.randrange(3),
            valid_until=int(time.time() * 1e3) + VALID_MS,
            payload=Transfer(to=self._keys[at - 1].info.address, amount=self._chance.randrange(1, 1_000_000)),
        )
        raw = sign_transaction(key.seed, self._genesis_hash, body)
        sent = Sent(txid=transaction_id(encode(body)).hex(), raw=raw, nonce=body.nonce, first_s=time.monotonic())
        self._nonces[at] += 1
        self.told.signed += 1
        waiting.append(sent)
        self._hand_in(at, sent)

    def _send_again(self) -> None:
        """Hand in to another node what waits for long, the lowest nonce first, as it holds up the others."""
        now = time.monotonic()
        for at, waiting in self._waiting.items():
            if waiting and waiting[0].last_s + AGAIN_S < now:
                self._turns[at] += 1
                for sent in waiting:
                    self.told.again += 1
                    self._hand_in(at, sent)

    def _hand_in(self, at: int, sent: Sent) -> None:
        sent.last_s = time.monotonic()
        try:
            answer = self._ask(self._turns[at], "tx.submit", raw=sent.raw.hex())
        except Refused as fault:
            self.told.refused += fault.reason not in KNOWN
            return
        if answer is not None and sent.accepted_s is None:
            sent.accepted_s = sent.last_s
            self.told.accepted += 1

    def _read(self) -> None:
        """Read blocks that are final by now."""
        self._reader += 1
        head = self._ask(self._reader, "chain.head")
        if head is None:
            return
        height = int(str(head["height"]))
        seen = self.blocks.get(height)
        if seen is not None and seen != head["id"]:
            self.contradictions.append(f"block {height} is {seen} and {head['id']}")
        for _ in range(BLOCKS_AT_ONCE):
            if self._height > height:
                return
            block = self._block(self._height)
            if block is None:
                return
            self._take(block)
            self._height += 1

    def _block(self, height: int) -> dict[str, Json] | None:
        try:
            return self._ask(self._reader, "chain.block", height=height)
        except Refused:  # this node has not got it yet
            return None

    def _take(self, block: dict[str, Json]) -> None:
        height, name, transactions = int(str(block["height"])), str(block["id"]), block["transactions"]
        assert isinstance(transactions, list)
        self.blocks[height] = name
        for index, each in enumerate(transactions):
            assert isinstance(each, dict)
            self.final[str(each["id"])] = Place(height, index, name)
        now = time.monotonic()
        for waiting in self._waiting.values():
            for sent in [sent for sent in waiting if sent.txid in self.final]:
                self.told.final += 1
                self._took_s.append(now - sent.first_s)
                waiting.remove(sent)


def loaded(directory: Path, network: Network, *, per_s: float, seconds: float) -> Told:
    """Send for so long, wait for what is on its way, and return the figures."""
    load = Load(directory, network, per_s=per_s, nodes=network.nodes)
    thread = threading.Thread(target=load.run, daemon=True)
    thread.start()
    time.sleep(seconds)
    drain(load)
    load.stop()
    thread.join()
    return load.report()


def drain(load: Load) -> None:
    """Send nothing new and wait until all that was accepted is final, or a limit is over."""
    load.quiet()
    until = time.monotonic() + DRAIN_S
    while load.waiting and time.monotonic() < until:
        time.sleep(TICK_S)


def lines_of(told: Told) -> list[str]:
    """Return the figures as people read them."""
    return [
        f"accepted  {told.accepted} of {told.signed} signed; {told.refused} refusals, {told.held_back} held back",
        f"final     {told.final}, {told.final_per_s:.1f} per second; {told.waiting} accepted and not final",
        f"to final  p50 {told.p50_ms:.0f} ms, p99 {told.p99_ms:.0f} ms",
    ]


def _key(directory: Path, at: int) -> Key:
    return load_key(directory / CLIENT / "keys" / f"dev{at}.json", kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX)
