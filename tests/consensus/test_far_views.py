"""A view that is far ahead, to which only a quorum can bring anybody, costs no more than a near one."""

from consensus.io import Start
from consensus.messages import CertificateRequest, Certificates, VoteKind
from testnet.kit.consensus_builders import Bench, messages


def test_c9_a_request_in_a_view_far_ahead_is_answered_at_once() -> None:
    bench = Bench()
    bench.give(Start())
    bench.hear(1, bench.certificate(VoteKind.NULLIFY, 1))
    bench.hear(1, bench.certificate(VoteKind.NULLIFY, 2**62))
    assert bench.core.view == 2**62 + 1
    asked = CertificateRequest(epoch=bench.instance.epoch, first_view=1, last_view=2**63)
    (answer,) = messages(Certificates, bench.hear(2, asked))
    assert [each.vote.view for each in answer.certificates] == [1, 2**62]
