"""The sandbox program: seals itself, says how, then answers one request at a time until its input ends (V30, V40)."""

import os
import sys
from typing import assert_never

from primitives import codec
from primitives.reasons import Reason, Refused
from vm.sandbox import seal
from vm.sandbox_protocol import (
    DEVIATING_MAX,
    FACT_CHARS_MAX,
    LENGTH_BYTES,
    REQUEST_BYTES_MAX,
    Ask,
    Check,
    Execute,
    Prepare,
    Reply,
    Request,
    Settings,
    Started,
    Tail,
    Trace,
    body_length,
    failed,
    frame,
)

_SETTINGS_BYTES_MAX = 64
_PIECE_BYTES = 1024 * 1024


def main(argument: str) -> None:
    """Serve requests on standard input until it ends."""
    settings = codec.decode(Settings, bytes.fromhex(argument), at_most=_SETTINGS_BYTES_MAX)
    # The kernel refuses a user namespace to a process with threads, and the engine starts some when it is imported.
    held = seal.enter_namespaces()
    from vm import compiled  # noqa: PLC0415 - see above
    from vm.canonical import fast, known_answers  # noqa: PLC0415 - see above
    from vm.sandbox.engine import Engine, warm_up  # noqa: PLC0415 - see above

    # Replies get a descriptor of their own, so that a line printed by the engine can't be taken for one.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    library = compiled.load()
    if library is not None and known_answers.check(fast.each_alone(library)):
        library = None  # the definitions themselves may still be right here
    warm_up(settings, library)
    engine = Engine(settings, library)
    deviating = [each.encode()[:FACT_CHARS_MAX] for each in known_answers.check()[:DEVIATING_MAX]]  # V109
    layers = seal.close_behind(held, settings=settings)
    replies.write(frame(Started(layers=layers, deviating=deviating, compiled=library is not None)))
    replies.flush()

    def answer(request: Request) -> Reply:
        match request:
            case Check():
                return engine.check(request)
            case Prepare():
                return engine.prepare(request)
            case Execute():
                return engine.execute(request)
            case Tail():
                return engine.tail(request)
            case Trace():
                return engine.trace(request)
            case Ask():
                return engine.ask(request)
            case _:
                assert_never(request)

    while (length := _length()) is not None:
        try:
            reply = answer(_request(length))
        except Refused as fault:
            reply = failed(fault)
        except MemoryError:
            reply = failed(Refused(Reason.RUN_MEMORY_LIMIT, wanted=settings.memory_bytes))
        replies.write(frame(reply))
        replies.flush()


def _length() -> int | None:
    """Return the length of the next request, or None if there is none."""
    head = sys.stdin.buffer.read(LENGTH_BYTES)
    return body_length(head, at_most=REQUEST_BYTES_MAX) if len(head) == LENGTH_BYTES else None


def _request(length: int) -> Request:
    """Return the next request. Raises MemoryError with all of it read, so that the one after it can be."""
    source, left = sys.stdin.buffer, length
    try:
        body = bytearray(length)
        view = memoryview(body)
        while left:
            piece = source.read(min(left, _PIECE_BYTES))
            if not piece:
                raise SystemExit(0)  # the pool has gone
            view[length - left : length - left + len(piece)] = piece
            left -= len(piece)
    except MemoryError:
        while left and (piece := source.read(min(left, _PIECE_BYTES))):
            left -= len(piece)
        raise
    request: Request = codec.decode(Request, body, at_most=REQUEST_BYTES_MAX)  # type: ignore[arg-type]  # a union has no type[T]
    return request


main(sys.argv[1])
