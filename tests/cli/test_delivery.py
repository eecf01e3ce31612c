"""A sealed result, fetched and opened by whoever has the client's key (K5, K6)."""

from pathlib import Path

import pytest

from cli.client import Client
from node.keys.envelopes import reply_key, reply_secret, seal_result
from node.keys.files import Key, KeyKind, create_key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives.address import address_of, address_text
from primitives.content import ContentId, content_id
from primitives.ed25519 import public_key_of
from primitives.reasons import Reason, Refused

SEED, CANARY, MODEL = bytes(range(32)), b"c" * 32, b"m" * 32
GENESIS, JOB = b"g" * 32, b"j" * 32
RESULT = b"an encoded bundle" * 1_000
PROVIDER, VERIFIER = (address_of(public_key_of(bytes([at]) * 32)) for at in (1, 2))


class StoreOnly(RpcClient):
    """A node that holds content and knows its network."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.held: dict[ContentId, bytes] = {}

    def table(self, method: str, **params: Json) -> dict[str, Json]:
        told: dict[str, dict[str, Json]] = {
            "node.status": {"network": "dasy", "genesis_hash": GENESIS.hex()},
            "chain.params": {"verifier_fee": "1"},
        }
        return told[method]

    def get_blob(self, content: ContentId) -> bytes:
        if content not in self.held:
            raise Refused(Reason.CONTENT_NOT_FOUND, root=content.root, length=content.length, asked=0)
        return self.held[content]

    def hold(self, raw: bytes) -> dict[str, Json]:
        content = content_id(raw)
        self.held[content] = raw
        return {"root": content.root.hex(), "length": content.length}


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return create_key(tmp_path / "key.json", kind=KeyKind.WALLET, network="dasy", password=None, seed=SEED)


def sealed(text: bytes = RESULT, *, sealer: bytes = PROVIDER, salt: bytes = CANARY) -> bytes:
    return seal_result(text, reply_key(reply_secret(SEED, salt)), genesis=GENESIS, job=JOB, sealer=sealer)


def a_job(provided: dict[str, Json], verified: dict[str, Json] | None, *, salt: bytes = CANARY) -> dict[str, Json]:
    outputs = content_id(RESULT)
    return {
        "id": JOB.hex(),
        "state": "settled",
        "outcome": "settled",
        "client": "dasy1",
        "model": MODEL.hex(),
        "canary": CANARY.hex(),
        "batch": None if salt == CANARY else JOB.hex(),
        "reply_key": reply_key(reply_secret(SEED, salt)).hex(),
        "outputs": {"root": outputs.root.hex(), "length": outputs.length},
        "provider": address_text(PROVIDER, "dasy"),
        "sealed": provided,
        "verifiers": [{"worker": address_text(VERIFIER, "dasy"), "sealed": verified}],
    }


def fetched(node: StoreOnly, told: dict[str, Json], key: Key) -> bytes:
    return Client(node).output(told, lambda: key)


@pytest.mark.parametrize("salt", [CANARY, MODEL], ids=["a job", "an item of a batch"])
def test_a_sealed_result_is_opened_with_the_clients_key_alone(key: Key, salt: bytes) -> None:
    node = StoreOnly()
    assert fetched(node, a_job(node.hold(sealed(salt=salt)), None, salt=salt), key) == RESULT


def test_what_the_provider_does_not_deliver_a_verifier_does(key: Key) -> None:
    node = StoreOnly()
    good = node.hold(sealed(sealer=VERIFIER))
    lost: dict[str, Json] = {"root": bytes(32).hex(), "length": 5}
    garbage, other = node.hold(bytes(500)), node.hold(sealed(b"another result"))
    for provided, reason in (
        (lost, Reason.CONTENT_NOT_FOUND),
        (garbage, Reason.SEAL_BROKEN),
        (other, Reason.CONTENT_MISMATCH),
    ):
        assert fetched(node, a_job(provided, good), key) == RESULT
        with pytest.raises(Refused) as caught:
            fetched(node, a_job(provided, None), key)
        assert caught.value.reason is reason


def test_anothers_key_and_no_key_are_refused_by_name(tmp_path: Path, key: Key) -> None:
    node = StoreOnly()
    told = a_job(node.hold(sealed()), None)
    other = create_key(tmp_path / "other.json", kind=KeyKind.WALLET, network="dasy", password=None, seed=CANARY)
    with pytest.raises(Refused) as caught:
        fetched(node, told, other)
    assert (caught.value.reason, caught.value.facts["seen"]) == (Reason.SEAL_BROKEN, other.info.address_text)
    with pytest.raises(Refused) as caught:
        Client(node).output(told)
    assert caught.value.reason is Reason.KEY_UNKNOWN
