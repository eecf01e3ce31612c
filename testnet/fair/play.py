"""Places the jobs of a fair and follows each to its end, through the nodes' RPC alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ledger.transaction import Body, JobSubmit, sign_transaction, transaction_id
from node.keys.files import DEVELOPMENT_PREFIX, Key, KeyKind, load_key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json, records
from primitives.address import parse_address
from primitives.codec import encode
from primitives.content import ContentId
from primitives.hashing import sha256
from primitives.units import KARAT
from testnet.fair.plan import Planned
from testnet.kit.liars.script import order
from testnet.network_home import CLIENT
from testnet.trials.stage import Stage, TrialError
from vm.manifest import Class

AT_ONCE = 24
"""Jobs under way: more only queue for the cores that they share."""
POLL_S = 0.25
JOB_S = 900.0
"""For one job to end, whoever falls silent in it: all windows one after the other, and those of a dispute."""
VALID_MS = 600_000
MAX_PRICE = KARAT // 10
FEE_CAP = 1_000_000
FINAL = ("past_challenge", "void")


@dataclass(kw_only=True)
class Placed:
    """A job of a fair on the chain."""

    planned: Planned
    job: bytes
    began_s: float
    settled_s: float | None = None
    """When it was settled or revealed unverified."""
    told: dict[str, Json] = field(default_factory=dict)
    """What the chain says of it, the last time that it was asked."""

    @property
    def is_over(self) -> bool:
        """Tell whether it is in a final state."""
        return self.told.get("state") in FINAL


class Players:
    """The clients of a fair: they place jobs at a bounded rate and look at each until it is over."""

    def __init__(self, stage: Stage, *, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._say = say
        self._rpc = RpcClient(stage.nodes["validator0"].rpc)
        self._keys = [_key(stage.directory, at) for at in range(stage.network.manifest.accounts)]
        self._nonces: dict[int, int] = {}
        self._model = bytes.fromhex(stage.model)
        known = self._rpc.table("model.lowerings", model=stage.model, limit=1)
        self._lowering = bytes.fromhex(str(records(known["lowerings"])[0]["id"]))
        self._genesis = bytes.fromhex(stage.network.genesis_hash)

    def play(self, planned: list[Planned]) -> list[Placed]:
        """Place all jobs and follow them to their ends. Raises TrialError if one does not end."""
        waiting, under_way, over = list(planned), list[Placed](), list[Placed]()
        told = 0
        while waiting or under_way:
            while waiting and sum(each.settled_s is None for each in under_way) < AT_ONCE:
                under_way.append(self._place(waiting.pop(0)))
            time.sleep(POLL_S)
            for each in under_way:
                self._look(each)
            over += [each for each in under_way if each.is_over]
            under_way = [each for each in under_way if not each.is_over]
            late = [each for each in under_way if time.monotonic() - each.began_s > JOB_S]
            if late:
                raise TrialError(f"job {late[0].job.hex()} is {late[0].told.get('state')} after {JOB_S:.0f} s")
            if len(over) // 25 > told // 25:
                self._say(f"{len(over)} of {len(planned)} jobs are over, {len(under_way)} under way")
            told = len(over)
        self._rpc.close()
        return over

    def _place(self, planned: Planned) -> Placed:
        """Hand in the input, say who plays what, and submit."""
        raw = self._stage.fresh_input()
        content = self._rpc.put_blob(raw)
        body = self._body(planned, content)
        job = transaction_id(encode(body))
        order(self._stage.directory, job, "provide", planned.providing)
        order(self._stage.directory, job, "verify", planned.verifying)
        signed = sign_transaction(self._keys[planned.client].seed, self._genesis, body)
        self._rpc.table("tx.submit", raw=signed.hex())
        return Placed(planned=planned, job=job, began_s=time.monotonic())

    def _body(self, planned: Planned, content: ContentId) -> Body:
        key = self._keys[planned.client]
        if planned.client not in self._nonces:
            account = self._rpc.table("account.get", address=key.info.address_text)
            self._nonces[planned.client] = int(str(account["next_nonce"]))
        nonce = self._nonces[planned.client]
        self._nonces[planned.client] += 1
        provider = None
        if planned.provider is not None:
            provider = parse_address(self._stage.nodes[planned.provider].address, DEVELOPMENT_PREFIX)
        return Body(
            sender=key.info.public,
            nonce=nonce,
            fee_cap=FEE_CAP,
            tip=0,
            valid_until=int(time.time() * 1e3) + VALID_MS,
            payload=JobSubmit(
                model=self._model,
                lowering=self._lowering,
                input=content,
                tier=planned.tier,
                class_=Class.NATIVE,
                max_price=MAX_PRICE,
                provider=provider,
                at_risk=0,
                reply_key=None,
                canary=sha256(content.root),
            ),
        )

    def _look(self, placed: Placed) -> None:
        """See how a job stands."""
        status = self._rpc.table("chain.tx", id=placed.job.hex())
        if status["state"] != "final":
            return
        receipt = status["receipt"]
        if isinstance(receipt, dict) and receipt["reason"]:
            raise TrialError(f"job {placed.job.hex()} is refused: {receipt}")
        placed.told = self._rpc.table("job.show", id=placed.job.hex())
        if placed.settled_s is None and placed.told["state"] in ("settled", "unverified", *FINAL):
            placed.settled_s = time.monotonic()


def _key(directory: Path, at: int) -> Key:
    return load_key(directory / CLIENT / "keys" / f"dev{at}.json", kind=KeyKind.WALLET, network=DEVELOPMENT_PREFIX)
