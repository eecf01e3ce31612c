"""The validators of an epoch, and which node stands behind each index."""

from collections.abc import Collection, Sequence

from consensus.validators import Instance


class Committee:
    """An instance of consensus with the nodes that take part, by index."""

    def __init__(self, instance: Instance, nodes: Sequence[int]) -> None:
        self.instance = instance
        self.nodes = tuple(nodes)
        self._index_of = {node: index for index, node in enumerate(nodes)}

    @property
    def epoch(self) -> int:
        """Return the epoch's number."""
        return self.instance.epoch

    def index(self, node: int) -> int | None:
        """Return a node's index, None if it is no validator of the epoch."""
        return self._index_of.get(node)

    def weight(self, nodes: Collection[int]) -> int:
        """Return what some nodes weigh together."""
        weights = self.instance.validators.weights
        return sum(weights[self._index_of[node]] for node in nodes if node in self._index_of)

    def is_quorum(self, nodes: Collection[int]) -> bool:
        """Tell whether some nodes weigh more than two thirds, counted apart from the product's own rule."""
        return 3 * self.weight(nodes) > 2 * sum(self.instance.validators.weights)
