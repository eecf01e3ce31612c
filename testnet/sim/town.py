"""A simulated ledger with its users: what they hand in travels between the nodes, and every final block is audited."""

from typing import TYPE_CHECKING

from ledger.chain import FinalBlock
from ledger.state import State
from testnet.kit.ledger_builders import supply_of
from testnet.manifest import Manifest
from testnet.sim.checks import Broken
from testnet.sim.ledger import LedgerApplication, ledger_charter, ledger_ground
from testnet.sim.users import Users

if TYPE_CHECKING:
    from testnet.sim.node import SimNode
    from testnet.sim.run import Simulation

STEP_MS = 200
"""Users look at the chain so often."""
WAITING_SHARE = 5
"""Where validators come and go, one node in so many has to join first."""


class Town:
    """The people, and the auditor."""

    def __init__(self, manifest: Manifest, world: "Simulation") -> None:
        nodes, work = manifest.validators, manifest.workload
        waiting = nodes // WAITING_SHARE if work.staking else 0
        charter = ledger_charter(nodes, waiting=waiting, stakes=manifest.stakes, parameters=manifest.parameters)
        self.ground = ledger_ground(charter, nodes, waiting=waiting, heard=self._audit)
        self._world = world
        self._users = Users(charter, nodes=nodes, waiting=waiting, per_s=work.transfers_per_s, staking=work.staking)
        self._roots: list[bytes] = []
        self.transactions = 0
        """Final ones."""

    def begin(self) -> None:
        """Let users act from now on."""
        self._world.later(STEP_MS, 0, b"users", self._act)

    def _act(self, _: "SimNode") -> None:
        ledgers = [ledger_of(node) for node in self._world.nodes]
        ahead = max(ledgers, key=lambda each: each.header.height)
        last = ahead.head()
        for raw in self._users.act(ahead.state, self._world.now_ms(), epoch=last.epoch):
            self.submit(self._world.pick(len(self._world.nodes)), raw)
        self.begin()

    def submit(self, at: int, raw: bytes) -> None:
        """Hand a transaction to a node, which passes it on to the others if it may wait."""
        world = self._world
        if world.nodes[at].core is None or not ledger_of(world.nodes[at]).submit(raw, world.now_ms()):
            return
        for node in world.nodes:
            if node.index != at:
                world.reply(at, node.index, "transaction", b"transaction", lambda to: _take(to, raw))

    def _audit(self, node: int, final: FinalBlock, state: State) -> None:
        """Look at a final block where it is final first; elsewhere at its state root alone."""
        height, root = final.block.header.height, final.outcome.state_root
        if height <= len(self._roots):
            if self._roots[height - 1] != root:
                raise Broken("agreement", f"node {node} has another state after block {height}")
            return
        self._roots.append(root)
        self.transactions += len(final.block.transactions)
        held, wanted = supply_of(state), state.totals().supply
        if held != wanted:
            raise Broken("supply", f"{held} grains after block {height}, not {wanted}")
        for evidence in final.block.evidence:
            self._convict(evidence.first.vote.epoch, evidence.first.signer, height)

    def _convict(self, epoch: int, signer: int, height: int) -> None:
        culprit = self._world.committee(epoch).nodes[signer]
        self._world.happened("convicted", self._world.nodes[culprit])
        if culprit in self._world.honest:
            raise Broken("accusation", f"block {height} punishes node {culprit}, which is honest")


def ledger_of(node: "SimNode") -> LedgerApplication:
    """Return the ledger of a node."""
    assert isinstance(node.application, LedgerApplication)
    return node.application


def _take(node: "SimNode", raw: bytes) -> None:
    if node.core is not None:
        ledger_of(node).submit(raw, node.clock_ms())
