"""What validators and delegators do: come, stay away, vote twice, go, and come back."""

import random
from collections.abc import Sequence

from ledger.stake.records import Evidence, ValidatorState
from ledger.transaction import Delegate, Payload, Undelegate, ValidatorExit, ValidatorUnjail, ValidatorUpdate
from primitives.units import BASIS, KARAT
from testnet.kit.ledger_builders import World, address, key_of, onion_of
from testnet.kit.stake_builders import a_double_vote, a_registration
from tests.ledger.walk.people import character

VALIDATORS = 4
"""At genesis."""
OPERATORS = tuple(f"validator {at}" for at in range(12))
"""Who validate at some time: whoever is convicted never does again."""
DELEGATORS = ("client", "publisher", *OPERATORS)
LAZY = 40
"""Of 256 who could propose in an epoch, so many never do."""
AMOUNTS = (KARAT // 3, 7 * KARAT, 40 * KARAT)


class Roll:
    """Who stakes what in a world."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world, self._chance = world, chance
        self._onions = len(OPERATORS)

    def move(self) -> tuple[str, Payload]:
        """Return what somebody does next for or with a validator."""
        chance, name = self._chance, self._chance.choice(OPERATORS)
        row = self._world.state.validator(address(name))
        if chance.random() < 0.4:
            return self._delegation()
        if row is None or row.state is ValidatorState.LEAVING:
            bond = chance.randint(100, 300) * KARAT
            commission = chance.choice([0, 500, BASIS])
            return name, a_registration(self._world, name, onion=self._onion(), bond=bond, commission=commission)
        if row.state is ValidatorState.JAILED and chance.random() < 0.7:
            return name, ValidatorUnjail()
        if row.state is ValidatorState.BANNED or chance.random() < 0.3:
            return name, ValidatorExit()
        return name, ValidatorUpdate(key=None, peer=None, onion=onion_of(self._onion()).tip, commission=None)

    def _delegation(self) -> tuple[str, Payload]:
        chance = self._chance
        name, validator = chance.choice(DELEGATORS), address(chance.choice(OPERATORS))
        if chance.random() < 0.5:
            return name, Delegate(validator=validator, amount=chance.choice(AMOUNTS))
        return name, Undelegate(validator=validator, amount=chance.choice([None, *AMOUNTS]))

    def _onion(self) -> int:
        self._onions += 1
        return self._onions

    def proposer(self) -> int:
        """Return who proposes the next block: some are away for an epoch."""
        state = self._world.state
        about = state.epoch().number.to_bytes(8, "big")
        members = state.validators().members
        if character(about, "all but one are away") < LAZY // 2:
            return min(range(len(members)), key=lambda at: members[at].weight)
        names = [self._world.name(each.validator) for each in members]
        busy = [at for at, name in enumerate(names) if character(about, name) >= LAZY]
        return self._chance.choice(busy or list(range(len(names))))

    def offences(self, often: float) -> Sequence[Evidence]:
        """Return evidence against some member of a running or past set, in so many of all blocks."""
        state = self._world.state
        epoch_set = state.epoch_set(max(0, state.epoch().number - self._chance.randrange(3)))
        if self._chance.random() > often or epoch_set is None:
            return ()
        signer = self._chance.choice(epoch_set.members)
        name = self._world.name(signer.validator)
        if signer.key != key_of(name) or state.conviction(epoch_set.epoch, signer.validator) is not None:
            return ()
        return (a_double_vote(self._world, name, epoch=epoch_set.epoch),)
