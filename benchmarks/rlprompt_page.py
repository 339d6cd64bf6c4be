"""The page of RLPrompt's results, part by part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = RESULTS / "rlprompt.md"


def write(lines: Sequence[str], page: Path = PAGE) -> None:
    """Put a part into the results, in the place of the one of its kind; the first line is its heading.

    What stands below a heading of the third level stays: a person wrote it, or it is of an earlier run.
    """
    known = page.read_text(encoding="utf-8") if page.exists() else "# RLPrompt\n\n"
    title, *parts = re.split("^(?=## )", known, flags=re.MULTILINE)
    found = "\n".join(lines).rstrip() + "\n\n"
    places = [place for place, part in enumerate(parts) if part.startswith(lines[0] + "\n")]
    if places:
        _, below, kept = parts[places[0]].partition("\n### ")
        parts[places[0]] = found + below[1:] + kept
    else:
        parts.append(found)
    page.write_text("\n\n".join(part.rstrip() for part in (title, *parts)) + "\n", encoding="utf-8")
    print("\n".join(lines))
