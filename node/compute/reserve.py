"""What a worker keeps of its balance for the bonds of claims: who can't pay one can't defend what it has done (D30)."""

import logging

from ledger.market.dispute.money import claim_bond
from ledger.records import Job
from node.compute.blocks import BlockSignal
from node.ports import ChainView

_log = logging.getLogger("assay.worker")


class Reserve:
    """The balance of one account, and what it should not fall below."""

    def __init__(self, chain: ChainView, account: bytes, least: int) -> None:
        """`least` in grains; 0 keeps nothing."""
        self._chain = chain
        self._account = account
        self.least = least

    @property
    def balance(self) -> int:
        """Grains."""
        return self._chain.state().account(self._account).balance

    def covers(self, job: Job) -> bool:
        """Tell whether a dispute about one more job could be paid: a claim about a long one costs more (X12)."""
        bond = claim_bond(self._chain.genesis.parameters, job) if self.least else 0
        return self.balance >= max(self.least, bond)

    async def watch(self, blocks: BlockSignal) -> None:
        """Say in the log when the balance falls below the reserve, and when it is back, for ever."""
        was_low = False
        while True:
            balance = self.balance
            if balance < self.least and not was_low:
                _log.warning(
                    "the balance of %d grains is below the reserve of %d: no new jobs, and no bond for a claim to "
                    "defend or challenge one may be left",
                    balance,
                    self.least,
                )
            if balance >= self.least and was_low:
                _log.warning("the balance of %d grains covers the reserve again: jobs are taken", balance)
            was_low = balance < self.least
            await blocks.wait()
