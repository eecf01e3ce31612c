"""Asking the other validators, at the start, how far this one's votes may have gone, and answering them (C13, N92)."""

import logging
from collections.abc import Awaitable, Callable, Sequence

import trio

from consensus.core import Core
from consensus.io import Input, Stalled, Witnessed
from consensus.scheme import Scheme
from consensus.witness import Inquiry, Witnesses, decode_inquiry, testify
from node.network import PeerUnavailableError
from node.traffic import NetworkPort
from primitives.codec import encode
from primitives.reasons import Refused

PROTOCOL = "witness"
ANSWER_S = 5.0
"""For one validator to answer, on a slow line or while it executes a long block."""
PATIENCE_DELTAS = 10
"""How many Δ the last ones have to answer, after which a quorum is enough: they may be down."""
STALLED_ROUNDS = 3
"""Rounds of answers after one another that show no progress, before this node is taken to be needed for it."""
_MS_PER_S = 1_000

_log = logging.getLogger("assay.driver")


def answer(core: Core, body: bytes) -> bytes | None:
    """Return what this validator can tell another of its past; None for what is no question, or can't be shown."""
    try:
        told = testify(core, decode_inquiry(body))
    except Refused:
        return None
    return None if told is None else encode(told)


def is_proven(core: Core) -> bool:
    """Tell whether all views are over in which this validator may have cast votes that it does not know of."""
    return not core.quarantined and core.guard.low >= core.guard.doubted


class Asker:
    """Asks until no earlier vote of this validator can matter any more."""

    def __init__(
        self,
        core: Core,
        network: NetworkPort,
        *,
        scheme: Scheme,
        peers: Sequence[bytes],
        delta_ms: int,
        closed: int,
        give: Callable[[Input], Awaitable[None]],
    ) -> None:
        """`peers` are the validators' peer ids by index; up to view `closed` nothing may be signed in any case."""
        assert core.me is not None, "only a validator votes"
        self._core = core
        self._me = core.me
        self._network = network
        self._scheme = scheme
        self._peers = peers
        self._round_s = 2 * delta_ms / _MS_PER_S
        self._patience_s = PATIENCE_DELTAS * delta_ms / _MS_PER_S
        self._closed = closed
        self._give = give

    async def run(self) -> None:
        """Ask, round after round, and tell the core; returns once this validator's record is proven."""
        validators = self._core.instance.validators
        if validators.weights[self._me] >= validators.quorum:
            await self._give(Witnessed(mark=self._closed, votes=[]))
            return
        mark = await self._first_mark()
        stalled_rounds, seen = 0, 0
        while not is_proven(self._core):
            await trio.sleep(self._round_s)
            told = await self._ask()
            await self._give(Witnessed(mark=mark, votes=told.votes))
            view = self._view(told)
            stalled_rounds = stalled_rounds + 1 if told.enough and view == seen else 0
            seen = max(seen, view)
            if stalled_rounds == STALLED_ROUNDS and view <= mark:
                _log.warning("nobody gets beyond view %d: this validator skips up to view %d", view, mark)
                await self._give(Stalled())

    async def _first_mark(self) -> int:
        """Wait for enough answers and let the core vote above the view that they give, which is returned."""
        began_s = trio.current_time()
        while True:
            told = await self._ask()
            patient = trio.current_time() < began_s + self._patience_s
            view = self._view(told)
            votes = [signed for signed in told.votes if signed.vote.view <= view + 1]
            is_first = view == 1 and self._core.instance.epoch == 0 and not votes and self._core.guard.last_view() == 0
            if told.everybody or (told.enough and (is_first or not patient)):
                break
            await trio.sleep(self._round_s)
        mark = max(0 if is_first else view + 1, self._closed)
        _log.info("this validator votes above view %d", mark)
        await self._give(Witnessed(mark=mark, votes=votes))
        return mark

    def _view(self, told: Witnesses) -> int:
        return max(told.view, self._core.ancestry.next_view())

    async def _ask(self) -> Witnesses:
        """Ask all others once."""
        told = Witnesses(self._core.instance, self._me, self._scheme)
        question = encode(Inquiry(epoch=self._core.instance.epoch, signer=self._me))
        with trio.move_on_after(ANSWER_S):
            async with trio.open_nursery() as nursery:
                for validator, peer in enumerate(self._peers):
                    if validator != self._me:
                        nursery.start_soon(self._ask_one, told, validator, peer, question)
        return told

    async def _ask_one(self, told: Witnesses, validator: int, peer: bytes, question: bytes) -> None:
        try:
            told.take(validator, await self._network.request(peer, PROTOCOL, question))
        except PeerUnavailableError:
            return
        except Refused as fault:
            _log.warning("validator %d gave a testimony that is none: %s", validator, fault)
