"""What a gate decided as JUnit XML, which every server of continuous integration shows: a case for each decision."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from promptopt.outcome.decisions import Decision

_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 takes in no form."""


def junit(suite: str, decisions: Sequence[Decision], properties: Mapping[str, str] | None = None) -> str:
    """The XML. A regression is a failure, and what is inconclusive is skipped. `properties`: of all, by their names.

    The same decisions give the same bytes: no time, no host.
    """
    failures, skipped = (
        sum(decision.outcome == outcome for decision in decisions) for outcome in ("regression", "inconclusive")
    )
    counts = {"tests": str(len(decisions)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    root, inner = _suite(suite, counts)
    if properties:
        told = ElementTree.SubElement(inner, "properties")
        for name, value in properties.items():
            ElementTree.SubElement(told, "property", {"name": _clean(name), "value": _clean(value)})
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
    return _xml_text(root)


def junit_of_failure(suite: str, message: str) -> str:
    """The XML of a gate that failed before it decided anything: one case, an error."""
    root, inner = _suite(suite, {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"})
    case = ElementTree.SubElement(inner, "testcase", {"classname": _clean(suite), "name": "the check itself"})
    ElementTree.SubElement(case, "error", {"message": _clean(message), "type": "failed"}).text = _clean(message)
    return _xml_text(root)


def _suite(name: str, counts: dict[str, str]) -> tuple[ElementTree.Element, ElementTree.Element]:
    root = ElementTree.Element("testsuites", counts)
    return root, ElementTree.SubElement(root, "testsuite", {"name": _clean(name), **counts})


def _xml_text(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
