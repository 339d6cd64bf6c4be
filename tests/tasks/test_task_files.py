from __future__ import annotations

import json
import os
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, DataError, PromptoptError, UnknownName
from promptopt.evaluators import metrics, readers
from promptopt.operators.demos import with_target
from promptopt.tasks import load_task, task_names
from promptopt.tasks.duplicates import same_input
from promptopt.tasks.guess import guess_task
from promptopt.tasks.layout import Turns
from promptopt.tasks.reading.hub import checksums
from promptopt.tasks.splits import Splits
from promptopt.tasks.task_file import load_task_file
from promptopt.types import Example, Message, Score

OWN_DATA = ("support-intent", "support-replies", "word-problems")
SIZES = {"support-intent": (200, 50, 200), "support-replies": (50, 30, 160), "word-problems": (200, 100, 200)}
LETTERED = [
    "date_understanding",
    "geometric_shapes",
    "hyperbaton",
    "logical_deduction_five_objects",
    "logical_deduction_seven_objects",
    "logical_deduction_three_objects",
    "movie_recommendation",
    "penguins_in_a_table",
    "reasoning_about_colored_objects",
    "tracking_shuffled_objects_five_objects",
    "tracking_shuffled_objects_seven_objects",
    "tracking_shuffled_objects_three_objects",
]
CHAT = "support-chat"
"""Conversations, whose tests are in `library/test_support_chat.py`."""
LIBRARY = Path(str(files("promptopt.tasks") / "library"))

ROWS = "text,target\n" + "".join(f"message {n},{'a' if n % 2 else 'b'}\n" for n in range(400))
MINIMAL = """
labels = ["a", "b"]
instruction = "Classify."
[data]
file = "rows.csv"
"""


@pytest.fixture(scope="module")
def data_home() -> Path:
    default = Path(__file__).parents[3] / "shared" / "data"
    home = Path(os.environ.get("PROMPTOPT_DATA_HOME", default))
    if not home.is_dir():
        pytest.skip(f"no local data home at {home} (set PROMPTOPT_DATA_HOME)")
    return home


def write(folder: Path, text: str) -> Path:
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return folder / "mine.toml"


def test_the_library_has_the_tasks_that_were_promised() -> None:
    names = task_names()
    assert names == sorted(names)
    assert sum(name.startswith("bbh/") for name in names) == 22
    promised = {"gsm8k", "sst-2", "sst-5", "mr", "cr", "agnews", "liar", *OWN_DATA}
    assert promised <= set(names)


LARGE = ("agnews", "gsm8k", "liar")
OTHERS = [name for name in task_names() if name not in (*OWN_DATA, CHAT, *LARGE)]


@pytest.mark.parametrize("name", [*OTHERS, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_public_tasks_load_and_render(name: str, seed: int, data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    check_task(name, seed)


@pytest.mark.parametrize("name", OWN_DATA)
def test_starter_tasks_load_and_render_without_any_data_home(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPTOPT_DATA_HOME", raising=False)
    check_task(name, 0)
    task = load_task(name)
    assert (len(task.train), len(task.dev), len(task.test)) == SIZES[name]
    assert not task.warnings


def check_task(name: str, seed: int) -> None:
    task = load_task(name, splits=Splits(seed=seed))
    assert task.name == name
    assert task.description
    metrics.resolve(task.metric)
    reader = readers.resolve(task.answer, task.labels)
    parts = [{same_input(example) for example in split} for split in (task.train, task.dev, task.test)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert {"chat", "text"} <= {layout.name for layout in task.layouts}
    assert 2 <= len(task.layouts) <= 5
    assert task.demos_as_turns
    assert all(example.target.strip() for split in (task.train, task.dev, task.test) for example in split)
    if task.labels:
        assert all(reader(label) == label for label in task.labels)
        assert {example.target for example in task.train} == set(task.labels)
    prompt = task.initial.with_demos(task.train[:2])
    for layout in task.layouts:
        laid = task.with_layout(layout.name)
        prefixes = set[str]()
        for example in task.test[:20]:
            content, shared = laid.render(prompt, example)
            text = content if isinstance(content, str) else "".join(message.content for message in content)
            prefixes.add(text[:shared])
            assert all(value in text for _, value in example.fields)
            assert task.initial["answer_format"] in text
            assert task.train[0].target in text
        assert len(prefixes) == 1


@pytest.mark.slow
def test_right_answers_are_read_as_right(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader and metric of every task accept the target itself, said as plainly as the answer format asks."""
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    for name in task_names():
        task = load_task(name)
        read, metric = readers.resolve(task.answer, task.labels), metrics.resolve(task.metric)
        for example in task.test:
            if name == "bbh/movie_recommendation" and not example.target.startswith("("):
                continue  # one upstream target is a film, not a letter
            answer = read(f"The answer is {example.target}." if task.answer == "number" else example.target)
            assert answer is not None
            given = metric(answer, example)
            assert (given.value if isinstance(given, Score) else given) == 1.0, (name, example.target, answer)


@pytest.mark.slow
def test_official_splits_are_kept(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    task = load_task("gsm8k", splits=Splits(7_000, 400, 1_319))
    assert [len(split) for split in (task.train, task.dev, task.test)] == [7_000, 400, 1_319]
    lines = (data_home / "gsm8k" / "test.jsonl").read_text("utf-8").splitlines()
    assert {example["question"] for example in task.test} == {json.loads(line)["question"] for line in lines}
    draws = {load_task("sst-2", splits=Splits(seed=seed)).train for seed in (0, 1, 2)}
    assert len({frozenset(draw) for draw in draws}) == 3
    assert set(load_task("sst-2", splits=Splits(seed=0)).train) == set(load_task("sst-2", splits=Splits(seed=3)).train)


@pytest.mark.parametrize("member", LETTERED)
def test_the_other_options_are_rejected(member: str, data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    task = load_task(f"bbh/{member}")
    assert task.pool is not None
    for example in task.pool.rows:
        options = sorted((example.target, *example.rejected))
        assert options == [f"({letter})" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(options)]]
        assert len(options) == example["input"].count("\n(") >= 2
    assert not any("reject" in warning for warning in task.warnings)


@pytest.mark.slow
def test_only_lettered_tasks_have_options(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    names = [name for name in task_names() if name.startswith("bbh/") and load_task(name).metric == "choice"]
    assert names == [f"bbh/{member}" for member in LETTERED]
    assert not any(example.rejected for example in load_task("bbh/navigate").train)


@pytest.mark.slow
def test_demonstrations_of_word_problems_show_their_worked_solution(
    data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    task = load_task("gsm8k")
    shown, asked = task.train[:2]
    content, _ = task.render(task.initial.with_demos([with_target(shown)]), asked)
    assert [message.content for message in content if isinstance(message, Message)][1] == shown.solution
    written, _ = task.with_layout("text").render(task.initial.with_demos([with_target(shown)]), asked)
    assert f"Question: {shown['question']}\nAnswer: {shown.solution}\n\n" in str(written)


@pytest.mark.slow
def test_worked_solutions_close_as_the_answer_format_asks(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_DATA_HOME", str(data_home))
    task = load_task("gsm8k")
    assert "The answer is <number>." in task.initial["answer_format"]
    assert task.pool is not None
    read, metric = readers.resolve(task.answer, task.labels), metrics.resolve(task.metric)
    for example in (*task.pool.rows, *task.pool.test):
        worked, _, last = example.solution.rpartition("\n")
        assert last == f"The answer is {example.target}."
        assert worked
        assert not any(mark in example.solution for mark in ("<<", ">>", "####"))
        answer = read(example.solution)
        assert answer is not None
        assert metric(answer, example) == 1.0


def test_every_known_checksum_is_of_a_file_that_a_task_uses() -> None:
    used = set[str]()
    for path in sorted(LIBRARY.glob("*.toml")):
        table = tomllib.loads(path.read_text("utf-8"))
        for entry in table.get("tasks", {"": table}).values():
            for relative in entry["data"].get("home", {}).values():
                used |= {relative.replace("{seed}", str(seed)) for seed in table["data"].get("seeds", [0])}
    assert used == set(checksums())


def test_a_users_task_file_needs_little(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, MINIMAL), splits=Splits(seed=5))
    assert (task.name, task.metric, task.answer, task.labels) == ("mine", "exact", "label", ("a", "b"))
    assert len(task.test) == 160
    assert task.fingerprint() == load_task(tmp_path / "mine.toml", splits=Splits(seed=5)).fingerprint()
    sized = load_task(tmp_path / "mine.toml", splits=Splits(test=155))
    assert (len(sized.train), len(sized.dev), len(sized.test)) == (164, 81, 155)


def test_a_family_shares_what_its_members_do_not_say(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'labels = ["a", "b"]\ninstruction = "One."\ndata.file = "rows.csv"\n'
        '[tasks.x]\n[tasks.y]\ninstruction = "Two."\n',
    )
    assert load_task_file(path, member="x").initial["instruction"] == "One."
    assert load_task_file(path, member="y").initial["instruction"] == "Two."
    with pytest.raises(UnknownName, match="'mine/z'"):
        load_task_file(path, member="z")
    with pytest.raises(ConfigError, match="describes several tasks; name one, such as 'mine/x'"):
        load_task_file(path)


def test_own_data_replaces_a_tasks_examples(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,target\n" + "".join(f"m{n},{'refund' if n % 2 else 'cancel'}\n" for n in range(400)))
    task = load_task("support-intent", data=path, splits=Splits(20, 20, 160))
    assert len(task.train) == 20
    assert task.train[0]["text"].startswith("m")
    path.write_text("txt,target\na,refund\n")
    with pytest.raises(DataError, match="no column is named 'text'; did you mean 'txt'"):
        load_task("support-intent", data=path)


TURNS = '[[layouts]]\nname = "l"\nmessages = [["user", "{instruction} {text}"]]\n'


@pytest.mark.parametrize(
    ("said", "turns"), [('"turns"', Turns()), ("{ assistant = 'So {target}.' }", Turns("", "So {target}."))]
)
def test_a_task_file_says_that_demonstrations_are_turns(tmp_path: Path, said: str, turns: Turns) -> None:
    task = load_task(write(tmp_path, f"{MINIMAL}{TURNS}demos = {said}"))
    assert task.layouts[0].demos == turns
    assert task.demos_as_turns
    assert load_task(write(tmp_path, MINIMAL + TURNS)).fingerprint() != task.fingerprint()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "[contract]\ntemplate = 'yes'", "contract.template is 'yes', expected true or false; correct it"),
        (MINIMAL + "colour = 1", "no data key is named 'colour'"),
        ("instructions = 'x'\n" + MINIMAL, "no key is named 'instructions'; did you mean 'instruction'"),
        (MINIMAL.replace("instruction", "instructon"), "no key is named 'instructon'; did you mean 'instruction'"),
        (MINIMAL.replace("Classify.", " "), "the prompt is empty; write at least one sentence"),
        (MINIMAL.replace('file = "rows.csv"', ""), "needs exactly one of file, home and generator"),
        (MINIMAL.replace("rows", "row"), r"there is no file .*row\.csv"),
        (MINIMAL.replace('"b"]', '"c"]'), "the target 'b', which is none of the labels"),
        (
            MINIMAL + '[[layouts]]\nname = "l"\nmessages = [["human", "x"]]',
            r"layouts\[0\].messages\[0\]\[0\] is 'human', expected",
        ),
        (MINIMAL + '[[layouts]]\nname = "l"\ntext = "{instruction}"', r"layout 'l' does not show \{text\}"),
        (MINIMAL + TURNS + "demos = 'turn'", r"layouts\[0\].demos is 'turn', expected \"turns\" or a table"),
        (MINIMAL + TURNS + "demos = { }", r"layouts\[0\].demos is \{\}, expected"),
        (MINIMAL + TURNS + "demos = { user = 1 }", r"layouts\[0\].demos.user is 1, expected"),
        (MINIMAL + TURNS + "demos = { users = 'x' }", "no turn is named 'users'; did you mean 'user'"),
        (MINIMAL + TURNS + "demos = 'turns'\ndemo = 'x'", r"mine\.toml: layout 'l' .* leave demo or demos out"),
        (MINIMAL + "[contract]\nmust_contian = []", "did you mean 'must_contain'"),
        (MINIMAL + '[contract]\nmust_contain = ["label"]', r"breaks the contract \(does not contain 'label'\)"),
        (MINIMAL.replace('file = "rows.csv"', 'generator = "no.such:thing"'), "no generator is named 'no.such:thing'"),
        ("labels = [", "is not valid TOML"),
        (MINIMAL + 'options = "("', r"mine\.toml: \[data\] '\(' is not a regular expression"),
        (MINIMAL + 'options = "x"\nrejected = "text"', r"mine\.toml: \[data\] both rejected and options say"),
        (MINIMAL + "rejected = 3", r"\[data\] rejected is 3, expected texts"),
        (MINIMAL + 'rejected = "worse"', "no column is named 'worse'"),
        (MINIMAL + 'solution = ["a"]', r"\[data\] solution is \['a'\], expected texts"),
        (MINIMAL + "solution = { ends = 'x' }", "no solution key is named 'ends'; did you mean 'end'"),
        (MINIMAL + "solution.without = '['", r"'\[' is not a regular expression"),
    ],
)
def test_mistakes_in_a_task_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PromptoptError, match=message):
        load_task(write(tmp_path, text))


def test_a_task_file_names_rejected_outputs_and_solutions(tmp_path: Path) -> None:
    rows = [{"text": f"t{n}", "target": "a", "worse": ["b", "c"], "bad": f"d{n}", "why": f"{n}."} for n in range(400)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for said, rejected, solution in (
        ('rejected = "worse"', ("b", "c"), ""),
        ('rejected = ["worse", "bad"]\nsolution = "why"', ("b", "c", "d"), "."),
        ('solution = { column = "why", end = "So {target}." }', (), ".\nSo a."),
    ):
        path = tmp_path / "mine.toml"
        path.write_text(f'instruction = "Say."\n[data]\nfile = "rows.jsonl"\n{said}', encoding="utf-8")
        for example in load_task(path).train:
            number = example["text"][1:]
            assert example.rejected == tuple(text + number if text == "d" else text for text in rejected)
            assert example.solution == (number + solution if solution else "")


def test_a_task_file_names_the_column_of_groups(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + 'group = "user"\n')
    rows = "".join(f"message {n},{'a' if n % 2 else 'b'},{n // 4}\n" for n in range(400))
    (tmp_path / "rows.csv").write_text("text,target,user\n" + rows, encoding="utf-8")
    task = load_task_file(path)
    groups = [{example.group for example in split} for split in (task.train, task.dev, task.test)]
    assert groups[0] | groups[1] | groups[2] <= {str(number) for number in range(100)}
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_own_data_brings_its_own_rejected_outputs(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,chosen,rejected\n" + "".join(f"m{n},yes {n},no {n}\n" for n in range(400)))
    task = load_task("support-replies", data=path)
    assert all(example.rejected == (example.target.replace("yes", "no"),) for example in task.train)
    path.write_text("text,chosen\na,b\n")
    with pytest.raises(DataError, match="no column is named 'rejected'"):
        load_task("support-replies", data=path)


def test_unknown_tasks_are_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no task is named 'gsmk8'; did you mean 'gsm8k'"):
        load_task("gsmk8")
    with pytest.raises(DataError, match=r"the task file .*nowhere\.toml cannot be read"):
        load_task(tmp_path / "nowhere.toml")
    write(tmp_path, MINIMAL)
    with pytest.raises(ConfigError, match="is a data file, not a task; `promptopt init"):
        load_task(tmp_path / "rows.csv")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("targets", "metric", "answer", "labels"),
    [
        (["yes", "no"] * 150, "exact", "label", ("no", "yes")),
        (["0", "1"] * 150, "exact", "label", ("0", "1")),
        ([f"{n},500" for n in range(300)], "number", "number", ()),
        ([f"{n},5" for n in range(300)], "number", "number", ()),
        ([f"{n:04d}" for n in range(300)], "exact", "line", ()),
        ([f"{n % 24:02d}:{n % 60:02d}" for n in range(300)], "exact", "line", ()),
        (["A", "(B)", "C"] * 100, "choice", "choice", ()),
        ([f"name {n}" for n in range(300)], "exact", "line", ()),
        ([f"a much longer answer that nobody would repeat word by word {n}" for n in range(300)], "f1", "text", ()),
    ],
)
def test_a_guessed_task_file_loads(
    tmp_path: Path, targets: list[str], metric: str, answer: str, labels: tuple[str, ...]
) -> None:
    data = tmp_path / "my data.csv"
    rows = "".join(f'"what is ""{n}""?","{target}"\n' for n, target in enumerate(targets))
    data.write_text(f"the question,right\n{rows}", encoding="utf-8")
    text = guess_task(data, "the question", "right", 'my "task"')
    (tmp_path / "t.toml").write_text(text, encoding="utf-8")
    task = load_task(tmp_path / "t.toml")
    assert (task.name, task.metric, task.answer, task.labels) == ('my "task"', metric, answer, labels)
    content, _ = task.with_layout("text").render(task.initial, Example((("the question", "{x}"),)))
    assert str(content).endswith("The question: {x}\nAnswer:")
    assert set(dict(task.train[0].fields)) == {"the question"}


def test_guessing_from_a_wrong_column_offers_the_right_one(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    with pytest.raises(DataError, match="no column is named 'targets'; did you mean 'target'"):
        guess_task(tmp_path / "rows.csv", "text", "targets", "t")


def test_a_first_task_file_says_how_it_reads_decimals_lists_and_objects(tmp_path: Path) -> None:
    rows = [{"q": f"q{n}", "price": f"{n},5", "names": [f"a{n}", f"b{n}"], "made": {"a": n}} for n in range(60)]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said = {target: guess_task(data, "q", target, "t") for target in ("price", "names", "made")}
    assert "# Every target is a number. Decimals have a comma in them" in said["price"]
    assert "# Where a target is a list, each entry of it is a right answer." in said["names"]
    assert 'metric = "json"' in said["made"]
    for text in said.values():
        (tmp_path / "t.toml").write_text(text, encoding="utf-8")
        assert load_task(tmp_path / "t.toml").train


def test_the_task_file_of_a_name_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the task file mine\.toml is there; did you mean 'mine\.toml'"):
        load_task("mine")
    with pytest.raises(UnknownName, match="no task is named 'yours'"):
        load_task("yours")
