"""Secrets in a program's source and failures: what lets somebody in leaves in no form, and nothing else is hidden."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from promptopt.programs import ProgramEvaluator
from promptopt.programs.outputs import read_output, said_of
from promptopt.programs.secrets import marked, without_secrets
from promptopt.programs.source import source_of
from tests.ends import LONG, ends, long

AMAZON = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PEM = "-----BEGIN RSA PRIVATE KEY-----"
LEAKS = [
    f'AWS_SECRET_ACCESS_KEY = "{AMAZON}"',
    f'boto3.client("s3", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", x="{AMAZON}")',
    # A service account's file, as a text and as a table.
    'C = """{"private_key_id": "1a2b3c4d5e6f7a8b9c0d1a2b", "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIB'
    '\\nabc\\n-----END PRIVATE KEY-----\\n"}"""',
    'C = {"private_key_id": "1a2b3c4d5e6f7a8b9c0d1a2b", "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIB\\n"}',
    # Keys of several lines, in literals and in comments, and one that was cut.
    f'pem = ("{PEM}\\n"\n  "MIIEpAIBAAKC\\n"\n  "zzzzYYYYxxxx\\n"\n  "-----END RSA PRIVATE KEY-----")',
    f'pem = "\\n".join(["{PEM}",\n  "MIIEpAIBAAKC",\n  "-----END RSA PRIVATE KEY-----"])',
    f'pem = """{PEM}\nMIIEpAIBAAKC\nzzzzYYYYxxxx"""',
    f"# {PEM}\n# MIIEpAIBAAKC\n# -----END RSA PRIVATE KEY-----\n",
    'k = """-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF1234\n-----END PGP PRIVATE KEY BLOCK-----"""',
    # Headers, and who logs in.
    'headers = {"Authorization": f"Bearer abcdef1234567890{x}"}',
    'requests.get(url, auth=("admin", "correcthorse"))',
    'HTTPBasicAuth("admin", "correcthorse")',
    'smtp.login("me@x.com", "correcthorse")',
    "cmd = \"curl -u admin:hunter2xx -H 'X-Api-Key: abcd1234efgh' https://x\"",
    # Addresses.
    'R = "redis://:s3cretpw@host:6379/0"',
    'D = f"postgres://{user}:hunter2x@{host}/db"',
    'd = "https://0123456789abcdef0123@o1.ingest.sentry.io/1"',
    'u = "https://maps.x.com/api?key=abcd1234efgh5678&x=1"',
    'w = "https://discord.com/api/webhooks/123456789/abcDEF123_abcDEF123-abc"',
    'C = "DefaultEndpointsProtocol=https;AccountName=foo;AccountKey=abcd1234EFGH5678ijkl==;Suffix=x"',
    'C = "Driver={SQL};Server=x;Uid=sa;Pwd=correcthorse;"',
    'dsn = f"host={h} user=u password=correcthorse dbname=x"',
    # Files of settings, whose lines stand as escapes too.
    'ENV = """\nOPENAI_API_KEY=abcd1234efgh\nDB_PASSWORD=correcthorse\nSECRET=xyz98765432\nTOKEN=abcd1234efgh"""',
    'ENV = "A=1\\nDB_PASSWORD=correcthorse\\nB=2"',
    'Y = """\napi_key: abcd1234efgh\npassword: correcthorse\ntoken: abcd1234efgh\n"""',
    'j = json.loads(\'{"api_key": "abcd1234efgh", "password": "correcthorse"}\')',
    'x = "\\nghp_abcdefghijklmnopqrstuvwxyz0123456789"',
    'x = "a\\tAKIAIOSFODNN7EXAMPLE"',
    # Named before a comma, behind a comparison, in a list or a table, in another style, or by a class.
    'os.environ.setdefault("OPENAI_API_KEY", "abcd1234efgh")',
    'os.getenv("DB_PASSWORD", "correcthorse")',
    'setattr(cfg, "password", "correcthorse")',
    'if "correcthorse" == password: ...',
    'user, password = "admin", "correcthorse"',
    'TOKENS = ["abcd1234efgh", "ijkl5678mnop"]',
    'PASSWORDS = {"admin": "correcthorse", "bob": "batterystaple"}',
    'cfg = {"credentials": {"user": "admin", "value": "correcthorse"}}',
    'k = SecretStr("abcd1234efgh"); clientSecret = "correcthorse"; secretKey = "correcthorse"',
    'passwort = "correcthorse"; db_pass = "correcthorse"; pw = "correcthorse"',
    # Short, of several words, with brackets, of letters alone, a number.
    'PASSWORD = "abc12"',
    'password = "correct horse battery staple"',
    "SECRET_KEY = 'django-insecure-#k!2j&^h3(x)q8@m'",
    'lm = dspy.LM("openai/gpt-4o", api_key="abcdefghijklmnopqrst")',
    "password = 12345678",
    'password = f"{site}correcthorse"',
    # In no known form.
    'k = "0123456789abcdef01234567"',
    'fernet = Fernet(b"ZmDfcTF7_60GrrY167zsiPd67pEvs0aGOv2oasOM1Pg=")',
    # Told in a comment, and in what is no Python.
    "# my token is abcd1234efgh5678\n# password: correcthorse\n",
    'def f(:\n  password = "correcthorse"',
    'f = [lambda x: ask(x, "it\'s", password="correcthorse")',
]
SECRETS = (
    "wJalrXUt", "AKIAIOSF", "1a2b3c4d", "MIIE", "zzzzYYYY", "lQOYBF", "abcdef1234567890", "correct", "batterystaple",
    "hunter2x", "s3cretpw", "0123456789abcdef", "abcd1234", "ijkl5678", "abcDEF123", "xyz98765432", "ghp_abc", "abc12",
    "k!2j&^h3", "abcdefghijkl", "12345678", "ZmDfcTF7",
)  # fmt: skip


@pytest.mark.parametrize("source", LEAKS)
def test_no_secret_leaves_whatever_its_form(source: str) -> None:
    shown = without_secrets(source)
    assert "[secret]" in shown
    # An address of a hook has a number that is none.
    assert not [secret for secret in SECRETS if secret in shown.replace("webhooks/123456789", "")]


@pytest.mark.parametrize(
    "line",
    [
        'tokens["answer_12345"] = secrets["question_1"]',
        'NATIVE_CLIENT_KEYS = {"api_key", "base_url", "timeout"}',
        'auth_modes = ("bearer", "oauth")',
        'key = lambda row: row["question_id"]; sort(key="score")',
        'PASSWORD_PROMPT = "Tell nobody the password: it stays hidden."; secret = "{secret}"',
        "# The key of the map is the question; the token is what a tokenizer gives.\n",
        'model = "meta-llama/Llama-3.1-70B-Instruct-quantized-w4a16-gptq"; path = "data/banking77/splits/train/rows"',
        'self.guess = dspy.Predict("clue, tries: int -> secret_word")',
        'if kind == "password": return ask(part="password").text',
    ],
)  # fmt: skip
def test_what_is_no_secret_stays_to_the_letter(line: str) -> None:
    assert without_secrets(line) == line


def test_what_a_program_gave_or_raised_is_shown_without_secrets() -> None:
    assert read_output({"api_key": "abcd1234efgh"})[1].startswith("it gave {'[secret]'}, and a program")
    # The key is marked before the text is cut to its length.
    assert "sk-" not in read_output(["x" * 40, "sk-abcdefgh12345678"])[1]
    told = said_of(ValueError("DB_PASSWORD=correcthorse is refused"))
    assert told == "it raised ValueError: DB_PASSWORD=[secret] is refused"


@ends
@pytest.mark.parametrize(
    "text", ["-----BEGIN PRIVATE KEY-----", "a://b:", "key ", "token: ", "aB1", "-u a", "(a,", "'"]
)
def test_a_long_text_comes_to_an_end(text: str) -> None:
    said = long(text)[: LONG // 20]
    assert without_secrets(said)
    assert marked(said)


def broken(tmp_path: Path, name: str, content: bytes) -> list[object]:
    """A function and an object of a module whose file has become `content` since it was imported."""
    file = tmp_path / f"{name}.py"
    file.write_text("def run(p, e, a):\n    return ''\n\n\nclass Run:\n    def __call__(self):\n        return ''\n")
    module = __import__(name)
    file.write_bytes(content)
    return [module.run, module.Run()]


CONTENTS = (b"\xff\xfe\x00def", b"'''unterminated\n(", b"x = 1\x00\n", b"", b"if x:\n  y\n z\n")
NUMBERS = itertools.count()


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_that_is_edited_meanwhile_is_no_mistake(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"edited_{next(NUMBERS)}"
    for program in broken(tmp_path, name, content):
        assert isinstance(source_of(program), str)  # pyright: ignore[reportArgumentType]
    del sys.modules[name]


def test_programs_that_stand_for_others_are_shown_and_known() -> None:
    class Anything:
        def __call__(self, prompt: object, example: object, ask: object) -> str:
            return ""

        def __getattr__(self, name: str) -> object:
            return self

    looped = lambda prompt, example, ask: ""  # noqa: E731 - what it is made by is the point
    looped.__wrapped__ = looped
    for program in (Anything(), MagicMock(return_value=""), looped):
        evaluator = ProgramEvaluator(program)
        assert evaluator.program_text().modules == {}
        assert evaluator.fingerprint()["evaluator"] == "program"
