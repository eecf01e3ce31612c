"""A job whose input does not fit its model is refused by a node that holds the input (R10)."""

import msgspec
import pytest

from primitives.content import content_id
from primitives.reasons import Reason
from testnet.kit.ledger_builders import OUTPUTS, a_bundle, a_submission, publish
from tests.node.rpc.served import Node

FITS = a_bundle(b"x", [0.0] * OUTPUTS)


def a_job_on(node: Node, held: bytes) -> str:
    publish(node.chain.world)
    order = msgspec.structs.replace(a_submission(), input=content_id(held))
    return node.chain.world.sign("client", order).hex()


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (a_bundle(b"y", [0.0] * OUTPUTS), Reason.INPUT_WRONG_NAME),
        (a_bundle(b"x", [0.0] * (OUTPUTS + 1)), Reason.INPUT_WRONG_SHAPE),
        (b"no bundle", Reason.MALFORMED),
    ],
)
async def test_an_input_that_is_held_and_does_not_fit_is_refused(node: Node, held: bytes, reason: Reason) -> None:
    await node.blobs.put(held)
    raw = a_job_on(node, held)
    for method in ("tx.check", "tx.submit"):
        assert (await node.refusal(method, raw=raw))["data"]["reason"] == reason


async def test_an_input_that_fits_or_is_not_held_is_no_reason_to_refuse(node: Node) -> None:
    raw = a_job_on(node, FITS)
    assert (await node.call("tx.check", raw=raw))["ok"]
    await node.blobs.put(FITS)
    assert (await node.call("tx.check", raw=raw))["ok"]
    await node.call("tx.submit", raw=raw)
