"""Whoever types what the pages say gets what they promise."""

from pathlib import Path

import pytest

from tests.docs.console import commands, marks, not_run, run_as_a_reader

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TYPED = [page for page in PAGES if commands(page.read_text(encoding="utf-8"))]


@pytest.mark.e2e
@pytest.mark.parametrize("page", TYPED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_works(page: Path, tmp_path: Path) -> None:
    typed = run_as_a_reader(commands(page.read_text(encoding="utf-8")), home=tmp_path)
    assert typed.returncode == 0, typed.stdout[-4000:]


def test_the_first_page_has_something_to_type() -> None:
    assert ROOT / "README.md" in TYPED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_only_make_is_not_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert marks(text) <= {"", "no-run"}
    assert [line for line in not_run(text) if not line.startswith(("make ", "git clone ", "cd "))] == []


SAMPLE = """\
```console
$ echo one \\
    two
one two
$ true
```

```console no-run
$ make test
```

```python
$ no
```
"""


def test_commands_are_what_follows_the_dollar() -> None:
    assert commands(SAMPLE) == ["echo one \\\n    two", "true"]
    assert not_run(SAMPLE) == ["make test"]


def test_commands_share_one_shell_and_one_directory(tmp_path: Path) -> None:
    typed = run_as_a_reader(
        ["mkdir a && cd a", "x=2", 'test "$(basename "$PWD")$x" = a2', "assay --help"], home=tmp_path
    )
    assert typed.returncode == 0, typed.stdout


@pytest.mark.parametrize("command", ["false", "false | true", "nosuchcommand", 'echo "$UNSET"'])
def test_a_command_that_fails_is_found(command: str, tmp_path: Path) -> None:
    assert run_as_a_reader([command, "true"], home=tmp_path).returncode != 0
