"""The API over HTTP on loopback: JSON-RPC at `/`, content at `/blob` (R1)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from node.rpc.admin_socket import UMASK, short_path
from node.rpc.dispatch import BODY_BYTES_MAX, Dispatcher
from node.rpc.failure import REFUSED, error_object
from node.rpc.services import Services
from node.rpc.table import METHODS
from primitives.content import ContentId
from primitives.limits import CONTENT_BYTES_MAX
from primitives.reasons import Reason, Refused

REQUESTS_MAX = 32
"""Requests answered at once; more wait. Each is short, apart from content."""
UPLOADS_MAX = 2
"""Contents taken in at once: each is in memory whole, up to 256 MiB."""
UPLOAD_S = 60.0
"""For one of them: a local program needs a second; one that stalls must not keep others out for ever."""
EXCESS_BYTES_MAX = 1 << 20
"""Read and thrown away behind a body's limit: a client that is still sending would not see why it was refused."""
KEEP_ALIVE_S = 60
GRACE_S = 0.2
"""For answers under way when the node ends."""
FETCH_S = 60.0
"""For content that must come from peers first."""
ROOT_HEX_CHARS = 64
LENGTH_DIGITS_MAX = 12
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
PAGE_HEADERS = ("origin", "sec-fetch-site")
"""What browsers add for a page; an image or a link carries the second alone."""

OK, NO_CONTENT, FORBIDDEN, NOT_FOUND, TOO_LARGE, BAD_REQUEST, BUSY = 200, 204, 403, 404, 413, 400, 503
_STATUS = {
    Reason.TOO_LARGE: TOO_LARGE,
    Reason.CONTENT_NOT_FOUND: NOT_FOUND,
    Reason.STORE_FULL: 507,
    Reason.BUSY: BUSY,
}

Answer = Callable[[Request], Awaitable[Response]]


class Api:
    """The routes over one node's services."""

    def __init__(self, services: Services, *, is_admin: bool = False) -> None:
        self._services = services
        self._prefix = services.chain.genesis.prefix
        methods = tuple(method for method in METHODS if is_admin or not method.is_admin)  # R12
        self._dispatcher = Dispatcher(methods, services)
        self._requests = trio.CapacityLimiter(REQUESTS_MAX)
        self._uploads = trio.CapacityLimiter(UPLOADS_MAX)

    def app(self) -> Starlette:
        """Return the application for a server."""
        return Starlette(
            routes=[
                Route("/", self._guarded(self._rpc), methods=["POST"]),
                Route("/blob", self._guarded(self._put_blob), methods=["PUT"]),
                Route("/blob/{root}/{length}", self._guarded(self._get_blob), methods=["GET", "HEAD"]),
            ]
        )

    def _guarded(self, answer: Answer) -> Answer:
        """Return `answer` for local programs only, its refusals told as JSON."""

        async def guarded(request: Request) -> Response:
            try:
                _check_local(request)
                return await answer(request)
            except Refused as refused:
                status = (
                    FORBIDDEN
                    if refused.reason is Reason.REQUEST_NOT_LOCAL
                    else _STATUS.get(refused.reason, BAD_REQUEST)
                )
                return _json({"error": error_object(REFUSED, refused, prefix=self._prefix)}, status=status)
            except ClientDisconnect:
                return Response(status_code=BAD_REQUEST)  # nobody reads it

        return guarded

    async def _rpc(self, request: Request) -> Response:
        body = await _body(request, BODY_BYTES_MAX)
        async with self._requests:
            answer = await self._dispatcher.answer(body)
        if answer is None:
            return Response(status_code=NO_CONTENT)
        return Response(answer, media_type="application/json")

    async def _put_blob(self, request: Request) -> Response:
        """Keep the body (R8)."""
        raw = None
        async with self._uploads:
            with trio.move_on_after(UPLOAD_S):
                raw = await _body(request, CONTENT_BYTES_MAX)
            if raw is None:
                raise Refused(Reason.BUSY, what="an upload that stalled", waited_s=int(UPLOAD_S))
            content = await self._services.blobs.put(raw)
        return _json({"root": content.root.hex(), "length": content.length}, status=OK)

    async def _get_blob(self, request: Request) -> Response:
        """Return content, from here or from peers; to HEAD, that it is here now (R9)."""
        content = _content_id(request.path_params["root"], request.path_params["length"])
        raw = None
        with trio.move_on_after(FETCH_S):
            raw = await self._services.blobs.fetch(content)
        if raw is None:
            raise Refused(Reason.CONTENT_NOT_FOUND, root=content.root, length=content.length, waited_s=int(FETCH_S))
        return Response(b"" if request.method == "HEAD" else raw, media_type="application/octet-stream")


@asynccontextmanager
async def open_rpc(services: Services, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve while the block lasts; gives the address (`host:port`), which tells the port that 0 took."""
    config = _config(f"{host}:{port}")
    async with trio.open_nursery() as nursery:
        binds: list[str] = await nursery.start(serve, Api(services).app(), config)
        try:
            yield binds[0].removeprefix("http://")
        finally:
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_admin(services: Services, path: Path) -> AsyncIterator[None]:
    """Serve all methods, those of the node's owner too, over a socket at `path` while the block lasts (R12)."""
    with short_path(path) as name:
        config = _config(f"unix:{name}")
        config.umask = UMASK
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, Api(services, is_admin=True).app(), config)
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()
                _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _config(bind: str) -> Config:
    config = Config()
    config.bind = [bind]
    config.accesslog = None
    config.errorlog = None
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = GRACE_S
    return config


def _check_local(request: Request) -> None:
    """Raise Refused unless a program on this machine asks; a web page may not, under whatever name (R7)."""
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name not in LOOPBACK_NAMES or any(each in request.headers for each in PAGE_HEADERS):
        raise Refused(Reason.REQUEST_NOT_LOCAL, seen=host[:100], wanted="127.0.0.1, from no web page")


async def _body(request: Request, at_most: int) -> bytes:
    """Return the body; raises Refused TOO_LARGE if it is too long, of which only a little is read."""
    body = bytearray()
    length = 0
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            length += len(chunk)
            if length <= at_most:
                body += chunk
            elif length > at_most + EXCESS_BYTES_MAX:
                break
    if length > at_most:
        raise Refused(Reason.TOO_LARGE, seen=length, wanted=at_most)
    return bytes(body)


def _content_id(root: str, length: str) -> ContentId:
    is_root = len(root) == ROOT_HEX_CHARS and all(c in "0123456789abcdef" for c in root)
    if not is_root or not length.isascii() or not length.isdecimal() or len(length) > LENGTH_DIGITS_MAX:
        raise Refused(Reason.REQUEST_INVALID, seen=f"/blob/{root[:80]}/{length[:20]}", wanted="/blob/ROOT/LENGTH")
    return ContentId(root=bytes.fromhex(root), length=int(length))


def _json(value: object, *, status: int) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")
