"""Rule C19: what no honest node sends is blamed on its sender, and makes the core neither fail nor grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.certificate import check, signers_of
from consensus.io import Evidence, Fault, Penalise, Start
from consensus.messages import (
    Certificate,
    CertificateRequest,
    Certificates,
    Message,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
)
from primitives.hashing import ZERO_HASH
from testnet.kit.consensus_builders import START, Bench, a_block, an_instance, messages, of, votes
from testnet.sim.keyring import KeyedScheme

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
A, B = a_block("a"), a_block("b")
GIANT = 2**63 - 1


def bench() -> Bench:
    made = Bench(0)
    made.give(Start())
    made.follower_view()
    return made


def faults(bench: Bench, sender: int | None, message: Message) -> list[Fault]:
    effects = bench.hear(sender, message)
    assert not votes(effects)
    found = of(Penalise, effects)
    assert all(blamed.sender == sender for blamed in found)
    return [blamed.fault for blamed in found]


def test_c19_a_signer_outside_the_list_is_blamed() -> None:
    at = bench()
    signed = at.vote(1, S, at.core.view)
    for signer in (4, 2**32 - 1):
        wrong = SignedVote(vote=signed.vote, signer=signer, signature=signed.signature)
        assert faults(at, 1, wrong) == [Fault.UNKNOWN_SIGNER]


def test_c19_a_wrong_signature_is_blamed() -> None:
    at = bench()
    wrong = SignedVote(vote=at.vote(1, S, at.core.view).vote, signer=1, signature=bytes(64))
    assert faults(at, None, wrong) == [Fault.BAD_SIGNATURE]


def test_c10_signatures_are_checked_when_a_quorum_is_in_reach_and_the_bad_one_is_singled_out() -> None:
    instance = an_instance([1] * 7)
    at = Bench(0, instance=instance)
    at.give(Start())
    view = at.follower_view()
    bad = SignedVote(vote=at.vote(1, N, view, A).vote, signer=1, signature=bytes(64))
    for signed in (bad, *(at.vote(signer, N, view, A) for signer in (2, 3, 4))):
        assert at.hear(signed.signer, signed) == []
    effects = at.hear(5, at.vote(5, N, view, A))
    assert of(Penalise, effects) == [Penalise(sender=1, fault=Fault.BAD_SIGNATURE)]
    assert not messages(Certificate, effects)
    [certificate] = messages(Certificate, at.hear(6, at.vote(6, N, view, A)))
    assert signers_of(certificate.signers) == [2, 3, 4, 5, 6]
    check(certificate, instance, KeyedScheme(0))


def test_c18_a_forged_contradiction_is_no_evidence() -> None:
    at = bench()
    view = at.core.view
    forged = SignedVote(vote=at.vote(1, N, view, B).vote, signer=1, signature=bytes(64))
    at.hear(1, at.vote(1, N, view, A))
    effects = at.hear(1, forged)
    assert not of(Evidence, effects)
    assert of(Penalise, effects) == [Penalise(sender=1, fault=Fault.BAD_SIGNATURE)]
    other = bench()
    other.hear(1, forged)
    effects = other.hear(1, other.vote(1, N, view, A))
    assert not of(Evidence, effects)
    assert of(Penalise, effects) == [Penalise(sender=1, fault=Fault.BAD_SIGNATURE)]


def test_c19_another_validator_s_vote_is_blamed() -> None:
    at = bench()
    assert faults(at, 1, at.vote(2, S, at.core.view)) == [Fault.FOREIGN_VOTE]


def test_c20_a_vote_names_a_block_unless_it_nullifies() -> None:
    at = bench()
    for kind, block in ((N, ZERO_HASH), (F, ZERO_HASH), (S, A)):
        assert faults(at, 1, at.vote(1, kind, at.core.view, block)) == [Fault.BAD_VOTE]


def test_c19_a_vote_of_another_epoch_is_left_alone() -> None:
    at = bench()
    vote = Vote(epoch=at.instance.epoch + 1, view=at.core.view, kind=S, block=ZERO_HASH)
    for signer in (1, 2, 99):  # its validators have other places
        assert faults(at, 1, SignedVote(vote=vote, signer=signer, signature=bytes(64))) == []


def test_c19_a_proposal_by_another_than_the_leader_is_blamed() -> None:
    at = bench()
    view = at.core.view
    other = next(signer for signer in (1, 2, 3) if signer != at.core.leader)
    proposal = at.proposal(view, A)
    wrong = Proposal(
        vote=at.vote(other, N, view, A), parent_view=0, parent=START.block, justification=[], body=proposal.body
    )
    assert faults(at, other, wrong) == [Fault.NOT_LEADER]


def test_c19_a_proposal_on_a_later_parent_is_blamed() -> None:
    at = bench()
    view = at.core.view
    wrong = Proposal(vote=at.vote(at.core.leader, N, view, A), parent_view=view, parent=A, justification=[], body=b"")
    assert faults(at, at.core.leader, wrong) == [Fault.BAD_PROPOSAL]


def test_c19_a_request_of_no_views_is_blamed() -> None:
    at = bench()
    wrong = CertificateRequest(epoch=at.instance.epoch, first_view=2, last_view=1)
    assert faults(at, 1, wrong) == [Fault.BAD_REQUEST]


def altered(at: Bench, **changes: object) -> Certificate:
    good = at.certificate(S, at.core.view)
    fields = {name: changes.get(name, getattr(good, name)) for name in ("scheme", "vote", "signers", "signatures")}
    return Certificate(**fields)  # type: ignore[arg-type]  # the test breaks fields on purpose


@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": 9},
        {"signers": b""},
        {"signers": b"", "signatures": []},
        {"signers": b"\xff" * 16},
        {"signers": b"\x0e\x00"},
        {"signers": b"\x06", "signatures": [bytes(64)] * 2},
        {"signatures": [bytes(64)] * 3},
        {"signers": b"\x0e" + bytes(14) + b"\x01", "signatures": [bytes(64)] * 4},
    ],
)
def test_c17_a_certificate_that_does_not_hold_is_blamed(changes: dict[str, object]) -> None:
    at = bench()
    view = at.core.view
    assert faults(at, 1, altered(at, **changes)) == [Fault.BAD_CERTIFICATE]
    assert at.core.view == view


def test_c19_a_bad_certificate_within_an_answer_or_a_justification_is_blamed() -> None:
    at = bench()
    wrong = altered(at, signatures=[bytes(64)] * 3)
    assert faults(at, 1, Certificates(certificates=[wrong])) == [Fault.BAD_CERTIFICATE]
    effects = at.propose(at.core.view, A, at.parent(), justification=[wrong])
    assert [blamed.fault for blamed in of(Penalise, effects)] == [Fault.BAD_CERTIFICATE]


def test_c19_giant_views_are_neither_believed_nor_remembered() -> None:
    at = bench()
    for kind in (N, S, F):
        block = ZERO_HASH if kind is S else A
        assert at.hear(1, at.vote(1, kind, GIANT, block)) == []
    giant = at.certificate(S, GIANT)
    wrong = Certificate(scheme=giant.scheme, vote=giant.vote, signers=giant.signers, signatures=[bytes(64)] * 3)
    assert faults(at, 1, wrong) == [Fault.BAD_CERTIFICATE]
    request = CertificateRequest(epoch=at.instance.epoch, first_view=0, last_view=GIANT)
    assert faults(at, 1, request) == []


kinds = st.sampled_from(VoteKind)
views = st.one_of(st.integers(0, 12), st.integers(GIANT - 3, GIANT))
blocks = st.sampled_from([ZERO_HASH, A, a_block("b"), START.block])
bitmaps = st.one_of(st.binary(max_size=16), st.integers(0, 15).map(lambda bits: bytes([bits])))
signers = st.one_of(st.integers(0, 5), st.just(2**32 - 1))
plain_votes = st.builds(Vote, epoch=st.sampled_from([7, 8]), view=views, kind=kinds, block=blocks)
garbage = st.binary(min_size=64, max_size=64)


@st.composite
def hostile_messages(draw: st.DrawFn) -> Message:
    """Anything that decodes, signed by whoever it says, or by nobody."""
    at = Bench(0)

    def signed() -> SignedVote:
        vote, signer = draw(plain_votes), draw(signers)
        true = at.vote(signer, vote.kind, vote.view, vote.block).signature
        return SignedVote(vote=vote, signer=signer, signature=true if draw(st.booleans()) else draw(garbage))

    def certificate() -> Certificate:
        vote, bitmap = draw(plain_votes), draw(bitmaps)
        made = [at.vote(index, vote.kind, vote.view, vote.block).signature for index in range(draw(st.integers(0, 4)))]
        return Certificate(scheme=draw(st.integers(0, 1)), vote=vote, signers=bitmap, signatures=made)

    match draw(st.integers(0, 4)):
        case 0:
            return signed()
        case 1:
            return certificate()
        case 2:
            return Certificates(certificates=[certificate() for _ in range(draw(st.integers(0, 3)))])
        case 3:
            return CertificateRequest(epoch=7, first_view=draw(views), last_view=draw(views))
        case _:
            justification = [certificate() for _ in range(draw(st.integers(0, 2)))]
            return Proposal(
                vote=signed(),
                parent_view=draw(views),
                parent=draw(blocks),
                justification=justification,
                body=draw(st.binary(max_size=8)),
            )


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 3)), hostile_messages()), max_size=25))
def test_c19_no_message_makes_the_core_fail_or_leave_the_view_by_less_than_a_quorum(
    heard: list[tuple[int | None, Message]],
) -> None:
    at = Bench(3)
    at.give(Start())
    for sender, message in heard:
        effects = at.hear(sender, message)
        sent = messages(Proposal, effects)
        assert not sent
    assert at.core.view < 20


def test_c19_a_message_with_a_bad_certificate_costs_no_further_checks() -> None:
    at = bench()
    view = at.core.view
    wrong = altered(at, signatures=[bytes(64)] * 3)
    assert faults(at, 1, Certificates(certificates=[wrong, wrong, at.certificate(S, view)])) == [Fault.BAD_CERTIFICATE]
    assert at.core.view == view
