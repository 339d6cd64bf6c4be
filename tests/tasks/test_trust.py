from __future__ import annotations

import hashlib
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typing_extensions import get_type_hints

from promptopt.errors import ConfigError, DataError, PromptoptError
from promptopt.evaluators.generation import Generation
from promptopt.tasks import load_task
from promptopt.tasks.data_table import Source
from promptopt.tasks.reading import hub
from promptopt.tasks.schema import TaskTable
from promptopt.types import Cell, Example
from tests.evaluators.fake_task import FakeAsk

ROWS = "text,target\n" + "".join(f"message {n},{'a' if n % 2 else 'b'}\n" for n in range(400))
HEAD = 'labels = ["a", "b"]\ninstruction = "Classify."\n'
FILE = '[data]\nfile = "rows.csv"\n'
METRIC = HEAD + 'metric = "mailed_metric:score"\n' + FILE
SETTING = '[settings.generation]\nmetric = "mailed_metric:score"\n'
LISTED = HEAD + FILE + '[settings.m]\nmetrics = ["exact", ["mailed_metric:score"]]'
HUB = HEAD + '[data.home]\ntrain = "x/rows.csv"\n[data.hub]\nbase = "https://data.example/"\ntrain = "rows.csv"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PROMPTOPT_DATA_HOME", raising=False)
    return tmp_path / "home"


def write(folder: Path, text: str) -> Path:
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    (folder / "mailed.toml").write_text(text, encoding="utf-8")
    return folder / "mailed.toml"


def module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric beside the task file that leaves a trace when it is imported."""
    text = (
        f"import pathlib\npathlib.Path({str(folder / 'imported')!r}).touch()\ndef score(answer, example): return 1.0\n"
    )
    (folder / "mailed_metric.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "mailed_metric", raising=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", [METRIC, HEAD + FILE + SETTING, HEAD + FILE + '[settings.m.metric]\nname = "a:b"', LISTED]
)
def test_a_task_file_imports_nothing_until_its_content_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    module(tmp_path, monkeypatch)
    path = write(tmp_path, text)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"would import and run the Python function .* add --trust, or in Python"):
            load_task(path)
    assert not (tmp_path / "imported").exists()
    load_task(path, trust=True)
    load_task(path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mailed_metric.py").write_bytes((tmp_path / "mailed_metric.py").read_bytes())
    load_task(write(tmp_path / "elsewhere", text))  # the same content elsewhere is as trusted
    with pytest.raises(ConfigError, match="nobody has agreed"):
        load_task(write(tmp_path, text + "# changed"))


def test_a_hub_is_asked_only_for_a_trusted_file_that_has_no_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetched(url: str, path: Path, *_: object) -> None:
        asked.append(url)
        path.parent.mkdir(parents=True)
        path.write_text(ROWS, encoding="utf-8")

    monkeypatch.setattr(hub, "_fetch", fetched)
    path = write(tmp_path, HUB)
    with pytest.raises(ConfigError, match=r"would download data from data\.example into .*home/data"):
        load_task(path)
    assert not asked
    assert load_task(path, data=tmp_path / "rows.csv").train
    assert load_task(path, trust=True).train
    assert load_task(path).train
    assert asked == ["https://data.example/rows.csv"]


@pytest.mark.parametrize("name", ["subprocess:call", "promptopt.tasks.library.word_problems:generate", "os.system"])
def test_a_generator_outside_the_registry_is_never_run(tmp_path: Path, name: str) -> None:
    text = f'{HEAD}[data]\ngenerator = "{name}"\ncount = 3\n'
    with pytest.raises(ConfigError, match="no generator is named"):
        load_task(write(tmp_path, text), trust=True)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "C:/x", "a\\\\..\\\\x", "x/", "a\\nb", "."])
def test_a_data_file_has_a_name_in_the_data_home(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"outside the data home|is no name"):
        load_task(write(tmp_path, HUB.replace("x/rows.csv", name)), trust=True)


@pytest.mark.parametrize("base", ["file:///etc/", "ftp://x/", "http://[", "javascript:", "http://x:99999/"])
def test_data_comes_from_the_web_only(tmp_path: Path, base: str) -> None:
    with pytest.raises(DataError, match="is not of the web"):
        load_task(write(tmp_path, HUB.replace("https://data.example/", base)), trust=True)


def test_a_link_in_the_data_home_does_not_lead_out_of_it(tmp_path: Path, home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "x").symlink_to(tmp_path)
    with pytest.raises(DataError, match="by a link in it"):
        load_task(write(tmp_path, HUB), trust=True)


def test_a_file_in_the_data_home_must_have_the_checksum_that_is_given(tmp_path: Path, home: Path) -> None:
    (home / "data" / "x").mkdir(parents=True)
    (home / "data" / "x" / "rows.csv").write_text(ROWS, encoding="utf-8")
    right = hashlib.sha256(ROWS.encode()).hexdigest()
    for digest in (right, right.upper()):
        assert load_task(write(tmp_path, f'{HUB}[data.sha256]\ntrain = "{digest}"\n'), trust=True).train
    with pytest.raises(DataError, match=r"has the sha256 .* expected 0000"):
        load_task(write(tmp_path, f'{HUB}[data.sha256]\ntrain = "{"0" * 64}"\n'), trust=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'stop = "END"\n{HEAD}{FILE}', "stop is 'END', expected a list of texts"),
        (f'stop = [1]\n{HEAD}{FILE}', r"stop\[0\] is 1, expected a text"),
        (f'{HEAD}{FILE}[contract]\nmust_contain = "text"', "contract.must_contain is 'text', expected a list"),
        ('labels = "good"\ninstruction = "x"\n' + FILE, "labels is 'good', expected a list of texts"),
        (f'max_tokens = "x"\n{HEAD}{FILE}', "max_tokens is 'x', expected a whole number of 1 or more"),
        (f"max_tokens = true\n{HEAD}{FILE}", "max_tokens is True, expected a whole number"),
        (f"max_tokens = -1\n{HEAD}{FILE}", "max_tokens is -1, expected a whole number of 1 or more"),
        (f"{HEAD}{FILE}[splits]\ntrain = 1.5", "splits.train is 1.5, expected a whole number"),
        (f'parts = "x"\n{HEAD}{FILE}', "parts is 'x', expected a table of texts"),
        (f"{HEAD}{FILE}[parts]\nsystem = 3", "parts.system is 3, expected a text"),
        (f'{HEAD}data = "rows.csv"', "data is 'rows.csv', expected a table of file, home"),
        (HEAD, "data is missing, expected a table of file"),
        (f'layouts = "chat"\n{HEAD}{FILE}', "layouts is 'chat', expected a list of layouts"),
        (f'{HEAD}{FILE}[[layouts]]\ntext = "x"', r"layouts\[0\].name is missing, expected a text"),
        (f'{HEAD}{FILE}[[layouts]]\nname = "l"\nmessages = ["user"]', r"messages\[0\] is 'user', expected \[role"),
        (f'{HEAD}{FILE}input = {{text = 3}}', r"\[data\] input.text is 3, expected texts: a column"),
        (f"{HEAD}{FILE}input = []", r"\[data\] input is \[\], expected"),
        (f"{HEAD}{FILE}classes = [1]", r"\[data\] classes is \[1\], expected a table"),
        (f"{HEAD}{FILE}drop = 'x'", r"\[data\] drop is 'x', expected a list"),
        (f"{HEAD}{FILE}[settings]\napo = 3", "settings.apo is 3, expected a table"),
        (f"metric = 3\n{HEAD}{FILE}", "metric is 3, expected a text"),
        (f'name = "a\\u001b[2J"\n{HEAD}{FILE}', "name is .*, expected a name of one line"),
        (f'name = "../x\\n"\n{HEAD}{FILE}', "name is .*, expected a name of one line"),
        (f'answer = "regex:("\n{HEAD}{FILE}', r"answer is 'regex:\('.* not a regular expression"),
        (f'metric = "exacto"\n{HEAD}{FILE}', r"mailed\.toml: no metric is named 'exacto'"),
        (f'{HEAD}{FILE}[parts]\ndemos = "x"', "parts.demos has the name of something else"),
        (f'{HEAD}{FILE}[parts]\ninstruction = "x"', "parts.instruction has the name of something else"),
        (HEAD + FILE + '[[layouts]]\nname = "l"\ntext = "{instruction}{text}"\n' * 2, "two layouts are named 'l'"),
        (f'{HEAD}[data]\nfile = "a\\u0000.csv"', "expected the name of a file"),
        (f'{HEAD}[data]\ngenerator = "word-problems"\ncount = 999999999', "a whole number from 1 to 100,000"),
        (f"{HEAD}{FILE}[data.classes]", r"\[data\] classes is \{\}, expected a table"),
        (f"tasks = 3\n{HEAD}{FILE}", r"tasks is 3, expected tables \[tasks.NAME\]"),
        (f"{HEAD}{FILE}count = 3", "generator and count go together"),
        (HUB.replace('base = "https://data.example/"\n', ""), r"\[data\] hub.base is missing"),
        (f"{HEAD}x = {'[' * 9000}{']' * 9000}", "nested too deeply"),
        (f"max_tokens = {'9' * 5000}\n{HEAD}{FILE}", "is not valid TOML"),
        (f"max_tokens = {'9' * 50}\n{HEAD}{FILE}", "max_tokens is 9999.*, expected a whole number"),
    ],
)  # fmt: skip
def test_what_a_key_holds_is_checked_before_anything_is_made_of_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PromptoptError, match=said):
        load_task(write(tmp_path, text))


def test_every_key_of_data_has_a_type() -> None:
    data = get_type_hints(TaskTable)["data"]
    # Scenarios, and the tools in them, have a table of their own.
    assert [*get_type_hints(data), "scenarios", "tools", "results"] == [field.name for field in fields(Source)]


SCORE = "HALF = 0.5\ndef score(answer, example):\n    return HALF if answer == example.target else 0.0\n"


def beside(folder: Path, metric: str, text: str = SCORE) -> Path:
    (folder / "scoring.py").write_text(text, encoding="utf-8")
    return write(folder, f"{HEAD}metric = {metric!r}\n{FILE}")


def worth(path: Path, **options: bool) -> float:
    task = load_task(path, **options)
    scored = Generation.for_task(task).score([Cell(task.initial, Example.of("a", text="x"))], FakeAsk("a"))
    return scored[0].value


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["scoring.py:score", "scoring:score"])
def test_a_metric_beside_the_task_file_scores_once_both_are_trusted(tmp_path: Path, metric: str) -> None:
    path = beside(tmp_path, metric)
    with pytest.raises(ConfigError, match=r"import and run .*scoring\.py.*look through both files"):
        load_task(path)
    assert worth(path, trust=True) == worth(path) == 0.5
    before = load_task(path).fingerprint()
    beside(tmp_path, metric, SCORE.replace("0.5", "0.25"))
    with pytest.raises(ConfigError, match="nobody has agreed"):
        load_task(path)
    assert worth(path, trust=True) == 0.25, "the module is the new one, and not the one in memory"
    assert load_task(path).fingerprint() != before, "a constant that the metric uses makes another metric"
    assert str(tmp_path) not in str(before)


def test_a_task_file_is_not_trusted_with_another_module_where_the_one_beside_it_is_gone(tmp_path: Path) -> None:
    path = beside(tmp_path, "scoring:score")
    load_task(path, trust=True)
    (tmp_path / "scoring.py").unlink()
    with pytest.raises(ConfigError, match=r"import and run .*nobody has agreed to that: look through the file"):
        load_task(path)


@pytest.mark.parametrize(
    ("metric", "text", "said"),
    [
        ("scoring.py:other", SCORE, "has no function 'other'"),
        ("scoring.py:HALF", SCORE, "is a float: expected a function"),
        ("scoring.py:", SCORE, "has no function ''"),
        ("scoring.py:score", "import no_such_module_at_all\n", "cannot be run: ModuleNotFoundError"),
        ("scoring.py:score", "def score(:\n", "cannot be run: SyntaxError"),
        ("scoring.py:score", "raise SystemExit(3)\n", "cannot be run: SystemExit"),
        ("missing.py:score", SCORE, "there is no file"),
        ("../scoring.py:score", SCORE, "has to lie beside the task file"),
        ("/tmp/scoring.py:score", SCORE, "has to lie beside the task file"),
    ],
)
def test_a_module_that_cannot_be_used_is_one_sentence(tmp_path: Path, metric: str, text: str, said: str) -> None:
    with pytest.raises(PromptoptError, match=said):
        load_task(beside(tmp_path, metric, text), trust=True)


NAMED = HEAD + FILE + 'input = "text"\ntarget = "target"\n'
RUBRIC = NAMED + '[judge]\nfile = "{}"\n'
SCHEMA = NAMED + '[contract]\noutput_schema = "{}"\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "key"),
    [
        (RUBRIC, r"\[judge\] file"),
        (SCHEMA, r"\[contract\] output_schema"),
        (RUBRIC.replace("[judge]", "[judge.rubric]"), r"\[judge.rubric\] file"),
        (RUBRIC.replace("[judge]", "[judge.versus]"), r"\[judge.versus\] file"),
    ],
)
@pytest.mark.parametrize("named", ["../secret", "{outside}", "link", "sub/../../secret"])
def test_a_rubric_or_schema_outside_the_folder_is_not_read_unasked(
    tmp_path: Path, text: str, key: str, named: str
) -> None:
    mailed = tmp_path / "mailed"
    (mailed / "sub").mkdir(parents=True)
    outside = tmp_path / "secret"
    outside.write_text('{"type": "object"}', encoding="utf-8")
    (mailed / "link").symlink_to(outside)
    path = write(mailed, text.format(named.format(outside=outside)))
    with pytest.raises(ConfigError, match=rf"would read the file .* \({key}\), which lies outside its folder"):
        load_task(path)
    load_task(path, trust=True)
    load_task(path)


@pytest.mark.slow
@pytest.mark.parametrize("named", ["rubric", "sub/rubric", "./sub/../rubric", "{inside}"])
def test_a_rubric_in_the_folder_or_below_needs_no_consent(tmp_path: Path, named: str) -> None:
    (tmp_path / "sub").mkdir()
    for place in (tmp_path / "rubric", tmp_path / "sub" / "rubric"):
        place.write_text("Polite replies are good.", encoding="utf-8")
    load_task(write(tmp_path, RUBRIC.format(named.format(inside=tmp_path / "rubric"))))
