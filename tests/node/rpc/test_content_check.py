"""What a node tells of a job whose input it holds."""

import pytest

from ledger.state import change
from ledger.transaction import open_transaction
from node.mempool.pool import Pool
from node.rpc.content_check import check_content
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from tests.node.chains import LIMITS
from tests.node.rpc.served import services_of


async def test_an_input_of_another_shape_than_the_lowerings_is_refused() -> None:
    """V126: the model takes any number of rows, and this lowering one."""
    chain, blobs = FakeChain(), FakeBlobs()
    kit.publish(chain.world)
    services = services_of(chain, pool=Pool(LIMITS), blobs=blobs)

    async def check(raw: bytes) -> None:
        await blobs.put(raw)
        job = change(kit.a_submission(), input=content_id(raw))
        await check_content(services, open_transaction(chain.world.sign("client", job), chain.world.charter.hash))

    await check(kit.a_bundle(b"x", [1.0] * kit.OUTPUTS))
    with pytest.raises(Refused) as told:
        await check(kit.a_bundle(b"x", [1.0] * kit.OUTPUTS, rows=2))
    assert told.value.reason is Reason.INPUT_WRONG_SHAPE
    assert (told.value.facts["seen"], told.value.facts["wanted"]) == ("[2,20]", "[1,20]")
