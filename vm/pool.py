"""Sandboxes in a pool: started when needed, fed one job at a time, killed by the clock, never left behind."""

import contextlib
import os
import subprocess
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from primitives import codec
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from vm import launcher
from vm.dispute_protocol import Asked, BytesTold, PartsTold, TraceTold, WorstTold
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import MODEL_BYTES_MAX, Class, Ratio, told_shape
from vm.sandbox_protocol import (
    LENGTH_BYTES,
    REPLY_BYTES_MAX,
    Ask,
    Check,
    Checked,
    Execute,
    Executed,
    Failed,
    Layer,
    Loaded,
    Optimisation,
    Prepare,
    Reply,
    Request,
    Settings,
    Started,
    Tail,
    TailGiven,
    Trace,
    Traced,
    body_length,
    frame,
    refused,
)
from vm.tensor import BUNDLE_BYTES_MAX, BUNDLE_TENSORS_MAX, DIMENSION_MAX, RANK_MAX

JOBS_MAX = 1000
"""Jobs after which a sandbox is replaced, so that what a run leaks does not add up."""
START_LIMIT_S = 30
"""Importing the engine takes 0.5 s on an idle machine; a loaded one may need far longer."""
CRASH_GRACE_S = 0.5
"""How long a sandbox whose pipe has closed may take to end by itself, so that its own status can be told."""
PROVED_MAX = 1024
"""Models whose native values are known to be good here, by 32 bytes each."""
ASK_TIMES = 2
"""What a question of a dispute may take, in limits of a run: every result is hashed, too."""
WAITING_MAX = 64
"""Callers that may wait for a sandbox with an offer; of what is owed there is no more than a worker has slots."""
_READ_BYTES = 64 * 1024

_Wanted = TypeVar(
    "_Wanted", Started, Loaded, Checked, Executed, TailGiven, Traced, TraceTold, PartsTold, BytesTold, WorstTold
)

LoadModel = Callable[[], Awaitable[bytes]]
"""Fetches a model's file; asked only when no sandbox has it loaded."""


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """How many sandboxes, and how each is set up."""

    size: int = 1
    threads: int = 1
    optimisation: Optimisation = Optimisation.ALL
    wall_limit_s: float = 60
    """For one request: loading a model counts separately from running it."""
    patience_s: float = 5
    """How long what is owed waits for a sandbox before what is only offered is ended."""
    memory_limit_bytes: int = 2 * 1024**3
    """Address space of a sandbox: 0.2 GiB for the engine, five times the model while it loads, the rest for runs."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run gave: encoded bundles of the values at the cut and of the outputs, and the time in the engine."""

    cut: bytes
    outputs: bytes
    wall_ms: int


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model as a job takes it: the id of the model, the binding, the class, and where the file comes from."""

    model: bytes
    """32 bytes."""
    shapes: Sequence[Sequence[int]]
    class_: Class
    load: LoadModel
    tolerance: Ratio = TOLERANCE_LEAST
    """Of the lowering: in class native how noisy its publisher's samples were."""
    limit_s: float | None = None
    """What a run may take, if that is less than the pool allows any."""

    @property
    def key(self) -> bytes:
        """Name the session, 32 bytes."""
        return tagged("assay/session", self.model, codec.encode([[list(each) for each in self.shapes], self.class_]))


@dataclass(eq=False, kw_only=True)
class _Sandbox:
    """One sandbox process and its pipes."""

    process: subprocess.Popen[bytes]
    requests: trio.lowlevel.FdStream
    replies: trio.lowlevel.FdStream
    layers: tuple[Layer, ...] = ()
    deviating: tuple[str, ...] = ()
    compiled: bool = False
    jobs: int = 0
    loaded: list[bytes] = field(default_factory=list)
    """Keys of the models that it surely has ready."""
    sound: bool = True
    """Whether it has answered all that it was asked, and without a trap."""
    unread: bytearray = field(default_factory=bytearray)

    async def receive(self) -> Reply:
        """Return the next reply. Raises Refused if it is not one, and BrokenResourceError if the sandbox has ended."""
        head = await self._exactly(LENGTH_BYTES)
        body = await self._exactly(body_length(head, at_most=REPLY_BYTES_MAX))
        reply: Reply = codec.decode(Reply, body, at_most=REPLY_BYTES_MAX)  # type: ignore[arg-type]  # a union has no type[T]
        return reply

    async def _exactly(self, count: int) -> bytes:
        while len(self.unread) < count:
            more = await self.replies.receive_some(_READ_BYTES)
            if not more:
                raise trio.BrokenResourceError
            self.unread += more
        taken = bytes(self.unread[:count])
        del self.unread[:count]
        return taken

    async def end(self, *, grace_s: float = 0) -> int:
        """Kill the process, reap it, and return its status; safe to call twice, and while being cancelled."""
        with trio.CancelScope(shield=True):
            with contextlib.suppress(subprocess.TimeoutExpired):
                await trio.to_thread.run_sync(self.process.wait, grace_s)
            self.process.kill()
            await self.requests.aclose()
            await self.replies.aclose()
            return await trio.to_thread.run_sync(self.process.wait)


class Pool:
    """Sandboxes that run and judge models; made by `open_pool`, started when they are first needed (V70)."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        self._slots = trio.CapacityLimiter(config.size)
        self._idle: list[_Sandbox] = []
        self._closed = False
        self._offers: list[trio.CancelScope] = []
        """Requests that have a sandbox, or wait for one, and may be ended for what is owed."""
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        """Native sessions whose values have been held against the canonical run on this machine (V107)."""

    async def check(
        self,
        model: bytes,
        *,
        shapes: Sequence[Sequence[int]] = (),
        samples: Sequence[bytes] = (),
        calibrate: bool = True,
        offered: bool = False,
    ) -> Checked:
        """Judge a model for inputs of these shapes, calibrating it on samples: encoded bundles of such inputs.

        Without shapes those of the samples count, or 1 for each free dimension. What stands against a model is told
        in the answer. Raises Refused 5xx only for a file that can't be read, or a sample that is not one; 6xx if a
        run fails; BUSY for what is offered, if something that is owed takes its place.
        """
        _check_sizes(model, sum(len(each) for each in samples))
        _check_shapes(shapes)
        request = Check(model=model, shapes=[list(each) for each in shapes], samples=list(samples), calibrate=calibrate)
        async with self._sandbox(b"", offered=offered) as sandbox:
            sandbox.loaded = []  # loaded models make room for the one that is judged
            return await self._ask(sandbox, request, Checked)

    async def execute(self, subject: Subject, bundle: bytes, *, offered: bool = False) -> RunResult:
        """Run a model on an encoded input bundle: natively with a canonical tail, or canonically in class exact.

        Raises Refused: 5xx for model or input, 6xx for the run, BUSY as `check` does.
        """
        _check_sizes(b"", len(bundle))
        async with self._prepared(subject, offered=offered) as sandbox:
            new = subject.class_ is Class.NATIVE and subject.key not in self._proved
            prove = subject.tolerance if new else None
            request = Execute(key=subject.key, bundle=bundle, prove=prove)
            reply = await self._ask(sandbox, request, Executed, limit_s=subject.limit_s)
            if prove:
                self._proved[subject.key] = None
            while len(self._proved) > PROVED_MAX:
                self._proved.popitem(last=False)
        return RunResult(cut=reply.cut, outputs=reply.outputs, wall_ms=reply.wall_ms)

    async def tail(self, subject: Subject, bundle: bytes, cut: bytes) -> bytes:
        """Return the encoded bundle of outputs that follow from somebody's values at the cut, on this job's input.

        Raises Refused as `execute` does; MALFORMED or WRONG_SHAPE for a cut that is not the model's.
        """
        _check_sizes(b"", len(bundle))
        async with self._prepared(subject) as sandbox:
            return (await self._ask(sandbox, Tail(key=subject.key, bundle=bundle, cut=cut), TailGiven)).outputs

    async def trace(self, subject: Subject, bundle: bytes, *, first: int = 0, count: int = 0) -> Traced:
        """Return the root of the canonical trace on this input, and `count` of its roots from `first` on.

        Raises Refused as `execute` does.
        """
        _check_sizes(b"", len(bundle))
        async with self._prepared(subject) as sandbox:
            return await self._ask(sandbox, Trace(key=subject.key, bundle=bundle, first=first, count=count), Traced)

    async def ask(
        self, subject: Subject, bundle: bytes, asked: Asked, told: type[_Wanted], *, cut: bytes | None = None
    ) -> _Wanted:
        """Return the answer, of its kind, to a question about a job's runs, or the tail of values at the `cut` (V137).

        Raises Refused as `execute` does; MALFORMED for what is not there, and for a bundle of another length.
        """
        _check_sizes(b"", len(bundle))
        async with self._prepared(subject) as sandbox:
            request = Ask(key=subject.key, bundle=bundle, cut=cut, tolerance=subject.tolerance, asked=asked)
            limit_s = None if subject.limit_s is None else ASK_TIMES * subject.limit_s
            return await self._ask(sandbox, request, told, limit_s=limit_s)

    @contextlib.asynccontextmanager
    async def _prepared(self, subject: Subject, *, offered: bool = False) -> AsyncIterator[_Sandbox]:
        """Lend a sandbox that has the model ready; the file is loaded only if none has."""
        async with self._sandbox(subject.key, offered=offered) as sandbox:
            if subject.key not in sandbox.loaded:
                model = await subject.load()
                _check_sizes(model, 0)
                shapes = [list(each) for each in subject.shapes]
                request = Prepare(key=subject.key, model=model, shapes=shapes, class_=subject.class_)
                sandbox.loaded = []  # others make room even for a model that then fails to load
                sandbox.loaded = (await self._ask(sandbox, request, Loaded)).keys
            yield sandbox

    async def deviating(self) -> tuple[str, ...]:
        """Return the known-answer tests that this machine fails; none, if it may take duties (V109)."""
        async with self._sandbox(b"", duty=False) as sandbox:
            return sandbox.deviating

    async def compiled(self) -> bool:
        """Tell whether canonical runs have compiled kernels on this machine."""
        async with self._sandbox(b"", duty=False) as sandbox:
            return sandbox.compiled

    async def layers(self) -> tuple[Layer, ...]:
        """Return the layers that this machine's kernel grants, as a sandbox of this pool reports them."""
        async with self._sandbox(b"", duty=False) as sandbox:
            return sandbox.layers

    @contextlib.asynccontextmanager
    async def _sandbox(self, key: bytes, *, duty: bool = True, offered: bool = False) -> AsyncIterator[_Sandbox]:
        """Lend a sandbox, one that has `key` loaded if any is free; it is ended if anything goes wrong (V73).

        Raises Refused KNOWN_ANSWERS_WRONG for a duty on a machine that computes otherwise than others (V109).
        """
        if offered and self._slots.statistics().tasks_waiting >= WAITING_MAX:
            raise Refused(Reason.BUSY, what="sandboxes", seen=WAITING_MAX)
        async with self._slot(offered=offered):
            sandbox = await self._take(key) or await self._start()
            try:
                if duty and sandbox.deviating:
                    raise Refused(Reason.KNOWN_ANSWERS_WRONG, seen=", ".join(sandbox.deviating))
                yield sandbox
            finally:
                sandbox.jobs += 1
                if sandbox.sound and sandbox.jobs < JOBS_MAX and not self._closed:
                    self._idle.append(sandbox)
                else:
                    await sandbox.end()

    @contextlib.asynccontextmanager
    async def _slot(self, *, offered: bool) -> AsyncIterator[None]:
        """Hold a place for one sandbox; what is owed does not wait long for what is only offered (D14).

        Raises Refused BUSY for an offer that is ended.
        """
        if not offered:
            await self._acquire()
            try:
                yield
            finally:
                self._slots.release()
            return
        with trio.CancelScope() as scope:
            self._offers.append(scope)
            try:
                async with self._slots:
                    yield
            finally:
                self._offers.remove(scope)
        if scope.cancelled_caught:
            raise Refused(Reason.BUSY, what="sandboxes", wanted="one that nothing owed needs")

    async def _acquire(self) -> None:
        """Take a place; after a while of waiting, end all offers for it."""
        with trio.move_on_after(self._config.patience_s) as waiting:
            await self._slots.acquire()
        if waiting.cancelled_caught:
            for each in self._offers:
                each.cancel()
            await self._slots.acquire()

    async def _take(self, key: bytes) -> _Sandbox | None:
        """Return a free sandbox, those with `key` loaded first; one that has died meanwhile is no job's failure."""
        while self._idle:
            sandbox = next((each for each in self._idle if key in each.loaded), self._idle[0])
            self._idle.remove(sandbox)
            if sandbox.process.poll() is None:
                return sandbox
            await sandbox.end()
        return None

    async def _start(self) -> _Sandbox:
        config = self._config
        settings = Settings(
            threads=config.threads,
            optimisation=config.optimisation,
            memory_bytes=config.memory_limit_bytes,
            parent=os.getpid(),
        )
        started = launcher.start(launcher.SANDBOX, settings)
        sandbox = _Sandbox(
            process=started.process,
            requests=trio.lowlevel.FdStream(started.requests),
            replies=trio.lowlevel.FdStream(started.replies),
        )
        try:
            told = await self._ask(sandbox, None, Started)
            sandbox.layers = tuple(told.layers)
            sandbox.deviating = tuple(each.decode(errors="replace") for each in told.deviating)
            sandbox.compiled = told.compiled
        finally:
            if not sandbox.sound:
                await sandbox.end()
        return sandbox

    async def _ask(
        self, sandbox: _Sandbox, request: Request | None, wanted: type[_Wanted], *, limit_s: float | None = None
    ) -> _Wanted:
        """Return the reply to a request, of the kind that is wanted. Raises Refused."""
        sandbox.sound = False
        wall_limit_s = START_LIMIT_S if request is None else self._config.wall_limit_s
        if isinstance(request, Ask):
            wall_limit_s *= ASK_TIMES
        reply = await self._exchange(sandbox, request, min(limit_s or wall_limit_s, wall_limit_s))
        if isinstance(reply, Failed):
            sandbox.sound = reply.reason < Reason.RUN_TIME_LIMIT  # a 5xx is an answer; a 6xx may leave damage behind
            raise refused(reply)
        if not isinstance(reply, wanted):  # it may be anybody's by now
            raise Refused(Reason.RUN_CRASHED, seen=type(reply).__name__, wanted=wanted.__name__)
        sandbox.sound = True
        return reply

    async def _exchange(self, sandbox: _Sandbox, request: Request | None, limit_s: float) -> Reply:
        """Send a request, return the reply. Raises Refused RUN_TIME_LIMIT, or RUN_CRASHED with how it ended (V72)."""
        try:
            with trio.fail_after(limit_s):
                if request is not None:
                    await sandbox.requests.send_all(frame(request))
                return await sandbox.receive()
        except trio.TooSlowError:
            raise Refused(Reason.RUN_TIME_LIMIT, limit_ms=round(limit_s * 1000)) from None
        except (trio.BrokenResourceError, Refused):
            status = await sandbox.end(grace_s=CRASH_GRACE_S)
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise Refused(Reason.RUN_CRASHED, seen=how) from None

    async def aclose(self) -> None:
        """End every sandbox that is not in use, and every other one when it is given back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().end()


def _check_shapes(shapes: Sequence[Sequence[int]]) -> None:
    """Refuse shapes that no request can carry: a sandbox can read no part of such a one, and ends."""
    fit = all(len(shape) <= RANK_MAX and all(0 <= size <= DIMENSION_MAX for size in shape) for shape in shapes)
    if len(shapes) > BUNDLE_TENSORS_MAX or not fit:
        seen = " ".join(told_shape(list(shape)) for shape in shapes[: BUNDLE_TENSORS_MAX + 1])
        wanted = f"at most {BUNDLE_TENSORS_MAX} inputs, of rank {RANK_MAX} and sizes up to {DIMENSION_MAX}"
        raise Refused(Reason.INPUT_WRONG_SHAPE, what="binding", seen=seen, wanted=wanted)


def _check_sizes(model: bytes, input_bytes: int) -> None:
    if len(model) > MODEL_BYTES_MAX:
        raise Refused(Reason.MODEL_TOO_LARGE, seen=len(model), wanted=MODEL_BYTES_MAX)
    if input_bytes > BUNDLE_BYTES_MAX:
        raise Refused(Reason.INPUT_TOO_LARGE, seen=input_bytes, wanted=BUNDLE_BYTES_MAX)


@contextlib.asynccontextmanager
async def open_pool(config: PoolConfig) -> AsyncIterator[Pool]:
    """Open a pool; it costs nothing until it is used, and leaves no process behind (V74)."""
    pool = Pool(config)
    try:
        yield pool
    finally:
        await pool.aclose()


def run_once(config: PoolConfig, subject: Subject, bundle: bytes) -> RunResult:
    """Run one model in a sandbox of its own, for a program that runs no loop. Raises Refused as `execute` does."""

    async def once() -> RunResult:
        async with open_pool(config) as pool:
            return await pool.execute(subject, bundle)

    return trio.run(once)


def check_once(
    config: PoolConfig,
    model: bytes,
    *,
    shapes: Sequence[Sequence[int]] = (),
    samples: Sequence[bytes] = (),
    calibrate: bool = True,
) -> Checked:
    """Judge one model in a sandbox of its own, for a program that runs no loop. Raises Refused as `check` does."""

    async def once() -> Checked:
        async with open_pool(config) as pool:
            return await pool.check(model, shapes=shapes, samples=samples, calibrate=calibrate)

    return trio.run(once)


def probe_once(config: PoolConfig) -> tuple[tuple[Layer, ...], tuple[str, ...], bool]:
    """Return what holds a sandbox here, the known answers that it gets wrong, and whether kernels are compiled.

    Raises Refused if none starts.
    """

    async def once() -> tuple[tuple[Layer, ...], tuple[str, ...], bool]:
        async with open_pool(config) as pool:
            return await pool.layers(), await pool.deviating(), await pool.compiled()

    return trio.run(once)
