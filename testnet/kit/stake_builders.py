"""Builders for stake: a world of short epochs, registrations, votes that convict."""

from consensus.messages import SignedVote, Vote, VoteKind, sign_bytes
from ledger.genesis import Genesis
from ledger.parameters import Parameters
from ledger.stake.epochs import Member
from ledger.stake.keys import prove
from ledger.stake.records import Evidence, Validator
from ledger.state import State, change
from ledger.transaction import ValidatorRegister
from primitives import ed25519
from primitives.hashing import ZERO_HASH, sha256
from primitives.units import KARAT
from testnet.kit.ledger_builders import World, a_genesis, address, onion_of, seed_of

BOND = 500 * KARAT
EPOCH_MS = 10_000
POT = 1_000_000 * KARAT
SHORT = Parameters(epoch_ms=EPOCH_MS, unbonding_ms=5 * EPOCH_MS, jail_ms=2 * EPOCH_MS)
PEOPLE = ("client", "publisher", "ann", *(f"validator {at}" for at in range(7)))


def a_stake_genesis(*, validators: int = 4, parameters: Parameters = SHORT, rewards: int = POT) -> Genesis:
    """Return a genesis with short epochs, a reward pot, and people who can become validators."""
    genesis = a_genesis(validators=validators, workers=0, accounts=PEOPLE, parameters=parameters)
    return change(genesis, rewards=rewards)


def a_registration(world: World, name: str, *, onion: int, bond: int = BOND, commission: int = 0) -> ValidatorRegister:
    """Return what makes somebody a validator, with a vote key and a network key named after them."""
    return ValidatorRegister(
        key=prove(seed_of(name), world.charter.hash, address(name)),
        peer=prove(seed_of(f"peer of {name}"), world.charter.hash, address(name)),
        onion=onion_of(onion).tip,
        commission=commission,
        bond=bond,
    )


def next_epoch(world: World) -> None:
    """Finalize the block that ends the running epoch."""
    ends_ms = world.state.epoch().started_ms + world.charter.parameters.epoch_ms
    world.block(passed_ms=max(1, ends_ms - world.now_ms))


def epochs(world: World, number: int) -> None:
    """Let epochs pass, of one block each."""
    for _ in range(number):
        next_epoch(world)


def member(state: State, name: str, *, ahead: int = 0) -> Member | None:
    """Return somebody's place in the running set, or in a later one that is fixed."""
    epoch_set = state.validators(ahead=ahead)
    at = epoch_set.index_of(address(name))
    return None if at is None else epoch_set.members[at]


def weight(state: State, name: str, *, ahead: int = 0) -> int:
    """Return somebody's weight in the running set, or in a later one that is fixed; 0 if it is not in it."""
    found = member(state, name, ahead=ahead)
    return 0 if found is None else found.weight


def validator(world: World, name: str) -> Validator:
    """Return a validator that is registered."""
    found = world.state.validator(address(name))
    assert found is not None
    return found


def is_on_roll(world: World, name: str) -> bool:
    """Tell whether the ends of epochs look at somebody as a validator."""
    return any(who == address(name) for who, _ in world.state.registered_validators())


def a_vote(
    world: World, name: str, kind: VoteKind, block: str = "", *, epoch: int | None = None, view: int = 1
) -> SignedVote:
    """Return a vote of somebody, signed with the key named after them; the block has a name."""
    epoch_set = world.state.epoch_set(world.state.epoch().number if epoch is None else epoch)
    assert epoch_set is not None
    index = epoch_set.index_of(address(name))
    assert index is not None
    vote = Vote(epoch=epoch_set.epoch, view=view, kind=kind, block=sha256(block.encode()) if block else ZERO_HASH)
    signature = ed25519.sign(seed_of(name), sign_bytes(world.charter.hash, vote))
    return SignedVote(vote=vote, signer=index, signature=signature)


def a_double_vote(world: World, name: str, *, epoch: int | None = None, view: int = 1) -> Evidence:
    """Return evidence that somebody finalized two blocks of a view."""
    return Evidence(
        first=a_vote(world, name, VoteKind.FINALIZE, "one", epoch=epoch, view=view),
        second=a_vote(world, name, VoteKind.FINALIZE, "two", epoch=epoch, view=view),
    )
