"""What the pages of the documentation, and all files, must not say or miss."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.tidy.sources import ROOT, Source

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"`([a-z_.0-9]+/[\w./-]*)`")
_MAKE = re.compile(r"\bmake ([a-z]+)\b")

# In two parts each, so that this file is not found itself.
_MACHINE_PATHS = re.compile(r"(?<![\w.])/(" + "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"]) + r")/")
_HOSTS = ["py" + r"pi\.org", "python" + r"hosted\.org", r"crates\." + "io", r"npm" + r"js\.org"]
_INDEX_HOSTS = re.compile("|".join([*_HOSTS, r"https?://[^ ]+/sim" + "ple/"]))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Source) -> Iterator[str]:
    """Find links to files or headings that are not there."""
    for target in _LINK.findall(_FENCE.sub("", page.text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page.name).parent / path if path else ROOT / page.name
        if not there.exists():
            yield f"{page.name}: {target}"
        elif anchor and anchor not in map(_anchor, _HEADING.findall(there.read_text(encoding="utf-8"))):
            yield f"{page.name}: no heading for {target}"


def missing_paths(page: Source) -> Iterator[str]:
    """Find paths in code marks that begin with a folder of the repository and are not there."""
    for path in _PATH.findall(_FENCE.sub("", page.text)):
        if (ROOT / path.partition("/")[0]).is_dir() and not (ROOT / path).exists():
            yield f"{page.name}: {path}"


def missing_targets(page: Source, makefile: str) -> Iterator[str]:
    """Find `make` targets that the Makefile has not."""
    marked = re.findall(r"`[^`\n]*`|^\$ .*$", page.text, re.MULTILINE)
    for target in _MAKE.findall("\n".join(marked)):
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            yield f"{page.name}: make {target}"


def not_in_index(index: Source, pages: Iterable[Source]) -> Iterator[str]:
    """Find pages of a folder that its README does not link to."""
    folder = Path(index.name).parent
    linked = {str(folder / target) for target in _LINK.findall(index.text)}
    for page in pages:
        if Path(page.name).parent == folder and page.name not in {index.name, *linked}:
            yield f"{page.name} is not in {index.name}"


def machine_names(source: Source) -> Iterator[str]:
    """Find paths of somebody's machine, and hosts of package indexes."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if _MACHINE_PATHS.search(line) or _INDEX_HOSTS.search(line):
            yield source.at(number, line.strip()[:100])
