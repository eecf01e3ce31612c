"""Each rule of consensus, switched off, is caught by checks that do not know which; `make night` runs the campaign."""

import pytest

from consensus.core import Core
from testnet.sim.mutants.campaign import MANIFESTS, judge
from testnet.sim.mutants.cores import ALONE, MUTANTS, core_of
from testnet.sim.mutants.scenarios import SCENARIOS

CAUGHT_IN: dict[str, tuple[str, ...]] = {
    "contradiction": (
        "keeps-notarizations-to-itself",
        "finalizes-unvalidated",
        "goes-on-after-contradiction",
        "sends-first",
        "forgets-certificates",
        "waits-for-ever",
        "skips-the-heard",
        "quorum-is-all",
    ),
    "stolen-key": (
        "does-not-stop-for-a-double",
        "trusts-certificates",
    ),
    "usurper": (
        "follows-any-leader",
        "keeps-nullifications-to-itself",
    ),
    "old-vote": (
        "forgets-nullify-votes",
        "does-not-adopt-votes",
    ),
    "follower": ("follower-speaks",),
    "long-gap": ("shows-all-certificates",),
    "lossy": (
        "signs-other-bytes",
        "forgets-the-waiting",
        "builds-on-the-final-block",
        "justifies-nothing",
        "finalizes-nothing-late",
        "finalizes-early",
        "keeps-finality-to-itself",
        "fetches-once",
        "commits-what-is-notarized",
        "commits-without-ancestors",
        "never-times-out",
        "does-not-join",
        "finalizes-nullified",
        "never-repeats",
        "does-not-repeat-finalize",
        "does-not-repeat-certificates",
        "retries-once",
        "answers-nobody",
        "counts-old-and-far-votes",
        "forgets-notarize-votes",
        "forgets-finalize-votes",
        "forgets-blocks",
        "majority-suffices",
        "blame-is-anybody",
        "leads-by-turns",
    ),
    "crash": (
        "enters-only-the-next",
        "forgets-the-mark",
        "never-rearms",
        "blame-is-quorum",
    ),
    "partition": (
        "proposes-twice",
        "proposes-after-skipping",
        "leader-without-parent-waits",
    ),
    "garblers": (
        "votes-for-invalid",
        "waits-for-invalid-blocks",
        "answers-always",
        "counts-a-signer-twice",
        "trusts-votes",
        "blames-nobody",
        "takes-foreign-votes",
    ),
    "equivocators": (
        "notarizes-twice",
        "reports-nobody",
    ),
    "skippers": (
        "skips-ancestry",
        "ignores-gaps",
    ),
    "stale": (
        "asks-for-no-certificates",
        "waits-for-the-silent",
        "asks-again-and-again",
    ),
    "epochs": (
        "votes-at-once",
        "judges-the-end-once",
    ),
}
"""Where the first seed catches a mutant; the campaign puts each to everything in turn."""
CAUGHT_LATER = {
    "proposes-no-more-after-a-crash": ("crash", 1),
    "leaves-the-end-alone": ("epochs", 1),
    "never-gives-more-time": ("crash", 0),
}
PLAYS = [*((name, where, 0) for where, names in CAUGHT_IN.items() for name in names)]
PLAYS += [(name, where, seed) for name, (where, seed) in CAUGHT_LATER.items()]


@pytest.mark.parametrize(("name", "where", "seed"), PLAYS)
def test_a_mutant_is_caught(name: str, where: str, seed: int) -> None:
    check, what = judge(core_of(name), where, seed)
    assert check, f"{name} passed {where}"
    assert check != "faults", what


def test_every_mutant_is_caught_or_can_t_be_alone() -> None:
    assert sorted(MUTANTS) == sorted([*(name for name, _, _ in PLAYS), *ALONE])


@pytest.mark.parametrize("where", [*SCENARIOS, *MANIFESTS])
def test_the_true_core_keeps_all_obligations(where: str) -> None:
    assert judge(Core, where, 0) == ("", "")
