"""Blocks of transfers drawn by chance: some fail, some tip, some go to nobody known."""

import random

from ledger.transaction import Transfer, sign_transaction
from primitives.units import KARAT
from testnet.kit.ledger_builders import World, a_body, address, seed_of

PEOPLE = ("ada", "bob", "cyn", "dan")
TOO_MUCH = 10**9 * KARAT


def random_blocks(world: World, chance: random.Random, count: int) -> None:
    """Finalize blocks of one to eight transfers."""
    for _ in range(count):
        nonces = {name: world.state.account(address(name)).nonce for name in PEOPLE}
        raws = []
        for _ in range(chance.randint(1, 8)):
            name = chance.choice(PEOPLE)
            amount = TOO_MUCH if chance.random() < 0.1 else chance.randrange(KARAT)
            to = address(chance.choice((*PEOPLE, f"stranger {chance.randrange(5)}")))
            body = a_body(
                name, Transfer(to=to, amount=amount), nonce=nonces[name], time_ms=world.now_ms, tip=chance.randrange(4)
            )
            nonces[name] += 1
            raws.append(sign_transaction(seed_of(name), world.charter.hash, body))
        world.block(*raws, proposer=chance.randrange(4))
