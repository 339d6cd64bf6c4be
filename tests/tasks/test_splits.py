from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.duplicates import check_disjoint, same_input, without_duplicates
from promptopt.tasks.splits import Pool, Splits, _common_target, cut  # pyright: ignore[reportPrivateUsage]
from promptopt.types import Example

ROWS = tuple(Example.of("yes" if number % 4 else "no", text=f"row {number}") for number in range(400))

texts = st.lists(st.sampled_from(["a", "a ", " a", "b", "b\n", "c", "d", "e", "f", "g", "h"]), max_size=12)
pools = st.builds(
    lambda rows, dev, test: Pool(*(tuple(Example.of(t.strip(), text=t) for t in part) for part in (rows, dev, test))),
    texts.filter(bool), texts, texts,
)  # fmt: skip


@settings(deadline=None)  # the first small test split imports scipy
@given(pool=pools, seed=st.integers(0, 5), stratify=st.booleans())
def test_splits_are_disjoint_and_come_from_where_they_should(pool: Pool, seed: int, stratify: bool) -> None:
    official = {same_input(example) for example in (*pool.dev, *pool.test)}
    assume(any(same_input(example) not in official for example in pool.rows))
    splits = cut(pool, Splits(seed=seed), stratify=stratify)
    parts = [{same_input(example) for example in part} for part in (splits.train, splits.dev, splits.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == sum(map(len, (splits.train, splits.dev, splits.test)))
    assert set(splits.test) <= set(pool.test if pool.test else pool.rows)
    assert splits == cut(pool, Splits(seed=seed), stratify=stratify)


def test_default_sizes_are_shares_with_a_ceiling() -> None:
    small = cut(Pool(ROWS[:100]), Splits(), stratify=False)
    assert (len(small.train), len(small.dev), len(small.test)) == (40, 20, 40)
    asked = cut(Pool(ROWS), Splits(test=310), stratify=False)
    assert (len(asked.train), len(asked.dev), len(asked.test)) == (60, 30, 310)
    many = tuple(Example.of(text=str(number)) for number in range(2_000))
    large = cut(Pool(many), Splits(), stratify=False)
    assert (len(large.train), len(large.dev), len(large.test)) == (200, 100, 600)


@pytest.mark.parametrize("rows", range(5, 30))
@pytest.mark.parametrize("asked", [{}, {"test": 3}, {"train": 2}, {"dev": 1, "train": 2}])
def test_every_row_stands_in_a_split_and_none_is_moved_out_of_test_by_it(rows: int, asked: dict[str, int]) -> None:
    found = cut(Pool(ROWS[:rows]), Splits(**asked), stratify=False)
    assert len(found.train) + len(found.dev) + len(found.test) == rows
    if not asked:
        assert (len(found.dev), len(found.test)) == (rows * 20 // 100, rows * 40 // 100)
    assert all(len(getattr(found, name)) == size for name, size in asked.items())


@settings(deadline=None)
@given(seed=st.integers(0, 50))
def test_stratified_splits_hold_the_targets_in_proportion(seed: int) -> None:
    splits = cut(Pool(ROWS), Splits(100, 60, 80, seed=seed), stratify=True)
    for part in (splits.train, splits.dev, splits.test):
        assert abs(Counter(example.target for example in part)["no"] - len(part) / 4) <= 1


def test_the_seed_moves_the_splits_and_larger_train_leaves_test_alone() -> None:
    first = cut(Pool(ROWS), Splits(50, 50, 100, seed=1), stratify=True)
    assert cut(Pool(ROWS), Splits(50, 50, 100, seed=2), stratify=True).test != first.test
    assert cut(Pool(ROWS), Splits(200, 50, 100, seed=1), stratify=True).test == first.test


def test_duplicates_and_contradictions_are_reported_and_the_first_kept() -> None:
    rows = (Example.of("no", text="a  b"), Example.of("yes", text=" a b"), Example.of("no", text="a b"), ROWS[0])
    kept, warnings = without_duplicates(rows)
    assert kept == (rows[0], rows[3])
    assert warnings == (
        "2 examples left out: same input as an earlier one",
        "1 repeated input has more than one target (the first is kept), such as 'a  b'",
    )


def test_an_official_test_keeps_its_rows_and_train_loses_them() -> None:
    pool = Pool(ROWS[:60], test=(*ROWS[50:60], *ROWS[100:200]))
    splits = cut(pool, Splits(), stratify=False)
    assert set(splits.test) <= set(pool.test)
    assert "10 inputs of train left out: also in another split" in splits.warnings


def test_a_small_test_split_says_what_it_cannot_show() -> None:
    splits = cut(Pool(ROWS[:50]), Splits(), stratify=False)
    assert any("the test split has only 20 examples: true gains below" in warning for warning in splits.warnings)
    tiny = cut(Pool(ROWS[:5]), Splits(1, 1, 3), stratify=False)
    assert any("only 3 examples: gains of any size" in warning for warning in tiny.warnings)
    assert not cut(Pool(ROWS), Splits(10, 10, 380), stratify=False).warnings


@pytest.mark.parametrize(
    ("pool", "wanted", "message"),
    [
        (Pool(ROWS[:10]), Splits(8, 2, 2), "12 examples are asked for all splits together, and there are 10"),
        (Pool(ROWS[:10], test=ROWS[20:25]), Splits(2, 2, 6), "6 examples are asked for test, and there are 5"),
        (Pool(()), Splits(), "there are no examples to split"),
    ],
)
def test_too_few_examples_are_an_error(pool: Pool, wanted: Splits, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cut(pool, wanted, stratify=False)


def test_one_input_in_two_splits_is_refused() -> None:
    with pytest.raises(DataError, match="the same input is in both train and test: 'row  0'"):
        check_disjoint(ROWS[:3], ROWS[3:5], [Example.of("no", text="row  0")])


def test_pairs_of_one_input_and_target_are_joined() -> None:
    rows = (
        Example.of("yes", (), ["no"], text="a"),
        Example.of("yes", (), ["never", "no"], text=" a"),
        Example.of("yes", (), ["no"], text="a"),
        Example.of("no", (), ["yes"], text="a"),
        Example.of("yes", (), ["hm"], text="b"),
    )
    kept, warnings = without_duplicates(rows)
    assert kept == (Example.of("yes", (), ["no", "never"], text="a"), rows[4])
    assert [warning.split(";")[0] for warning in warnings] == [
        "1 example joined to an earlier one: same input and target",
        "2 examples left out: same input as an earlier one",
        "1 repeated input has more than one target (the first is kept), such as 'a'",
    ]


outputs = st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True)
worked = st.builds(
    Example, st.sampled_from(["a", "a ", "b", "c", "d", "e"]).map(lambda text: (("text", text),)), st.just("t"),
    st.just(()), outputs.map(tuple), st.sampled_from(["", "Because."]),
)  # fmt: skip


@pytest.mark.slow
@settings(deadline=None)
@given(rows=st.lists(worked, min_size=1, max_size=12), test=st.lists(worked, max_size=4))
def test_rejected_outputs_and_solutions_keep_no_input_in_two_splits(rows: list[Example], test: list[Example]) -> None:
    official = {same_input(example) for example in test}
    assume(any(same_input(example) not in official for example in rows))
    splits = cut(Pool(tuple(rows), (), tuple(test)), Splits(), stratify=False)
    inputs = [same_input(example) for part in (splits.train, splits.dev, splits.test) for example in part]
    assert len(inputs) == len(set(inputs))
    given_outputs = {same_input(e): {o for r in (*rows, *test) if same_input(r) == same_input(e) for o in r.rejected}
                     for e in (*rows, *test)}  # fmt: skip
    for part in (splits.train, splits.dev, splits.test):
        assert all(set(example.rejected) <= given_outputs[same_input(example)] for example in part)


def test_other_rejected_outputs_do_not_make_another_input() -> None:
    one, two = Example.of("t", (), ["x"], text="a"), Example.of("t", (), ["y"], "Because.", text="a")
    with pytest.raises(DataError, match="the same input is in both train and test"):
        check_disjoint([one], [], [two])


@pytest.mark.parametrize("size", [-3, 0.4, "10", True])
def test_a_size_that_is_no_count_is_refused(size: object) -> None:
    """A negative one was a slice: `dev=-3` of 400 rows gave dev nearly all of them, and train what was left over."""
    with pytest.raises(ConfigError, match=f"dev (split )?is {size!r}; give a whole number"):
        Splits(100, size, 100)  # pyright: ignore[reportArgumentType]


ALIKE = [("Good film", "good film"), ("Good film", "Good film."), ("caf\u00e9", "cafe\u0301"), ("don't", "don\u2019t"),
         ("Ｂｅｒｌｉｎ", "Berlin!"), ("STRASSE ", "straße。"), ("a\u200bb", "ab")]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_inputs_that_read_the_same_never_stand_on_two_sides(one: str, other: str) -> None:
    first, second = Example.of("yes", text=one), Example.of("Yes", text=other)
    kept, warnings = without_duplicates([first, second, *ROWS[:3]])
    assert kept == (first, *ROWS[:3])
    assert any("Unicode form" in warning for warning in warnings)
    splits = cut(Pool((*ROWS[:3], second), ROWS[5:8], (first, *ROWS[10:12])), Splits(), stratify=False)
    assert second not in splits.train
    with pytest.raises(DataError, match="same input"):
        check_disjoint([first], [], [second])


def test_inputs_that_differ_in_case_and_target_are_two_examples() -> None:
    pair = [Example.of("proper", text="Paris"), Example.of("improper", text="paris")]
    assert without_duplicates(pair) == (tuple(pair), ())
    check_disjoint(pair[:1], [], pair[1:])


def test_inputs_of_closing_marks_alone_differ() -> None:
    pair = (Example.of("x", text="!"), Example.of("x", text="?"))
    assert without_duplicates(pair)[0] == pair


def grouped(number: int, group: str) -> Example:
    return Example.of("yes" if number % 3 else "no", (), (), "", group, text=f"row {number}")


@pytest.mark.slow
@settings(deadline=None)
@given(
    groups=st.lists(st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), min_size=12, max_size=60),
    official=st.lists(st.sampled_from(["a", "b", "x"]), max_size=4),
    seed=st.integers(0, 5),
    stratify=st.booleans(),
)
def test_a_group_stands_in_one_split(groups: list[str], official: list[str], seed: int, stratify: bool) -> None:
    rows = tuple(grouped(number, group) for number, group in enumerate(groups))
    test = tuple(grouped(1_000 + number, group) for number, group in enumerate(official))
    splits = cut(Pool(rows, (), test), Splits(seed=seed), stratify=stratify)
    named = [{each.group for each in part if each.group} for part in (splits.train, splits.dev, splits.test)]
    assert sum(map(len, named)) == len(set().union(*named))
    check_disjoint(splits.train, splits.dev, splits.test)


@settings(deadline=None)
@given(turns=st.lists(st.integers(1, 6), min_size=40, max_size=40), seed=st.integers(0, 50), order=st.randoms())
def test_conversations_are_split_alike_in_any_order_of_the_rows(
    turns: list[int], seed: int, order: random.Random
) -> None:
    assume(max(turns) > 1)
    rows = [
        Example.of("yes", (), (), "", f"talk {talk}", text=f"turn {turn} of {talk}")
        for talk, count in enumerate(turns)
        for turn in range(count)
    ]
    shuffled = order.sample(rows, len(rows))
    found, again = (cut(Pool(tuple(each)), Splits(seed=seed), stratify=False) for each in (rows, shuffled))
    parts = (found.train, found.dev, found.test)

    assert [set(part) for part in parts] == [set(part) for part in (again.train, again.dev, again.test)]
    named = [{each.group for each in part} for part in parts]
    assert sum(map(len, named)) == len(set().union(*named))
    # The sizes are met, but for the rest of a conversation that a split has cut in two.
    assert (len(found.dev), len(found.test)) == (len(rows) * 20 // 100, len(rows) * 40 // 100)
    assert len(rows) - sum(map(len, parts)) <= 2 * 5


def test_what_a_groups_end_leaves_out_is_said() -> None:
    rows = tuple(grouped(number, f"user {number // 7}") for number in range(300))
    splits = cut(Pool(rows), Splits(100, 50, 100), stratify=False)
    assert (len(splits.dev), len(splits.test)) == (50, 100)
    assert any("others of the same group stand in another split" in warning for warning in splits.warnings)


def test_fixed_splits_that_share_a_group_are_refused() -> None:
    with pytest.raises(DataError, match="group 'user 1' are in both train and test"):
        check_disjoint([grouped(1, "user 1")], [], [grouped(2, "user 1")])


def test_groups_of_one_change_no_split() -> None:
    alone = tuple(Example.of("yes", (), (), "", f"g{number}", text=f"row {number}") for number in range(100))
    plain = tuple(Example.of("yes", text=f"row {number}") for number in range(100))
    parts = [cut(Pool(rows), Splits(seed=3), stratify=True) for rows in (alone, plain)]
    assert [each["text"] for each in parts[0].test] == [each["text"] for each in parts[1].test]


@pytest.mark.parametrize("stratify", [False, True])
def test_official_splits_of_one_group_keep_it_in_the_one_nearest_to_the_test(stratify: bool) -> None:
    rows, dev, test = (
        tuple(grouped(begin + number, group) for number, group in enumerate(groups * 3))
        for begin, groups in ((0, ["a", "b", "c"]), (100, ["a", "b", "d"]), (200, ["a", "e"]))
    )
    splits = cut(Pool(rows, dev, test), Splits(), stratify=stratify)
    named = [{each.group for each in part} for part in (splits.train, splits.dev, splits.test)]
    assert named == [{"c"}, {"b", "d"}, {"a", "e"}]
    assert "3 examples left out of dev: others of the same group stand in another split" in splits.warnings


@pytest.mark.parametrize("stratify", [False, True])
def test_a_long_group_is_drawn_as_seldom_as_a_short_one(stratify: bool) -> None:
    rows = tuple(grouped(3 * number, "long" if number < 40 else f"{number}") for number in range(49))
    firsts = [cut(Pool(rows), Splits(seed=seed), stratify=stratify).test[0].group for seed in range(300)]
    # One of ten groups, though it has four fifths of the rows.
    assert 10 <= firsts.count("long") <= 55


def test_a_mixed_group_goes_by_what_most_of_it_has_and_of_equals_by_the_first_name() -> None:
    def unit(*targets: str) -> list[Example]:
        return [Example.of(target, text=f"{at}") for at, target in enumerate(targets)]

    assert _common_target(unit("a", "b", "b")) == "b"
    assert _common_target(unit("b", "a")) == _common_target(unit("a", "b")) == "a"


def test_a_small_test_is_told_by_its_groups() -> None:
    def told(groups: int) -> str:
        examples = [Example.of("a", question=f"{at} ?") for at in range(800)]
        grouped = [replace(each, group=f"talk {at % groups}") for at, each in enumerate(examples)]
        return " ".join(cut(Pool(tuple(grouped)), Splits(200, 200, 400, seed=0), stratify=False).warnings)

    assert re.search(r"the test split has only \d\d groups: true gains below", told(80))
    assert "the test split has only" not in told(800)
