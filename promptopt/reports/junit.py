"""What a gate decided as JUnit XML, which every server of continuous integration shows: a case for each decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from promptopt.outcome.decisions import Decision

_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 takes in no form."""


def junit(suite: str, decisions: Sequence[Decision]) -> str:
    """The XML. A regression is a failure, and what is inconclusive is skipped.

    The same decisions give the same bytes: no time, no host.
    """
    failures, skipped = (
        sum(decision.outcome == outcome for decision in decisions) for outcome in ("regression", "inconclusive")
    )
    counts = {"tests": str(len(decisions)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    root = ElementTree.Element("testsuites", counts)
    inner = ElementTree.SubElement(root, "testsuite", {"name": _clean(suite), **counts})
    for decision in decisions:
        named = {"classname": _clean(suite), "name": _clean(decision.name)}
        case = ElementTree.SubElement(inner, "testcase", named)
        if decision.outcome == "regression":
            kind = {"message": _clean(decision.message), "type": decision.outcome}
            ElementTree.SubElement(case, "failure", kind).text = _clean(decision.message)
        elif decision.outcome == "inconclusive":
            ElementTree.SubElement(case, "skipped", {"message": _clean(decision.message)})
        else:
            ElementTree.SubElement(case, "system-out").text = _clean(decision.message)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
