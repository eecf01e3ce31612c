"""What is said to each hostile model: the first fault that stands against class exact."""

from primitives.reasons import Reason


def _named(names: str) -> list[str]:
    return names.split()


SAID = {
    Reason.EXTERNAL_DATA: _named("""
        reads-a-parent-folder reads-proc reads-dev-zero reads-memory constant-outside-the-file
        branch-outside-the-file
    """),
    Reason.FUNCTIONS_REFUSED: _named("""
        functions-doubling functions-circular attribute-refers
    """),
    Reason.GRAPH_INVALID: _named("""
        convolves-negative-padding
        input-name-not-utf8 weight-too-short weight-negative weight-overflowing weight-without-data
        weight-of-rank-1000 weight-with-data-twice input-of-2-to-the-62 unsorted cyclic
        a-name-set-twice output-of-nothing expands-beyond-64-bits tiles-negatively pads-away
        resizes-to-infinity resizes-to-nan range range-without-step einsum-nonsense einsum-long
        pools-nothing pools-by-steps-of-0 pools-dilated-by-0 gathers attribute-of-5-million
        top-k-of-2-to-the-62 attribute-twice attribute-of-another-type attribute-unknown
        attribute-without-type 100000-inputs 100000-outputs no-inputs tree-far-child
        tree-far-feature tree-far-target tree-short-lists tree-same-node-twice compress
        reshape-to-two-unknowns reshape-to-less reshape-beyond-64-bits reshape-to-negative
        slice-by-0 slice-axis-9 transpose-twice-the-same concat-axis-2-to-the-40 split-negatively
        squeeze-four add-shapes-that-differ matmul-lengths-that-differ quantise-by-0 quantise-axis-9
        add-of-types-that-differ softmax-axis-9 depth-to-space-by-0 sequence
    """),
    Reason.MODEL_UNREADABLE: _named("""
        empty noise cut-short ort-format no-graph no-nodes no-outputs
    """),
    Reason.NESTING_TOO_DEEP: _named("""
        choices-17-deep choices-30-deep
    """),
    Reason.NONDETERMINISTIC: _named("""
        random-normal random-uniform-like bernoulli multinomial dropout-in-training
    """),
    Reason.OPERATOR_REFUSED: _named("""
        operator-name-not-utf8 unknown-domain transposes-by-large-steps sorts-8-million mel-matrix
        tree-in-a-circle tree-many-targets tree-unknown-mode tree-of-20000-levels unique
        splits-to-a-sequence optional strings-normalised cast-to-type-999 cast-to-strings
        constant-of-nothing unsqueeze-300 gemm-of-rank-1 local-response-of-size-0
    """),
    Reason.OPSET_REFUSED: _named("""
        opset-999 opset-negative opset-twice no-opset ir-version-0 ir-version-999
    """),
    Reason.SHAPE_NOT_STATIC: _named("""
        input-without-rank input-of-rank-200 non-zero shape-from-values branches-differ
    """),
    Reason.TOO_COSTLY: _named("""
        folds-constants folds-products multiplies-for-hours keeps-everything
    """),
    Reason.TOO_MANY_NODES: _named("""
        loops-for-ever loops-2-to-the-60 loops-a-million loops-in-loops scans-a-million
        30000-nodes 30000-weights choices-in-both-branches recurs-100000-steps
    """),
    Reason.TYPE_REFUSED: _named("""
        weight-of-no-type weight-of-type-999 weight-of-4-bits weight-of-strings sparse-weight
        training-information input-of-strings input-a-sequence input-optional constant-of-strings
        constant-sparse
    """),
    Reason.VALUE_TOO_LARGE: _named("""
        resizes
        expands-to-8-gb tiles constant-of-shape constant-nobody-needs pads one-hot long-range
        multiplies-large convolves-padding loops-doubling einsum pools-a-large-window
        transposes-large-padding concatenates-60-times attends-to-100000 window-of-2-to-the-40 eye
    """),
}
"""By reason; at once, in every sandbox."""

SERVED = _named("""
    weight-name-not-utf8 loops-a-negative-number loop-until-told
    gather-beyond scatter-beyond used-again-and-again
""")
"""Strange, and yet with one meaning: a run of them has a result, or ends in a trap."""

SLOW = {
    "folds-many": {Reason.TOO_COSTLY},
    "convolves-a-large-kernel": {Reason.OUTPUT_TOO_LARGE, Reason.TOO_COSTLY},
    "recurs-wide": {Reason.TOO_COSTLY, Reason.OUTPUT_TOO_LARGE},
    "splits-50000": {Reason.OUTPUT_TOO_LARGE},
}
"""What takes seconds to find out: said at last, unless the sandbox's limit of time or memory comes first."""
LIMITS = {Reason.RUN_TIME_LIMIT, Reason.RUN_MEMORY_LIMIT}
