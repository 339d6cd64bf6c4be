"""Task files that a stranger might mail, and stores that are damaged: what is said of each, and what happens."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos_runs import EVALUATIONS, apart, conduct, fresh
from benchmarks.chaos_server import ChaosServer
from promptopt.errors import PromptoptError
from promptopt.run.budget import Budget
from promptopt.store.runs import Store

CANARY = "CANARY"
"""Stands in hostile files for the path of a file that only they would make."""
MOST_S = 60.0
"""Seconds after which a command counts as hanging."""
ROWS = "text,label\n" + "".join(f"item {n} is {('good', 'bad')[n % 2]},{('good', 'bad')[n % 2]}\n" for n in range(60))
HEAD = 'instruction = "Say what it is."\nlabels = ["bad", "good"]\n'
DATA = '[data]\nfile = "rows.csv"\ninput = "text"\ntarget = "label"\n'
BAIT = "text,label\n" + f"{'a' * 40}b,good\n" * 60
TOUCHING = "import pathlib\npathlib.Path('CANARY').touch()\ndef f(answer, example):\n    return 1.0\n"

HOSTILE: Mapping[str, tuple[str | bytes, Mapping[str, str | bytes]]] = {
    "a generator that runs a program": (
        HEAD + '[data]\ngenerator = "subprocess:call"\ncount = ["touch", "CANARY"]\n', {}
    ),
    "a metric that is os.system": (HEAD + 'metric = "os:system"\n' + DATA, {}),
    "a metric in a module beside it": (HEAD + 'metric = "evil:f"\n' + DATA, {"evil.py": TOUCHING}),
    "a metric in a file beside it": (HEAD + 'metric = "evil.py:f"\n' + DATA, {"evil.py": TOUCHING}),
    "a metric among the settings": (
        HEAD + DATA + '[settings.generation]\nmetric = "evil:f"\n', {"evil.py": TOUCHING}
    ),
    "a hub at file:///": (HEAD + '[data]\n[data.hub]\nbase = "file:///etc/"\ntrain = "passwd"\n', {}),
    "a home outside of the data home": (HEAD + '[data]\nhome = "../../../CANARY"\nfile = "x.csv"\n', {}),
    "data that never ends": (HEAD + DATA.replace("rows.csv", "/dev/zero"), {}),
    "data that is a pipe": (HEAD + DATA.replace("rows.csv", "pipe.csv"), {"pipe.csv": "PIPE"}),
    "data that is a folder": (HEAD + DATA.replace("rows.csv", "."), {}),
    "data that is a password file": (HEAD + DATA.replace("rows.csv", "/etc/passwd"), {}),
    "options by an endless expression": (HEAD + DATA + "options = '^(a|aa)+$'\n", {"rows.csv": BAIT}),
    "an answer by an expression too large": (HEAD + "answer = 'regex:(a{1000}){1000}{1000}'\n" + DATA, {}),
    "labels that clear the screen": (HEAD.replace('"bad"', '"bad\\u001b[2J"') + DATA, {}),
    "a description that forges a verdict": ('description = "x\\u001b[2J\\rBetter: yes\\u202e"\n' + HEAD + DATA, {}),
    "a stop text for a list": (HEAD + 'stop = "END"\n' + DATA, {}),
    "a number that is a text": (HEAD + 'max_tokens = "x"\n' + DATA, {}),
    "a split of one and a half": (HEAD + "splits.train = 1.5\n" + DATA, {}),
    "parts that are a text": ('parts = "x"\n' + DATA, {}),
    "tables two thousand deep": (HEAD + DATA + "[" + ".".join(["a"] * 2000) + "]\nb = 1\n", {}),
    "lists fifty thousand deep": (HEAD + "x = " + "[" * 50_000 + "]" * 50_000 + "\n" + DATA, {}),
    "bytes that are no text": (b"\xff\xfe\x00instruction\x00", {}),
    "nothing at all": ("", {}),
    "a key given twice": (HEAD + HEAD + DATA, {}),
    "rows with null bytes": (HEAD + DATA, {"rows.csv": ROWS.encode().replace(b"item", b"it\x00em")}),
    "rows of a hundred thousand columns": (HEAD + DATA, {"rows.csv": "text,label" + ",x" * 100_000 + "\n"}),
    "rows nested without end": (
        HEAD + DATA.replace(".csv", ".jsonl"), {"rows.jsonl": '{"text": ' + "[" * 100_000 + "\n"}
    ),
    "an instruction of five million letters": ('instruction = "' + "x" * 5_000_000 + '"\n' + DATA, {}),
}  # fmt: skip
"""Task files by what they try: the file, and files beside it (PIPE: a named pipe)."""


@dataclass(slots=True)
class Told:
    """What was tried, how much of it ended in a clear sentence or well, and what did not."""

    tried: int = 0
    sentences: int = 0
    well: int = 0
    """Ended as if nothing were wrong: harmless files, and stores whose run ended the same."""
    wrong: list[str] | None = None


def hostile(tried: int | None = None) -> Told:
    """Each hostile file is shown, and planned with."""
    found = Told(wrong=[])
    for name in list(HOSTILE)[:tried]:
        found.tried += 1
        problem, clear = _mailed(*HOSTILE[name])
        if problem:
            assert found.wrong is not None
            found.wrong.append(f"{name}: {problem}")
        elif clear:
            found.sentences += 1
        else:
            found.well += 1
    return found


def _mailed(content: str | bytes, beside: Mapping[str, str | bytes]) -> tuple[str, bool]:
    """(what went wrong, whether it was refused in a sentence) for one file."""
    refused = False
    with tempfile.TemporaryDirectory() as folder:
        here, canary = Path(folder), Path(folder) / "canary"
        for name, text in {"rows.csv": ROWS, "task.toml": content, **beside}.items():
            if text == "PIPE":
                os.mkfifo(here / name)
                continue
            raw = text.encode() if isinstance(text, str) else text
            (here / name).write_bytes(raw.replace(CANARY.encode(), str(canary).encode()))
        for command in (["tasks", "show", "task.toml"], ["optimize", "--task", "task.toml", "--dry-run"]):
            code, out, err = _commanded(here, command)
            if code is None:
                return f"{command[0]} did not end", False
            if canary.exists():
                return f"{command[0]} did what it says", False
            if problem := _unclear(code, out, err):
                return f"{command[0]} {problem}", False
            refused = refused or code == 2
    return "", refused


def _commanded(folder: Path, arguments: list[str]) -> tuple[int | None, str, str]:
    """(exit code or None where it did not end, stdout, stderr) of a command, in a process of its own."""
    out, err = folder / "out.txt", folder / "err.txt"

    def work() -> dict[str, Any]:
        os.chdir(folder)
        os.environ["PROMPTOPT_HOME"] = str(folder / "home")
        sys.path.insert(0, str(folder))
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        from promptopt.cli.main import app

        try:
            app(arguments, prog_name="promptopt")
        except SystemExit as end:
            return {"code": end.code}
        return {"code": 0}

    ended = apart(work, MOST_S)
    said, told = (path.read_text("utf-8", errors="replace") if path.exists() else "" for path in (out, err))
    return None if ended is None else int(ended["code"] or 0), said, told


def _unclear(code: int, out: str, err: str) -> str:
    """What is wrong with what a command said; nothing where it is clear."""
    if "Traceback" in err or code not in (0, 2):
        return f"ended with code {code}: {err.strip()[-200:]}"
    if any(sign in out + err for sign in ("\x1b[2J", "\u202e", "\r")):
        return "let control characters through"
    lines = [line for line in err.splitlines() if line.strip()]
    if code == 2 and (not lines or len(lines[-1]) > 1000):
        return f"said no sentence: {err[-200:]!r}"
    return ""


def _sql(*statements: str) -> Callable[[Path, random.Random], None]:
    def spoil(path: Path, rng: random.Random) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return spoil


def _bytes(change: Callable[[bytearray, random.Random], bytes | bytearray]) -> Callable[[Path, random.Random], None]:
    def spoil(path: Path, rng: random.Random) -> None:
        path.write_bytes(change(bytearray(path.read_bytes()), rng))

    return spoil


def _flips(count: int) -> Callable[[bytearray, random.Random], bytearray]:
    def flipped(whole: bytearray, rng: random.Random) -> bytearray:
        for _ in range(count):
            whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        return whole

    return flipped


def _page(number: int) -> Callable[[bytearray, random.Random], bytearray]:
    def blank(whole: bytearray, rng: random.Random) -> bytearray:
        at = (number if number >= 0 else rng.randrange(2, len(whole) // 4096)) * 4096
        whole[at : at + 4096] = bytes(4096)
        return whole

    return blank


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: Mapping[str, Callable[[Path, random.Random], None]] = {
    "emptied": _bytes(lambda whole, rng: b""),
    "another text in its place": _bytes(lambda whole, rng: b"not a store\n" * 100),
    "cut in half": _bytes(lambda whole, rng: whole[: len(whole) // 2]),
    "cut after a thousand bytes": _bytes(lambda whole, rng: whole[:1000]),
    "its last page lost": _bytes(lambda whole, rng: whole[:-4096]),
    "one bit turned in its header": _bytes(lambda whole, rng: whole[:24] + bytes([whole[24] ^ 64]) + whole[25:]),
    "ten bits turned": _bytes(_flips(10)),
    "a hundred bits turned": _bytes(_flips(100)),
    "a thousand bits turned": _bytes(_flips(1000)),
    "its first page blank": _bytes(_page(0)),
    "its second page blank": _bytes(_page(1)),
    "some page blank": _bytes(_page(-1)),
    "a folder in its place": _folder,
    "a newer version": _sql("UPDATE meta SET value = '99'"),
    "no version": _sql("DELETE FROM meta"),
    "the table of calls lost": _sql("DROP TABLE calls"),
    "the table of runs lost": _sql("DROP TABLE runs"),
    "replies that are no JSON": _sql("UPDATE calls SET reply = '{' WHERE rowid % 5 = 0"),
    "replies of another shape": _sql("UPDATE calls SET reply = '[]' WHERE rowid % 7 = 0"),
    "half of the replies lost": _sql("DELETE FROM calls WHERE rowid % 2 = 0"),
    "the journal lost": _sql("DELETE FROM journal"),
    "a journal with a hole": _sql("DELETE FROM journal WHERE position = 20"),
    "a journal of other calls": _sql("UPDATE journal SET key = x'00' WHERE position = 30"),
    "a run without a record": _sql("UPDATE runs SET fingerprint = '{', config = '[', result = '3'"),
}
"""What happens to the file of a store, by name."""


def damaged(server: ChaosServer, tried: int | None, rng: random.Random) -> Told:
    """A finished run is executed again on its damaged store: it ends the same, or in a sentence."""
    found = Told(wrong=[])
    assert found.wrong is not None
    with fresh() as whole:
        server.behave(seed=1)
        calm = apart(lambda: conduct(whole, server.url, "apo", 1, Budget(evaluations=EVALUATIONS)))
        content = whole.read_bytes()
    assert calm is not None
    for name in list(DAMAGES)[:tried]:
        with fresh() as store:
            store.write_bytes(content)
            DAMAGES[name](store, rng)
            ended = apart(lambda: _again(store, server.url), MOST_S)
        found.tried += 1
        if ended is None:
            found.wrong.append(f"{name}: it did not end")
        elif ended.get("problem"):
            found.wrong.append(f"{name}: {ended['problem']}")
        elif ended.get("said"):
            found.sentences += 1
        elif ended["outcome"] != calm["outcome"]:
            found.wrong.append(f"{name}: it ended otherwise, and said nothing")
        else:
            found.well += 1
    return found


def _again(path: Path, url: str) -> dict[str, Any]:
    try:
        with Store(path) as store:
            store.runs()
        ended = conduct(path, url, "apo", 1, Budget(evaluations=EVALUATIONS))
    except PromptoptError as error:
        return {"said": str(error), "problem": "" if 20 < len(str(error)) < 2000 else str(error)}
    except Exception as error:  # noqa: BLE001 (anything else is what is looked for)
        return {"problem": f"{type(error).__name__}: {error}"}
    if ended["status"] == "suspended":
        return {"said": ended["reason"]}
    return json.loads(json.dumps({"outcome": ended["outcome"]}))
