"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

KeyName = Annotated[str | None, typer.Option("--key", help="The key to sign with; needed if there are several.")]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", help="File whose first line opens the key.")]
Unchecked = Annotated[
    bool, typer.Option("--unchecked", help="Leave out the checks made here, so that the network's own answer shows.")
]
WaitS = Annotated[float, typer.Option("--wait-s", help="How long to wait, seconds.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")]
