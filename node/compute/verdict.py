"""A verifier's verdict on what the provider has shown (D10): the chain's own comparison, and what it leaves open."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ledger.market.commitment import Opened, check_form, forms
from ledger.market.judging import judge
from ledger.transaction import Decision
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused
from vm.compare import compare_bundles
from vm.lowering import Lowering
from vm.manifest import Class, Model
from vm.tensor import CUT_BUNDLE_BYTES_MAX, CUT_VALUES_BYTES_MAX, Bundle, decode_bundle, decode_result

MODEL_REASONS = (*range(500, 600), Reason.RUN_TRAPPED)
"""Reasons that lie in the model or its input: another try finds the same."""
_log = logging.getLogger("assay.worker")

Fetch = Callable[[ContentId], Awaitable[bytes]]
"""Gets content from the provider."""
Follow = Callable[[bytes], Awaitable[bytes]]
"""Computes the outputs that follow from an encoded cut bundle."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is judged: the provider's reveal, for a job of this meaning."""

    model: Model
    lowering: Lowering
    class_: Class
    cut: bytes | ContentId
    """As the provider showed it."""
    outputs: ContentId


@dataclass(frozen=True, kw_only=True)
class Found:
    """A verdict, and if it is accept the provider's outputs, which the verifier holds by then."""

    verdict: Decision
    outputs: bytes | None = None


async def weigh(case: Case, cut: bytes, outputs: bytes, *, fetch: Fetch, follow: Follow) -> Found:
    """Return the verdict of a verifier whose own encoded bundles are `cut` and `outputs`.

    Raises Refused CONTENT_NOT_FOUND if the provider does not serve a cut that it owes, and what a run raises that
    fails for another reason than model and input.
    """
    own = Opened(
        cut=decode_result(cut, values_max=CUT_VALUES_BYTES_MAX), cut_id=content_id(cut), outputs_id=content_id(outputs)
    )
    cut_id = case.cut if isinstance(case.cut, ContentId) else content_id(case.cut)
    shown = None if isinstance(case.cut, ContentId) else _decoded(case, case.cut)
    verdict = judge(own, Opened(cut=shown, cut_id=cut_id, outputs_id=case.outputs), case.lowering, case.class_)
    if verdict is not None:
        return Found(verdict=verdict, outputs=outputs if verdict is Decision.ACCEPT else None)
    raw = await fetch(case.cut) if isinstance(case.cut, ContentId) else case.cut
    if not _is_within(case, own, raw):
        return Found(verdict=Decision.REJECT)
    try:
        followed = await follow(raw)
    except Refused as refused:
        if refused.reason not in MODEL_REASONS:
            raise
        _log.warning("nothing follows from the provider's cut: %s", refused)
        return Found(verdict=Decision.REJECT)  # D15
    if content_id(followed) != case.outputs:  # J25
        return Found(verdict=Decision.REJECT)
    return Found(verdict=Decision.ACCEPT, outputs=followed)


def _is_within(case: Case, own: Opened, raw: bytes) -> bool:
    """Tell whether a cut is one, and agrees with our own (J76); the chain has seen to that where it was shown whole."""
    shown = _decoded(case, raw)
    if shown is None:
        return False
    assert own.cut is not None
    assert case.lowering.tolerance is not None
    return compare_bundles(own.cut, shown, case.lowering.tolerance).within


def _decoded(case: Case, raw: bytes) -> Bundle | None:
    """Return an encoded cut; None if it is none of the form that the lowering gives.

    Values need not be in normal form: a referee reads them in it, so nobody could prove them wrong (V133).
    """
    form, _ = forms(case.model, case.lowering, case.class_)
    try:
        bundle = decode_bundle(raw, at_most=CUT_BUNDLE_BYTES_MAX)
        check_form("cut", bundle, form)
    except Refused as refused:
        _log.warning("the provider's cut has another form than the lowering gives: %s", refused)
        return None
    return bundle
