"""Recounts all money from the blocks of one node, and asks all: `python -m testnet.audit.recount GENESIS URL...`.

The first node gives the raw blocks. Every node's balances must be those of the books, in which no grain is ever made or
lost. Status 0: they are; 1: they are not; 3: the chain holds what this program has no rules for. Of the product it uses
the way in which addresses are written, and the referee.
"""

import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from primitives.address import address_text
from testnet.audit.books import Books
from testnet.audit.rules import BeyondError, WrongError

WRONG, BEYOND = 1, 3
ANSWER_S = 30.0
ANSWER_BYTES_MAX = 64 << 20
GENESIS_BYTES_MAX = 64 << 20
TRIES = 10
"""Rounds in which balances may still move, because transactions become final meanwhile."""


class Node:
    """A node, asked over one connection that is kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = HTTPConnection(url.removeprefix("http://"), timeout=ANSWER_S)

    def ask(self, method: str, **params: object) -> Any:  # noqa: ANN401  # whatever JSON holds
        """Return the node's answer; raises WrongError for a refusal."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        told = json.loads(self._connection.getresponse().read(ANSWER_BYTES_MAX))
        if "error" in told:
            raise WrongError(f"{self.url} {method}: {told['error']['message']}")
        return told["result"]


def recount(genesis: dict[str, Any], nodes: list[Node]) -> Books:
    """Keep the books up to the head of the first node, and compare all nodes with them.

    Raises WrongError and BeyondError.
    """
    books = Books(genesis)
    prefix = genesis["genesis"]["prefix"]
    wrong: list[str] = []
    for _ in range(TRIES):
        head = nodes[0].ask("chain.head")["height"]
        while books.height < head:
            books.take(bytes.fromhex(nodes[0].ask("chain.raw_block", height=books.height + 1)["raw"]))
        wrong = _differences(books, prefix, nodes)
        if not wrong:
            return books
    raise WrongError(wrong[0])


def _differences(books: Books, prefix: str, nodes: list[Node]) -> list[str]:
    """Return where nodes tell other balances than the books."""
    found: list[str] = []
    for node in nodes:
        for address, balance in books.balances.items():
            text = address_text(address, prefix)
            seen = int(node.ask("account.get", address=text)["balance"])
            if seen != balance:
                found.append(f"{node.url} says that {text} has {seen}, by these books {balance}")
    return found


def told(books: Books) -> str:
    """Return where all money is, in a line."""
    held, holdings = sum(books.balances.values()), books.holdings
    bonds = sum(each.bond for each in holdings.workers.values())
    return (
        f"{books.supply} grains: {held} in {len(books.balances)} accounts, {bonds} in bonds of workers, "
        f"{holdings.staked} staked, {holdings.rewards} to be earned by validators, "
        f"{holdings.protocol} in the protocol's pot, {holdings.burned} burned; "
        f"recounted from {books.height} blocks with {books.transactions} transactions and {len(holdings.jobs)} jobs"
    )


def main(arguments: list[str]) -> int:
    """Recount, and return the exit status."""
    path, *urls = arguments
    with Path(path).open("rb") as file:
        genesis = json.loads(file.read(GENESIS_BYTES_MAX))
    try:
        books = recount(genesis, [Node(url) for url in urls])
    except WrongError as wrong:
        sys.stdout.write(f"WRONG: {wrong}\n")
        return WRONG
    except BeyondError as beyond:
        sys.stdout.write(f"not recounted: {beyond}\n")
        return BEYOND
    sys.stdout.write(f"{told(books)}, and {len(urls)} nodes say the same\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
