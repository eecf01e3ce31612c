"""The Blobs port in memory: each node holds what it holds, and fetches from the others by name."""

from collections.abc import Sequence

import trio

from primitives.content import ContentId, Slice, content_id, cut_slice, leaf_count, tree_of
from primitives.reasons import Reason, Refused


class FakeBlobs:
    """One node's content; `others` are the nodes that it can ask, itself included or not."""

    def __init__(self, others: Sequence["FakeBlobs"] = ()) -> None:
        self.others = others
        self.held: dict[bytes, bytes] = {}
        """By root."""
        self.hinted: list[bytes] = []
        """Every hint that a fetch was given."""

    def has(self, content: ContentId) -> bool:
        """Tell whether this node holds `content`."""
        return len(self.held.get(content.root, b"")) == content.length and content.root in self.held

    async def put(self, raw: bytes) -> ContentId:
        """Keep `raw` and return its id."""
        await trio.lowlevel.checkpoint()
        content = content_id(raw)
        self.held[content.root] = raw
        return content

    async def get(self, content: ContentId) -> bytes | None:
        """Return content that this node holds."""
        await trio.lowlevel.checkpoint()
        return self.held.get(content.root) if self.has(content) else None

    async def slice(self, content: ContentId, start: int, count: int) -> Slice | None:
        """Return leaves of content that this node holds, with their proof."""
        await trio.lowlevel.checkpoint()
        if not self.has(content) or start >= leaf_count(content.length):
            return None
        raw = self.held[content.root]
        return cut_slice(raw, tree_of(raw), start, count)

    async def fetch(self, content: ContentId, *, hints: Sequence[bytes] = ()) -> bytes:
        """Return content, from here or from the others. Raises Refused CONTENT_NOT_FOUND."""
        self.hinted += hints
        for node in (self, *self.others):
            raw = await node.get(content)
            if raw is not None:
                return await self._keep(raw)
        raise Refused(Reason.CONTENT_NOT_FOUND, root=content.root, length=content.length)

    async def _keep(self, raw: bytes) -> bytes:
        await self.put(raw)
        return raw
