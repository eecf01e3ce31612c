"""Kernels that are kept beside the code: none but those that were made from it, and whole."""

import ast
from pathlib import Path

from vm import compiled


def test_kernels_are_read_as_they_were_kept(tmp_path: Path) -> None:
    file = tmp_path / "kernels.o"
    compiled.keep(file, b"machine code")
    assert compiled.read(file) == b"machine code"


def test_kernels_that_are_not_whole_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "kernels.o"
    compiled.keep(file, b"machine code")
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:20], whole[:-1] + b"?", b"machine code" * 9):
        file.write_bytes(damaged)
        assert compiled.read(file) is None


def test_kernels_are_kept_for_everything_that_they_are_made_from() -> None:
    sources = compiled.sources()
    names = {source.stem for source in sources}
    for source in sources:
        if source.stem == "fast_library":
            continue  # it reads arrays alone, and loads what was made
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vm."):
                module = str(node.module).rpartition(".")[2]
                wanted = {each.name for each in node.names} if module == "canonical" else {module}
                assert wanted <= names, source
