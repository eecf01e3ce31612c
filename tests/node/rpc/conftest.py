from collections.abc import AsyncIterator

import pytest

from tests.node.rpc.served import Node, served_rpc


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with served_rpc() as served:
        yield served
