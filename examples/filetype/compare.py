"""Compare labels that the network gave with those of the magika library itself.

    python -m examples.filetype.compare < answers.json

The answers are a JSON object from path to label. This program alone imports the library, and in a process of its own.
"""

import json
import sys

from magika import Magika


def main() -> int:
    """Print one line per file and return 1 if any label differs."""
    answers: dict[str, str] = json.load(sys.stdin)
    library = Magika()
    wrong = 0
    for path, seen in answers.items():
        wanted = str(library.identify_path(path).output.label)
        wrong += seen != wanted
        sys.stdout.write(f"{'same' if seen == wanted else 'DIFFERENT'}  network {seen}  library {wanted}  {path}\n")
    sys.stdout.write(f"{len(answers)} labels compared with magika {library.get_module_version()}, {wrong} different\n")
    return 1 if wrong or not answers else 0


if __name__ == "__main__":
    sys.exit(main())
