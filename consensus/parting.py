"""What is left to say in an epoch that is over: the certificate of its last block, to whoever is still in it (C24)."""

from consensus.messages import Certificate, CertificateRequest, Certificates, Message, Proposal, SignedVote


def last_word(message: Message, end: Certificate) -> Certificates | None:
    """Return the answer to a message of an ended epoch; `end` is the certificate of its last block.

    Certificates need no answer: who only passes them on asks for nothing, and who is stuck repeats its votes.
    """
    match message:
        case SignedVote() | Proposal() | CertificateRequest():
            return Certificates(certificates=[end])
        case Certificate() | Certificates():
            return None
