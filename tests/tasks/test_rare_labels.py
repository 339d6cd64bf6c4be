from __future__ import annotations

import pytest

from promptopt.tasks.rare_labels import doubtful

SLIPS = {
    "urgant": "urgent",
    "urgnet": "urgent",
    "urgnt": "urgent",
    "urgents": "urgent",
    "postive": "positive",
    "Postive": "positive",
    "complaiins": "complaints",
    "rühig": "ruhig",
    "1 stars": "1 star",
    "categories": "category",
}
APART = {
    "spam": "ham",
    "do": "no",
    "polite": "impolite",
    "level 1": "level 2",
    "legal": "billing",
    "male": "female",
    "55": "5",
}


@pytest.mark.parametrize("label", SLIPS)
def test_a_rare_label_that_is_nearly_another_one_is_told_with_it(label: str) -> None:
    said = doubtful({SLIPS[label]: 40, "order": 40, label: 1})
    assert len(said) == 1
    assert f"'{label}' (1) of '{SLIPS[label]}' (40)" in said[0]
    assert f'classes = {{ "{label}" = "{SLIPS[label]}", … }}' in said[0]
    assert said[0].endswith("and take what is misspelt out of labels and parts")


@pytest.mark.parametrize("label", APART)
def test_a_rare_label_that_is_a_word_of_its_own_is_only_told_to_be_rare(label: str) -> None:
    said = doubtful({APART[label]: 40, label: 4})
    assert said == [
        f"1 label has fewer than 5 rows, too few for a share in each of train, dev and test: '{label}' (4); add rows, "
        f"or leave it out"
    ]


def test_labels_that_are_all_frequent_are_no_slips_but_for_plurals() -> None:
    assert doubtful({"like": 40, "bike": 40, "hike": 9}) == []
    assert "'refunds' (20) of 'refund' (20)" in doubtful({"refunds": 20, "refund": 20, "order": 20})[0]


def test_of_many_labels_some_are_named_and_the_others_counted() -> None:
    said = doubtful({"billing": 40} | {f"{letter}1": 1 for letter in "abcde"})
    assert said[0].startswith("5 labels have fewer than 5 rows")
    assert "'a1' (1), 'b1' (1), 'c1' (1) and 2 more; add rows, or leave them out" in said[0]


def test_a_label_as_frequent_as_each_split_needs_is_not_told() -> None:
    assert doubtful({"billing": 40, "legal": 5}) == []
    assert doubtful({}) == []


@pytest.mark.parametrize(
    ("frequent", "rare"),
    [("increase", "decrease"), ("Hypertension", "hypotension"), ("hypoglycemia", "hyperglycemia"),
     ("intranet", "internet"), ("macroscopic", "microscopic"), ("ascending", "descending")],
)  # fmt: skip
def test_opposites_are_no_slips(frequent: str, rare: str) -> None:
    assert doubtful({frequent: 100, rare: 5}) == []
