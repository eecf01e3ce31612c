"""The lowering of a model: what its jobs mean for inputs of certain shapes, as it is registered on chain (V120).

A model says what is run; a lowering says what that means, by the root of its program, and how jobs are judged. Each
worker derives it anew from the file before it works for it, so a wrong one finds nobody who accepts its jobs.
"""

import itertools
from typing import Annotated

import msgspec

from primitives import codec
from primitives.hashing import Hash, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U8, U32
from vm.cost import Cost
from vm.manifest import Class, Model, Ratio, fits, told_shape
from vm.tensor import (
    BUNDLE_BYTES_MAX,
    BUNDLE_TENSORS_MAX,
    CUT_VALUES_BYTES_MAX,
    FLOATS,
    OUTPUT_VALUES_BYTES_MAX,
    SMALL_VALUES_BYTES_MAX,
    Bundle,
    Name,
    TensorType,
    bytes_of,
)
from vm.tiles import Tile

CUT_VALUES_MAX = BUNDLE_TENSORS_MAX
"""The cut travels as a bundle."""
TOLERANCE_LEAST = Ratio(numerator=1, denominator=65_536)
"""16 times the floor of the noise, 2^-20 (DESIGN 7): honest machines are not asked to agree more closely."""
TOLERANCE_MOST = Ratio(numerator=1, denominator=1_000)
"""Above it a model is ill-conditioned, and served in class exact alone (DESIGN 6.10d)."""

Types = Annotated[list[TensorType], msgspec.Meta(min_length=1, max_length=BUNDLE_TENSORS_MAX)]


class CutValue(Record):
    """A value at the cut."""

    name: Name
    """In the file."""
    type: TensorType


class Lowering(Record):
    """What a model means for inputs of these shapes, and what a run costs."""

    model: Hash
    vm_version: U32
    """Of the operators' meaning."""
    inputs: Types
    """The binding: types and concrete shapes, in the order of the model's inputs."""
    outputs: Types
    program_root: Hash
    """`vm.program.program_root`."""
    constants_root: Hash
    """Merkle root over the roots of the constants, in order; `program_root` covers it."""
    classes: U8
    """What is offered: bit n-1 stands for class n of vm.manifest.Class."""
    cut: Annotated[list[CutValue], msgspec.Meta(max_length=CUT_VALUES_MAX)]
    """Where native runs are compared. Empty unless native is offered."""
    tolerance: Ratio | None
    """How far native runs may differ at the cut, in units of `vm.compare`. None unless native is offered."""
    cost: Cost
    worst: Tile

    def offers(self, class_: Class) -> bool:
        """Tell whether jobs of a class are served."""
        return bool(self.classes >> class_ - 1 & 1)

    def cut_of(self, class_: Class) -> list[CutValue]:
        """Return what the cut bundle of a job holds: nothing in class exact, whose outputs say it all (V124)."""
        return self.cut if class_ is Class.NATIVE else []

    def cut_is_whole(self, class_: Class) -> bool:
        """Tell whether the cut of a job goes on chain whole, not by its content root (V123)."""
        return _bytes_of_all([value.type for value in self.cut_of(class_)]) <= SMALL_VALUES_BYTES_MAX

    @property
    def outputs_are_whole(self) -> bool:
        """Tell whether the outputs of a job go on chain whole, not by their content root (V123)."""
        return _bytes_of_all(self.outputs) <= SMALL_VALUES_BYTES_MAX


def _bytes_of_all(types: list[TensorType]) -> int:
    return sum(bytes_of(each) for each in types)


def classes_of(offered: list[Class]) -> int:
    """Return the bits that stand for classes."""
    return sum(1 << (class_ - 1) for class_ in sorted(set(offered)))


def lowering_id(lowering: Lowering) -> bytes:
    """Return the id of a lowering, 32 bytes: of all that it says (V121)."""
    return tagged("assay/lowering", codec.encode(lowering))


def check_lowering(lowering: Lowering, model: Model) -> None:
    """Raise Refused LOWERING_INVALID or TOO_LARGE unless the record is sound by itself and fits the model (V122)."""
    _check_ports(lowering, model)
    if not 0 < lowering.classes <= _ALL_CLASSES:
        raise Refused(Reason.LOWERING_INVALID, what="classes", seen=lowering.classes, wanted="native, exact or both")
    native = lowering.offers(Class.NATIVE)
    if native != (lowering.tolerance is not None) or native != bool(lowering.cut):
        raise Refused(Reason.LOWERING_INVALID, what="cut", wanted="a cut and a tolerance for class native alone")
    if lowering.tolerance is not None:
        _check_tolerance(lowering.tolerance)
    names = sorted(value.name for value in lowering.cut)
    for earlier, later in itertools.pairwise(names):
        if earlier == later:
            raise Refused(Reason.LOWERING_INVALID, what="cut", why="a name occurs twice", seen=later)
    for value in lowering.cut:
        if value.type.dtype not in FLOATS:
            raise Refused(Reason.LOWERING_INVALID, what="cut", seen=value.name, wanted="values of a float type")
    for what, size, most in (
        # No bundle holds more, and its layout has no numbers for what takes 4 GiB: a referee meets both.
        ("inputs", _bytes_of_all(lowering.inputs), BUNDLE_BYTES_MAX),
        ("cut", _bytes_of_all([value.type for value in lowering.cut]), CUT_VALUES_BYTES_MAX),
        ("outputs", _bytes_of_all(lowering.outputs), OUTPUT_VALUES_BYTES_MAX),
    ):
        if size > most:  # V123
            raise Refused(Reason.TOO_LARGE, what=what, seen=size, wanted=most)


_ALL_CLASSES = classes_of(list(Class))


def check_bound(lowering: Lowering, bundle: Bundle) -> None:
    """Raise Refused INPUT_WRONG_SHAPE unless an input has the shapes that a lowering is for (V126).

    Names and types have been checked beside the model's.
    """
    for type_, each in zip(lowering.inputs, bundle.tensors, strict=True):
        if each.tensor.shape != type_.shape:
            seen, wanted = told_shape(each.tensor.shape), told_shape(type_.shape)
            name = each.name.decode(errors="replace")
            raise Refused(Reason.INPUT_WRONG_SHAPE, input=name, seen=seen, wanted=wanted)


def _check_ports(lowering: Lowering, model: Model) -> None:
    for what, ports, types in (
        ("inputs", model.inputs, lowering.inputs),
        ("outputs", model.outputs, lowering.outputs),
    ):
        if len(ports) != len(types):
            raise Refused(Reason.LOWERING_INVALID, what=what, seen=len(types), wanted=len(ports))
        for port, type_ in zip(ports, types, strict=True):
            fitting = what == "outputs" or fits(type_.shape, port)  # what files declare of outputs is often wrong
            if type_.dtype is not port.dtype or not fitting:
                seen = f"{type_.dtype.name.lower()} {told_shape(type_.shape)}"
                wanted = f"{port.dtype.name.lower()} {told_shape(port.shape)}"
                raise Refused(Reason.LOWERING_INVALID, what=what, tensor=port.name, seen=seen, wanted=wanted)


def _check_tolerance(seen: Ratio) -> None:
    least, most = TOLERANCE_LEAST, TOLERANCE_MOST
    if (
        seen.numerator * least.denominator < least.numerator * seen.denominator
        or seen.numerator * most.denominator > most.numerator * seen.denominator
    ):
        told = f"{least.numerator}/{least.denominator} to {most.numerator}/{most.denominator}"
        raise Refused(
            Reason.LOWERING_INVALID, what="tolerance", seen=f"{seen.numerator}/{seen.denominator}", wanted=told
        )
