"""The lines between the nodes of one machine, as a program: TCP that can be cut, held up one way, or slowed down.

`python -m testnet.chaos.links` reads a list of `Line` as JSON from its first line of input, says `ready`, and then
obeys one `Order` a line, answering `done`. It ends with its input.

A line that is cut closes its connections at once and refuses new ones. A direction that is held takes nothing on while
the other one flows, as when a router loses one route; what waits in it arrives when it is let go.
"""

import os
import sys
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import trio

CHUNK_BYTES = 16_384
ON_THE_WAY_MAX = 64
"""Chunks of one direction that are delayed at once; beyond that the sender feels the pressure."""
DIAL_S = 5.0
LINE_BYTES_MAX = 1 << 20
_MS_PER_S = 1_000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Who dials whom, where, and where the other really listens."""

    dialler: str
    target: str
    listen_port: int
    target_port: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How it is from now on from one node to another."""

    sender: str
    receiver: str
    cut: bool = False
    """Of both directions: a connection has no single one."""
    held: bool = False
    delay_ms: int = 0
    bytes_per_s: int = 0
    """0: no limit."""


class _Flow:
    """One direction of a line."""

    def __init__(self) -> None:
        self.order = Order(sender="", receiver="")
        self.changed = trio.Event()

    def set(self, order: Order) -> None:
        self.order = order
        self.changed.set()
        self.changed = trio.Event()

    async def let_go(self) -> None:
        while self.order.held:
            await self.changed.wait()


class _Wire:
    """A line with its connections."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.flows = {(line.dialler, line.target): _Flow(), (line.target, line.dialler): _Flow()}
        self._connections: dict[trio.CancelScope, None] = {}

    @property
    def is_cut(self) -> bool:
        return any(flow.order.cut for flow in self.flows.values())

    def obey(self, order: Order) -> None:
        self.flows[order.sender, order.receiver].set(order)
        if self.is_cut:
            for scope in self._connections:
                scope.cancel()

    async def serve(self, dialled: trio.SocketStream) -> None:
        """Carry one connection until either side ends it or the line is cut."""
        scope = trio.CancelScope()
        self._connections[scope] = None
        try:
            async with dialled:
                with scope:
                    if not self.is_cut:
                        await self._carry(dialled)
        finally:
            del self._connections[scope]

    async def _carry(self, dialled: trio.SocketStream) -> None:
        try:
            with trio.fail_after(DIAL_S):
                target = await trio.open_tcp_stream("127.0.0.1", self.line.target_port)
        except (OSError, trio.TooSlowError):
            return
        names = (self.line.dialler, self.line.target)
        async with target, trio.open_nursery() as nursery:
            nursery.start_soon(_flow, dialled, target, self.flows[names], nursery.cancel_scope)
            nursery.start_soon(_flow, target, dialled, self.flows[names[::-1]], nursery.cancel_scope)


async def _flow(source: trio.SocketStream, sink: trio.SocketStream, flow: _Flow, connection: trio.CancelScope) -> None:
    """Carry one direction; its end is the end of the connection."""
    enter, leave = trio.open_memory_channel[tuple[float, bytes]](ON_THE_WAY_MAX)

    async def take() -> None:
        async with enter:
            while chunk := bytes(await source.receive_some(CHUNK_BYTES)):
                await enter.send((trio.current_time() + flow.order.delay_ms / _MS_PER_S, chunk))

    async def give() -> None:
        async for due, chunk in leave:
            await trio.sleep_until(due)
            await flow.let_go()
            await sink.send_all(chunk)
            if flow.order.bytes_per_s:
                await trio.sleep(len(chunk) / flow.order.bytes_per_s)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            nursery.start_soon(give)
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # whoever lives on sees its end closed
    connection.cancel()


async def _run() -> None:
    """Carry all lines and obey orders until the input ends."""
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as commands:
        told = _lines(commands)
        wires = [_Wire(line) for line in msgspec.json.decode(await anext(told), type=list[Line])]
        for wire in wires:
            listeners = await trio.open_tcp_listeners(wire.line.listen_port, host="127.0.0.1")
            nursery.start_soon(partial(trio.serve_listeners, wire.serve, listeners))
        _say("ready")
        async for raw in told:
            order = msgspec.json.decode(raw, type=Order)
            for wire in wires:
                if (order.sender, order.receiver) in wire.flows:
                    wire.obey(order)
            _say("done")
        nursery.cancel_scope.cancel()


async def _lines(stream: trio.lowlevel.FdStream) -> AsyncIterator[bytes]:
    buffer = b""
    async for chunk in stream:
        buffer += bytes(chunk)
        *whole, buffer = buffer.split(b"\n")
        for line in whole:
            yield line
        if len(buffer) > LINE_BYTES_MAX:
            return


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run(_run)
