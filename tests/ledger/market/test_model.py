from ledger.transaction import ModelPublish
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from vm.manifest import TOLERANCE, Class, Cut, Ratio, model_id


def test_a_published_model_stands_under_its_id() -> None:
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    entry = world.state.model(model_id(kit.a_model()))
    assert entry is not None
    assert (entry.model, entry.published) == (kit.a_model(), 1)
    assert [identity for identity, _ in world.state.models()] == [model_id(kit.a_model())]


def test_a_model_is_published_once_and_by_its_publisher() -> None:
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    assert world.do("publisher", kit.a_publication()).reason == Reason.MODEL_EXISTS
    # The id covers file and interface, so the same file can't be taken over under another name.
    assert world.do("client", kit.a_publication("client")).reason == Reason.MODEL_EXISTS
    assert world.do("client", kit.a_publication("stranger")).reason == Reason.NOT_A_PARTY


def test_only_class_native_with_the_one_tolerance_is_published() -> None:
    world = kit.a_world()
    cut = Cut(values=[b"logits"], tolerance=TOLERANCE)
    wide = Cut(values=[b"logits"], tolerance=Ratio(numerator=1, denominator=10))
    exact = ModelPublish(model=kit.a_model(), cut=cut, class_=Class.EXACT)
    loose = ModelPublish(model=kit.a_model(), cut=wide, class_=Class.NATIVE)
    assert world.do("publisher", exact).reason == Reason.CLASS_NOT_YET
    assert world.do("publisher", loose).reason == Reason.CUT_REFUSED
