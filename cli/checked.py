"""What `assay model check` prints: what is served and why not, the cut, the noise, the cost, operator by operator."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from cli.out import facts, table
from node.rpc.json_value import Json
from node.rpc.model_shapes import CalibrationShape, FaultShape, MeaningShape, ModelVerdict, PortShape
from vm.tensor import SMALL_VALUES_BYTES_MAX

BILLION = 10**9
THOUSAND = 1_000


def record(told: ModelVerdict) -> Json:
    """Return a verdict as the envelope holds it."""
    found: Json = msgspec.to_builtins(told)
    return found


def lines(told: ModelVerdict) -> list[str]:
    """Return a verdict as people read it: the outcome first, then grounds, then figures."""
    pairs: list[tuple[str, object]] = [("served", _served(told))]
    pairs += [("input", _port(each)) for each in told.inputs]
    pairs += [("output", _port(each)) for each in told.outputs]
    if told.meaning is not None:
        pairs += _of_meaning(told.meaning, told.tolerance)
    if told.calibration is not None:
        pairs += _of_calibration(told.calibration)
    parts = [facts(pairs)]
    if told.faults:
        parts.append([line for each in told.faults for line in _fault(each)])
    rows = [
        (each.name, each.count, each.in_tail, each.kind, _classes_of(each.name, each.kind, told))
        for each in told.operators
    ]
    parts.append(table(("OPERATOR", "NODES", "IN TAIL", "KIND", "CLASSES"), rows))
    return [line for at, part in enumerate(parts) for line in ([""] if at else []) + part]


def _served(told: ModelVerdict) -> str:
    if not told.classes:
        return "no: " + (told.faults[0].reason_name.replace("_", " ") if told.faults else "nothing is offered")
    return "in class " + " and ".join(told.classes)


def _classes_of(name: str, kind: str, told: ModelVerdict) -> str:
    """Return in which classes an operator stands in nobody's way."""
    if kind == "unknown":
        return "none"
    against = {each for fault in told.faults if name in _operator_of(fault) for each in fault.classes}
    return ", ".join(each for each in ("native", "exact") if each not in against) or "none"


def _operator_of(fault: FaultShape) -> list[str]:
    """Return the words of a fault that may be an operator's name: it is told as such, or as `number operator name`."""
    return str(fault.facts.get("operator", "")).split() + str(fault.facts.get("node", "")).split()[1:2]


def _shown(size: int) -> str:
    """Return so many bytes of values, with how they go on chain (V123)."""
    return f"{size:,} bytes " + ("whole" if size <= SMALL_VALUES_BYTES_MAX else "by their root")


def _of_meaning(meaning: MeaningShape, tolerance: str | None) -> list[tuple[str, object]]:
    cost, worst = meaning.cost, meaning.worst
    pairs: list[tuple[str, object]] = [("for", _port(each)) for each in meaning.inputs]
    pairs += [("cut", f"{_port(each)}") for each in meaning.cut]
    pairs += [
        ("values", f"{_shown(meaning.cut_bytes)} at the cut, {_shown(meaning.output_bytes)} of output"),
        ("program", f"{meaning.operations:,} operations, {meaning.tail_operations:,} of them in the tail"),
    ]
    if tolerance is not None:
        pairs.append(("tolerance", f"{float(Fraction(tolerance)):.2e} of the scale"))
    pairs += [
        ("cost", f"{cost.macs:,} MACs, {cost.elementary:,} elementary, {cost.moved_bytes:,} bytes moved"),
        ("gas", f"{cost.native_gas:,} native, {cost.gas:,} exact"),
        ("memory", f"{cost.peak_bytes:,} bytes at a time"),
        ("worst element", f"{worst.proof_bytes:,} bytes of proof, {worst.steps:,} steps at {meaning.worst_node}"),
    ]
    return pairs


def _of_calibration(found: CalibrationShape) -> list[tuple[str, object]]:
    samples = "made-up samples; give your own with --input" if found.made_up else f"{found.samples} samples"
    pairs: list[tuple[str, object]] = [
        ("calibrated", f"on {samples}"),
        ("took", f"{found.native_us / THOUSAND:.1f} ms native, {found.canonical_us / THOUSAND:.1f} ms canonical"),
    ]
    for each in found.values:
        noise, off = each.sigma / BILLION, each.in_sigma / THOUSAND
        pairs.append(("noise", f"{each.name}: sigma {noise:.2e} of the scale, native off by {off:.1f} sigma"))
    return pairs


def _fault(fault: FaultShape) -> Sequence[str]:
    words = fault.reason_name.replace("_", " ")
    against = " and ".join(fault.classes) or "no class"
    told = [f"AS-{fault.reason}  not {against}: {words}"]
    return told + [f"  {line}" for line in facts(list(fault.facts.items()))] if fault.facts else told


def _port(port: PortShape) -> str:
    shape = ",".join("?" if size < 0 else str(size) for size in port.shape)
    return f"{port.name}  {port.dtype} [{shape}]"
