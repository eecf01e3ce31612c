"""The method by which a worker's operator plants a canary (R16)."""

from node.rpc.method import AddressText, HexHash, Method, Shape
from node.rpc.services import Services
from node.rpc.views import Views
from primitives.address import parse_address
from primitives.reasons import Reason, Refused


class CanaryClient(Shape):
    """Who will submit the job."""

    client: AddressText


class CanaryShape(Shape):
    """What the submission has to say."""

    canary: HexHash
    provider: AddressText
    """The worker of this node."""


async def canary_plant(services: Services, params: CanaryClient) -> CanaryShape:
    """Keep a new secret for a job that this node's worker will provide wrongly on purpose, and confess to."""
    if services.canaries is None:
        raise Refused(Reason.NOT_A_WORKER, wanted="a node with the role of a worker")
    prefix = services.chain.genesis.prefix
    canary = services.canaries.plant(parse_address(params.client, prefix))
    return CanaryShape(canary=canary.hex(), provider=Views(prefix).address(services.canaries.address))


METHODS = (Method(name="canary.plant", params=CanaryClient, result=CanaryShape, answer=canary_plant, is_admin=True),)
