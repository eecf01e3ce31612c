"""Rules C15 to C18, C20 and C21: weights, leaders, certificates, evidence and their bytes."""

import contextlib
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import certificate as certificates
from consensus.certificate import bitmap_of, check, check_final, signers_of
from consensus.evidence import Offence, contradict, culprits, offence
from consensus.guard import decode_record, encode_record
from consensus.io import Certified, Stored, Voted
from consensus.messages import (
    CERTIFICATE_BYTES_MAX,
    JUSTIFICATION_MAX,
    MESSAGE_BYTES_MAX,
    VALIDATORS_MAX,
    CertificateRequest,
    Certificates,
    SignedVote,
    Vote,
    VoteKind,
    decode_message,
    encode_message,
    nullify,
    sign_bytes,
)
from consensus.scheme import Ed25519Scheme
from consensus.tally import Tally
from consensus.validators import Instance, Validator, ValidatorSet
from primitives import codec, ed25519
from primitives.hashing import ZERO_HASH, sha256
from primitives.reasons import Refused
from testnet.kit.consensus_builders import START, Bench, a_block, an_instance
from testnet.sim.keyring import KeyedScheme

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
A, B = a_block("a"), a_block("b")

weights = st.lists(st.integers(1, 10**12), min_size=1, max_size=12)


@given(weights)
def test_c15_two_quorums_share_more_than_a_third_and_blame_is_the_least_that_a_quorum_can_not_miss(
    held: list[int],
) -> None:
    validators = ValidatorSet([Validator(key=bytes(32), weight=weight) for weight in held], bytes(32))
    total, quorum = sum(held), validators.quorum
    assert 3 * quorum > 2 * total >= 3 * (quorum - 1)
    assert 3 * (2 * quorum - total) > total
    assert quorum + validators.blame == total + 1


def test_c16_leaders_are_drawn_by_weight_and_each_node_draws_the_same() -> None:
    instance = an_instance((1, 2, 5))
    led = Counter(instance.validators.leader(view) for view in range(1, 4_001))
    assert [round(led[index] / 500) for index in range(3)] == [1, 2, 5]
    assert [instance.validators.leader(view) for view in range(1, 13)] == [2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 2]


@given(st.sets(st.integers(0, VALIDATORS_MAX - 1)))
def test_c17_a_bitmap_names_the_signers_and_has_one_form(chosen: set[int]) -> None:
    bitmap = bitmap_of(chosen)
    assert signers_of(bitmap) == sorted(chosen)
    assert bitmap[-1:] != b"\0"


@given(weights, st.data())
def test_c17_a_certificate_holds_if_and_only_if_its_signers_weigh_a_quorum(
    held: list[int], data: st.DataObject
) -> None:
    bench = Bench(0, instance=an_instance(held))
    chosen = data.draw(st.sets(st.integers(0, len(held) - 1), min_size=1))
    made = bench.certificate(N, 3, A, sorted(chosen))
    enough = sum(held[index] for index in chosen) >= bench.instance.validators.quorum
    with contextlib.nullcontext() if enough else pytest.raises(Refused):
        check(made, bench.instance, KeyedScheme(0))


@given(
    weights, st.lists(st.tuples(st.integers(0, 11), st.sampled_from([N, S, F]), st.sampled_from([A, B])), max_size=60)
)
def test_c10_a_tally_counts_each_validator_once_for_each_kind(
    held: list[int], cast: list[tuple[int, VoteKind, bytes]]
) -> None:
    bench = Bench(0, instance=an_instance(held))
    tally = Tally(bench.instance.validators)
    counted: dict[tuple[int, VoteKind], Vote] = {}
    for signer, kind, block in cast:
        signed = bench.vote(signer % len(held), kind, 3, ZERO_HASH if kind is S else block)
        if tally.has(signed) or tally.ignores(signed.signer):
            continue
        if tally.conflict(signed) is not None:
            tally.ignore(signed.signer)
        else:
            tally.add(signed, proved=True)
            counted[signed.signer, kind] = signed.vote
    for vote in counted.values():
        assert tally.weight(vote) == sum(held[signer] for (signer, _), other in counted.items() if other == vote)
    for one, other in itertools.combinations(sorted(counted), 2):
        if one[0] == other[0]:
            assert not contradict(counted[one], counted[other])


SEEDS = [sha256(b"secret %d" % index) for index in range(4)]
KEYS = ValidatorSet([Validator(key=ed25519.public_key_of(seed), weight=1) for seed in SEEDS], sha256(b"randomness"))
REAL = Instance(genesis_hash=sha256(b"genesis"), epoch=7, validators=KEYS)


def real(signer: int, vote: Vote) -> SignedVote:
    signature = Ed25519Scheme(KEYS, SEEDS[signer]).sign(sign_bytes(REAL.genesis_hash, vote))
    return SignedVote(vote=vote, signer=signer, signature=signature)


def test_c17_anybody_with_the_validators_keys_can_check_that_a_block_is_final() -> None:
    vote = Vote(epoch=7, view=3, kind=F, block=A)
    made = certificates.form(vote, {signer: real(signer, vote) for signer in (3, 0, 2)}, 1)
    check_final(made, A, REAL)
    for block, instance in ((B, REAL), (A, Instance(genesis_hash=sha256(b"other"), epoch=7, validators=KEYS))):
        with pytest.raises(Refused):
            check_final(made, block, instance)


def test_c17_a_certificate_to_notarize_proves_nothing_final() -> None:
    vote = Vote(epoch=7, view=3, kind=N, block=A)
    made = certificates.form(vote, {signer: real(signer, vote) for signer in (0, 1, 2)}, 1)
    with pytest.raises(Refused):
        check_final(made, A, REAL)


@pytest.mark.parametrize(
    ("first", "second", "proved"),
    [
        ((N, A), (N, B), {Offence.DOUBLE_NOTARIZE, Offence.DOUBLE_PROPOSAL}),
        ((F, A), (F, B), {Offence.DOUBLE_FINALIZE}),
        ((F, A), (S, ZERO_HASH), {Offence.FINALIZE_AND_NULLIFY}),
        ((N, A), (S, ZERO_HASH), {None}),
        ((N, A), (F, A), {None}),
        ((N, A), (F, B), {None}),
        ((N, A), (N, A), {None}),
    ],
)
def test_c18_evidence_is_what_no_honest_node_signs(
    first: tuple[VoteKind, bytes], second: tuple[VoteKind, bytes], proved: set[Offence | None]
) -> None:
    bench = Bench(0)
    found = set()
    for signer in range(4):
        one, other = (bench.vote(signer, kind, 5, block) for kind, block in (first, second))
        found.add(offence(one, other, bench.instance, KeyedScheme(0)))
    assert found == proved


def test_c18_evidence_needs_one_signer_one_view_and_true_signatures() -> None:
    bench = Bench(0)
    one = bench.vote(1, N, 5, A)
    forged = SignedVote(vote=bench.vote(1, N, 5, B).vote, signer=1, signature=bytes(64))
    unknown = SignedVote(vote=one.vote, signer=9, signature=one.signature)
    for first, second in (
        (one, bench.vote(2, N, 5, B)),
        (one, bench.vote(1, N, 6, B)),
        (one, forged),
        (unknown, unknown),
    ):
        assert offence(first, second, bench.instance, KeyedScheme(0)) is None


@given(
    st.sets(st.integers(0, 6), min_size=5), st.sets(st.integers(0, 6), min_size=5), st.sampled_from([(N, N), (F, S)])
)
def test_c18_certificates_that_contradict_each_other_convict_a_third(
    ones: set[int], others: set[int], kinds: tuple[VoteKind, VoteKind]
) -> None:
    bench = Bench(0, instance=an_instance((1,) * 7))
    first = bench.certificate(kinds[0], 5, A, sorted(ones))
    second = bench.certificate(kinds[1], 5, B if kinds[1] is N else ZERO_HASH, sorted(others))
    pairs = culprits(first, second)
    assert sorted(one.signer for one, _ in pairs) == sorted(ones & others)
    assert 3 * len(pairs) > 7
    assert all(offence(one, other, bench.instance, KeyedScheme(0)) for one, other in pairs)
    assert culprits(first, first) == []


def test_c20_sign_bytes_are_what_they_always_were() -> None:
    genesis = bytes(range(32))
    vote = Vote(epoch=1, view=2, kind=F, block=b"\xaa" * 32)
    assert sign_bytes(genesis, vote).hex() == (
        "535831" + genesis.hex() + "0000000000000001" + "0000000000000002" + "03" + "aa" * 32
    )
    assert len(sign_bytes(genesis, nullify(0, 2**63 - 1))) == 84


def test_c21_encodings_are_what_they_always_were() -> None:
    signed = SignedVote(vote=Vote(epoch=1, view=300, kind=N, block=b"\xaa" * 32), signer=2, signature=b"\xbb" * 64)
    told = "9401cd012c01c420" + "aa" * 32
    assert encode_message(signed).hex() == "9401" + told + "02c440" + "bb" * 64
    made = certificates.form(
        signed.vote, {2: signed, 9: SignedVote(vote=signed.vote, signer=9, signature=bytes(64))}, 1
    )
    assert encode_message(made).hex() == "950201" + told + "c4020402" + "92c440" + "bb" * 64 + "c440" + "00" * 64
    request = CertificateRequest(epoch=1, first_view=2, last_view=300)
    assert encode_message(request).hex() == "94040102cd012c"


def test_c21_messages_come_back_as_they_went() -> None:
    bench = Bench(0)
    made = bench.certificate(S, 4)
    for message in (
        bench.vote(1, F, 3, A),
        made,
        bench.proposal(5, A, START, [made]),
        CertificateRequest(epoch=7, first_view=1, last_view=2),
        Certificates(certificates=[made, made]),
    ):
        assert decode_message(encode_message(message)) == message


def test_c21_the_limits_hold_the_largest_that_is_allowed() -> None:
    bench = Bench(0, instance=an_instance((1,) * VALIDATORS_MAX))
    largest = bench.certificate(N, 2**63 - 1, A, range(VALIDATORS_MAX))
    assert len(encode_message(largest)) <= CERTIFICATE_BYTES_MAX
    answer = encode_message(Certificates(certificates=[largest] * JUSTIFICATION_MAX))
    assert len(answer) <= MESSAGE_BYTES_MAX
    decode_message(answer)


@given(st.binary(max_size=300))
def test_c21_bytes_decode_or_are_refused(raw: bytes) -> None:
    with contextlib.suppress(Refused):
        assert encode_message(decode_message(raw)) == raw


def test_c21_too_many_certificates_are_refused() -> None:
    made = Bench(0).certificate(S, 4)
    raw = codec.encode([5, [codec.decode(list, codec.encode(made), at_most=10_000)] * (JUSTIFICATION_MAX + 1)])
    with pytest.raises(Refused):
        decode_message(raw)


def test_c12_records_come_back_from_the_disk_as_they_went() -> None:
    bench = Bench(0)
    for record in (
        Voted(vote=bench.vote(0, N, 3, A)),
        Stored(view=3, block=A, parent_view=0, parent=START.block, body=b"body"),
        Certified(certificate=bench.certificate(S, 4)),
    ):
        assert decode_record(encode_record(record)) == record
