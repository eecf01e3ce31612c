"""Random programs of writes, forks and finalizations; every proof checked, and none believed that was tampered with."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.tree import StateTree, tree_of
from primitives.codec import decode, encode
from primitives.reasons import Reason, Refused
from primitives.state_proof import PROOF_BYTES_MAX, HashedRow, StateProof, check_state_proof
from tests.ledger.root_by_definition import proof_by_definition, root_by_definition
from tests.ledger.test_tree import NEIGHBOURS, TWINS, after

BRANCHES_MAX = 6
KEYS = (*NEIGHBOURS, *TWINS, *(bytes([at]) for at in range(24)))
keys = st.sampled_from(KEYS)
values = st.binary(max_size=3)
writes = st.dictionaries(keys, st.none() | values, max_size=12)


class Programs(RuleBasedStateMachine):
    """Branches of states beside each other, as unfinal blocks are, each with the rows that it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.branches: list[tuple[StateTree, dict[bytes, bytes]]] = []

    @initialize(held=st.dictionaries(keys, values, max_size=40))
    def start(self, held: dict[bytes, bytes]) -> None:
        self.branches = [(tree_of(held.items()), held)]

    def _pick(self, data: st.DataObject) -> tuple[StateTree, dict[bytes, bytes]]:
        return self.branches[data.draw(st.integers(0, len(self.branches) - 1), label="branch")]

    @rule(data=st.data(), changes=writes)
    def fork(self, data: st.DataObject, changes: dict[bytes, bytes | None]) -> None:
        tree, held = self._pick(data)
        self.branches = [*self.branches, (tree.child(changes), after(held, changes))][-BRANCHES_MAX:]

    @rule(data=st.data())
    def keep_one_branch_alone(self, data: st.DataObject) -> None:
        self.branches = [self._pick(data)]

    @rule(data=st.data())
    def build_anew_from_the_rows(self, data: st.DataObject) -> None:
        tree, held = self._pick(data)
        rebuilt = tree_of(held.items())
        assert rebuilt.root == tree.root
        self.branches[-1] = (rebuilt, held)

    @rule(data=st.data(), key=keys)
    def prove(self, data: st.DataObject, key: bytes) -> None:
        tree, held = self._pick(data)
        proof = decode(StateProof, encode(tree.prove(key)), at_most=PROOF_BYTES_MAX)
        siblings, other = proof_by_definition(held, key)
        assert proof.siblings == siblings
        assert proof.other == (None if other is None else HashedRow(key=other[0], value=other[1]))
        check_state_proof(tree.root, key, held.get(key), proof)

    @rule(data=st.data(), key=keys, claimed=st.none() | values)
    def claim_what_is_not_so(self, data: st.DataObject, key: bytes, claimed: bytes | None) -> None:
        tree, held = self._pick(data)
        if claimed != held.get(key):
            assert not taken(tree.root, key, claimed, tree.prove(key))

    @rule(data=st.data(), key=keys, elsewhere=keys)
    def tamper(self, data: st.DataObject, key: bytes, elsewhere: bytes) -> None:
        tree, held = self._pick(data)
        proof = tree.prove(key)
        changed = data.draw(tampered(proof, tree.prove(elsewhere)), label="tampered")
        if changed != proof:
            for claimed in (held.get(key), None, b"v"):
                assert not taken(tree.root, key, claimed, changed)

    @invariant()
    def every_branch_has_the_root_of_its_rows(self) -> None:
        for tree, held in self.branches[-2:]:
            assert tree.root == root_by_definition(held)


def taken(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    try:
        check_state_proof(root, key, value, proof)
    except Refused as fault:
        if fault.reason is not Reason.BAD_PROOF:
            raise
        return False
    return True


@st.composite
def tampered(draw: st.DrawFn, proof: StateProof, of_another: StateProof) -> StateProof:
    """Return `proof` with something changed, dropped, put in, swapped or taken from the proof of another key."""
    siblings, other = list(proof.siblings), proof.other
    at = draw(st.integers(0, len(siblings)))
    match draw(st.sampled_from(("flip", "drop", "insert", "swap", "cut", "borrow", "other", "graft"))):
        case "flip" if at < len(siblings):
            flipped = int.from_bytes(siblings[at], "big") ^ 1 << draw(st.integers(0, 255))
            siblings[at] = flipped.to_bytes(32, "big")
        case "drop" if at < len(siblings):
            del siblings[at]
        case "insert":
            siblings.insert(at, draw(st.sampled_from((bytes(32), b"\xff" * 32, *siblings))))
        case "swap" if len(siblings) > 1:
            siblings[at - 1], siblings[at - 2] = siblings[at - 2], siblings[at - 1]
        case "cut":
            siblings = siblings[:at]
        case "borrow":
            other = of_another.other
        case "other":
            other = HashedRow(key=draw(st.binary(min_size=32, max_size=32)), value=bytes(32))
        case _:
            siblings, other = list(of_another.siblings), of_another.other
    return StateProof(siblings=siblings, other=other)


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(stateful_step_count=30)
