"""A verifier that runs nothing and looks for the provider's output."""

import json
from collections.abc import Callable
from pathlib import Path

import trio

from node.home import Home
from node.ports import Machine, Role, Task, TaskResult
from node.rpc.client import RpcClient
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from testnet.kit.liars.around import Around

COPY_TRIES = 20
"""How often a copier looks for the provider's output, a second apart."""


class Copying(Around):
    """As a verifier it runs nothing: it looks for the provider's output to copy, and has nothing to commit.

    The chain shows a salted commitment alone, and no node serves the output before its reveal is final.
    """

    def __init__(self, engine: Machine, find: Callable[[bytes], bytes | None]) -> None:
        """`find` looks for the output of a job wherever it can, and returns it or None; it may block."""
        super().__init__(engine)
        self._find = find

    async def run(self, task: Task) -> TaskResult:
        """Run the task as a provider; as a verifier look for something to copy. Raises Refused CONTENT_NOT_FOUND."""
        if task.role is Role.PROVIDE:
            return await self._engine.run(task)
        for _ in range(COPY_TRIES):
            found = await trio.to_thread.run_sync(self._find, task.job, abandon_on_cancel=True)  # type: ignore[call-arg]  # old stubs
            if found is not None:
                return TaskResult(cut=found, outputs=found, wall_ms=0)
            await trio.sleep(1)
        raise Refused(Reason.CONTENT_NOT_FOUND, job=task.job, what="the provider's output")


def search_through(home: Path) -> Callable[[bytes], bytes | None]:
    """Return a search that asks the node in `home`, and through it all its peers, for the output of a job."""

    def find(job: bytes) -> bytes | None:
        with RpcClient(json.loads(Home(home).running.read_bytes())["rpc"]) as rpc:
            told = rpc.table("job.show", id=job.hex())
            # Before the reveal the chain names no output; the commitment is the only hash of it that anybody sees.
            outputs = told["outputs"]
            known = outputs if isinstance(outputs, dict) else {"root": told["commitment"], "length": len(job)}
            try:
                return rpc.get_blob(ContentId(root=bytes.fromhex(str(known["root"])), length=int(str(known["length"]))))
            except Refused:
                return None

    return find
