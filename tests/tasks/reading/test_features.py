"""Names of classes, as `datasets` stores them in Parquet, Arrow, and beside saved tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.files import read_rows

arrow: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")

CLASSES = {"names": ["neg", "pos"], "_type": "ClassLabel"}
FEATURES = {"text": {"dtype": "string", "_type": "Value"}, "label": CLASSES}
NAMED = [{"text": "a", "label": "neg"}, {"text": "b", "label": "pos"}]


def _table(features: dict[str, Any] | None, **columns: list[Any]) -> Any:
    table = arrow.table({"text": ["a", "b"], **columns})
    stored = {"huggingface": json.dumps({"info": {"features": features}})}
    return table if features is None else table.replace_schema_metadata(stored)


def test_parquet_names_its_classes(tmp_path: Path) -> None:
    parquet.write_table(_table(FEATURES, label=[0, 1]), tmp_path / "a.parquet")
    assert list(read_rows(tmp_path / "a.parquet")) == NAMED


@pytest.mark.parametrize("within", [True, False])
def test_a_saved_data_set_names_its_classes(tmp_path: Path, within: bool) -> None:
    table = _table(FEATURES if within else None, label=[0, 1])
    with arrow.OSFile(str(tmp_path / "data.arrow"), "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}), encoding="utf-8")
    if not within:
        (tmp_path / "dataset_info.json").write_text(json.dumps({"features": FEATURES}), encoding="utf-8")
    assert list(read_rows(tmp_path)) == NAMED


@pytest.mark.parametrize(
    "feature", [[CLASSES], {"feature": CLASSES, "_type": "Sequence"}, {"feature": CLASSES, "_type": "List"}]
)
def test_lists_of_classes_are_lists_of_names(tmp_path: Path, feature: object) -> None:
    parquet.write_table(_table({"label": feature}, label=[[0, 1], []]), tmp_path / "a.parquet")
    assert [row["label"] for row in read_rows(tmp_path / "a.parquet")] == [["neg", "pos"], []]


def test_no_class_is_empty_and_a_strange_number_stays(tmp_path: Path) -> None:
    parquet.write_table(_table(FEATURES, label=[-1, 7]), tmp_path / "a.parquet")
    assert [row["label"] for row in read_rows(tmp_path / "a.parquet")] == ["", 7]


@pytest.mark.parametrize("features", [None, {}, [], {"label": {"dtype": "int64", "_type": "Value"}}])
def test_numbers_that_are_no_classes_stay(tmp_path: Path, features: Any) -> None:
    parquet.write_table(_table(features, label=[0, 1]), tmp_path / "a.parquet")
    assert [row["label"] for row in read_rows(tmp_path / "a.parquet")] == [0, 1]
