"""Content that stands on the chain in chunks, collected by a client."""

import pytest

from cli.client import Client
from cli.commands.withheld import collected
from ledger.market.withheld.payloads import Stage
from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.codec import encode
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.withheld.played import a_chunk, a_filing, a_job_being_verified


class Blocks(RpcClient):
    """A node that gives the blocks of a world."""

    def __init__(self, world: World) -> None:
        super().__init__("http://127.0.0.1:1")
        self.world = world

    def table(self, method: str, **params: Json) -> dict[str, Json]:
        if method == "chain.raw_block":
            height = params["height"]
            assert isinstance(height, int)
            return {"raw": encode(self.world.finals[height - 1].block).hex()}
        told: dict[str, dict[str, Json]] = {
            "node.status": {"network": "dasy", "genesis_hash": self.world.charter.hash.hex()},
            "chain.params": {"verifier_fee": "1"},
        }
        return told[method]


def test_chunks_are_put_together_from_the_blocks_that_hold_them() -> None:
    world = kit.a_world()
    job_id, (filer, *_) = a_job_being_verified(world)
    world.must(filer, a_filing(job_id, Stage.INPUT))
    world.must("worker 0", a_chunk(job_id, Stage.INPUT))
    height = world.state.clock().height
    content: dict[str, Json] = {"root": kit.an_input().root.hex(), "length": kit.an_input().length}
    shown: dict[str, Json] = {"content": content, "shown": [{"chunk": 0, "height": height}]}
    assert content_id(collected(Client(Blocks(world)), job_id, shown)) == kit.an_input()
    elsewhere: dict[str, Json] = {**shown, "shown": [{"chunk": 0, "height": height - 1}]}
    with pytest.raises(Refused) as refused:
        collected(Client(Blocks(world)), job_id, elsewhere)
    assert refused.value.reason is Reason.NOT_FOUND
