"""Names of classes, as `datasets` stores them beside a table that holds only their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptopt.tasks.reading.columns import Row

Names = Mapping[str, Sequence[str]]
"""Of each column of classes the names, in the order of their numbers."""


def names_in(metadata: Mapping[bytes, bytes] | None) -> Names:
    """The names that the metadata of an Arrow or Parquet schema has; none where it says nothing of classes."""
    try:
        stored: Any = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):
        return {}
    return class_names_of(cast("dict[str, Any]", stored).get("info") if isinstance(stored, dict) else None)


def class_names_of(info: object) -> Names:
    """The names in a data set's description, the contents of `dataset_info.json`."""
    features: Any = cast("dict[str, Any]", info).get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return {}
    found = {name: _class_names(feature) for name, feature in cast("dict[str, Any]", features).items()}
    return {name: names for name, names in found.items() if names}


def with_class_names(row: Row, names: Names) -> Row:
    """The row with the names of its classes. The number -1 stands for no class, as in test splits without labels."""
    return {
        column: _class_names_of(value, names[column]) if column in names else value for column, value in row.items()
    }


def _class_names(feature: Any) -> list[str]:
    """Of one class a row, or of a list of them."""
    if isinstance(feature, list):
        return _class_names(feature[0]) if feature else []
    if not isinstance(feature, dict):
        return []
    described = cast("dict[str, Any]", feature)
    if described.get("_type") == "ClassLabel":
        given: Any = described.get("names")
        return [str(name) for name in cast("list[Any]", given)] if isinstance(given, list) else []
    return _class_names(described.get("feature"))


def _class_names_of(value: object, names: Sequence[str]) -> object:
    if isinstance(value, list):
        return [_class_names_of(each, names) for each in cast("list[object]", value)]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    # `datasets` writes -1 where there is no label.
    return "" if value == -1 else names[value] if 0 <= value < len(names) else value
