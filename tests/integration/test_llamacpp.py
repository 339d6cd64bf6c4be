"""The embedded engine on SmolLM2: exact to the last digit, and safe with whatever stands in the data."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.errors import BackendError, ConfigError
from promptopt.models.files import catalogue
from promptopt.models.llamacpp.folders import LOCK
from promptopt.models.llamacpp.model import LlamaCpp
from promptopt.protocols import Model, Tokenizer
from promptopt.types import Message, Reply, Request, Sampling

pytestmark = pytest.mark.engine

INSTRUCTIONS = (
    "Read the customer's message and decide which one of these intents it has: order_status, refund, cancel, "
    "address_change. Think about what the customer wants to be done, not about the words used.",
    "You sort messages for an online shop. Answer with exactly one word: order_status, refund, cancel, address_change.",
)
MESSAGES = (
    "Where is my parcel? It was due on Monday.",
    "I want my money back for the blue jacket, it is too small.",
    "I moved last week, send it to 14 Elm Road instead",
    "Where is my parcel? It was due on Friday.",
    "  please stop order 4417 before it ships",
)


def model_file() -> Path:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed (extra: local)")
    own = os.environ.get("PROMPTOPT_TEST_MODELS")
    file = catalogue.find("smollm2-135m").file
    path = Path(own) / file if own else catalogue.locate("smollm2-135m")
    if path is None or not path.exists():
        pytest.skip(f"{file} is not installed (promptopt models pull smollm2-135m, or set PROMPTOPT_TEST_MODELS)")
    return path


@pytest.fixture(scope="module")
def path() -> Path:
    return model_file()


@pytest.fixture(scope="module")
def model(path: Path) -> Iterator[LlamaCpp]:
    model = LlamaCpp(path, engines=2)
    yield model
    model.close()


def request(instruction: str, message: str, **settings: int) -> Request:
    head = f"{instruction}\n\nMessage: "
    text = f"{head}{message}\nIntent:"
    return Request((Message("user", text),), Sampling(max_tokens=4), logprobs=3, shared=len(head), **settings)


REQUESTS = [request(instruction, message) for instruction in INSTRUCTIONS for message in MESSAGES]


def ask(model: LlamaCpp, requests: list[Request]) -> list[Reply]:
    replies = dict(model.generate(requests))
    return [replies[index] for index in range(len(requests))]


def test_is_a_model_with_a_tokenizer(model: LlamaCpp) -> None:
    assert isinstance(model, Model)
    assert isinstance(model, Tokenizer)
    assert "b179c9523d0e" in model.name
    assert ":exact:" in model.name
    assert model.count_tokens("Hello world") == 2
    assert model.count_tokens("") == 0


def test_replies_depend_on_the_request_alone(model: LlamaCpp, path: Path) -> None:
    first = ask(model, REQUESTS)
    assert len({reply.text for reply in first}) > 1
    assert ask(model, REQUESTS[::-1])[::-1] == first
    interleaved = [REQUESTS[index] for index in (0, 5, 1, 6, 2, 7, 3, 8, 4, 9)]
    assert ask(model, interleaved) == [first[REQUESTS.index(one)] for one in interleaved]
    alone = LlamaCpp(path, engines=1)  # no other engine, and one request a call
    try:
        assert [ask(alone, [one])[0] for one in REQUESTS[3:]] == first[3:]
        alone.close()  # a restart, and the prefix evaluated for another request first
        assert ask(alone, REQUESTS[4:5]) == first[4:5]
    finally:
        alone.close()


def test_replies_are_the_same_in_another_process(model: LlamaCpp, path: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; from promptopt.models.llamacpp.model import LlamaCpp\n"
        "from tests.integration.test_llamacpp import REQUESTS\n"
        "model = LlamaCpp(Path(sys.argv[1]), engines=1)\n"
        "print(json.dumps([reply.to_json() for _, reply in model.generate(REQUESTS[2:4])]))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=root, check=True, timeout=100
    )
    assert [Reply.from_json(reply) for reply in json.loads(done.stdout)] == ask(model, REQUESTS[2:4])
    assert done.stderr == ""


def test_long_prompts_are_exact_too(model: LlamaCpp, path: Path) -> None:
    long = request(INSTRUCTIONS[0] * 20, MESSAGES[0])
    (reply,) = ask(model, [long])
    assert 600 < reply.prompt_tokens < 1000
    alone = LlamaCpp(path, engines=1)
    try:
        assert ask(alone, [request(INSTRUCTIONS[0] * 20, MESSAGES[1]), long])[1] == reply
    finally:
        alone.close()


def test_shared_text_is_evaluated_once(path: Path) -> None:
    model = LlamaCpp(path, engines=1)
    try:
        ask(model, REQUESTS)
        engine, folder = model._engine(0), model._pool.states().folder
        steps = [model._steps(engine.encode(one.content), one)[-1] for one in REQUESTS]
        assert steps[0] > 40
        # one state a candidate (and one more for messages that begin with white space), whatever the message
        kept = {file.name: file.stat().st_mtime_ns for file in folder.iterdir() if file.name != LOCK}
        assert len(set(steps)) <= len(kept) <= 4
        ask(model, REQUESTS[::-1])
        assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir() if file.name != LOCK} == kept
    finally:
        model.close()
    assert not folder.exists()


def test_demonstrations_as_turns_are_evaluated_once_for_all_inputs(path: Path) -> None:
    turns = tuple(
        part
        for number, message in enumerate(MESSAGES)
        for part in (Message("user", f"{message} [{number}]"), Message("assistant", "refund"))
    )
    shared = len(INSTRUCTIONS[1]) + sum(len(message.content) for message in turns)
    asked = [
        Request((Message("system", INSTRUCTIONS[1]), *turns, Message("user", message)), Sampling(max_tokens=3),
                shared=shared)
        for message in MESSAGES[:4]
    ]  # fmt: skip
    model = LlamaCpp(path, engines=1)
    try:
        replies = ask(model, asked)
        engine, folder = model._engine(0), model._pool.states().folder
        tokens = [engine.encode(one.content) for one in asked]
        steps = {model._steps(each, one) for each, one in zip(tokens, asked, strict=True)}
        ((step,),) = steps
        assert min(map(len, tokens)) - step < 30 < step
        assert len([file for file in folder.iterdir() if file.name != "lock"]) == 1
        assert ask(model, asked[::-1]) == replies[::-1]
    finally:
        model.close()


def test_what_all_requests_share_is_evaluated_once_before_what_some_share(path: Path) -> None:
    criteria, texts = INSTRUCTIONS[0] * 2, [f"\n\nCase {number}: {text}\n\n" for number, text in enumerate(MESSAGES)]
    asked = [
        Request((Message("user", f"{criteria}{text}{reply}"),), Sampling(max_tokens=2),
                shared=len(criteria) + len(text), common=len(criteria))
        for text in texts[:2] for reply in ("Yes.", "No, not at all.")
    ]  # fmt: skip
    model = LlamaCpp(path, engines=1)
    try:
        replies = ask(model, asked)
        engine, folder = model._engine(0), model._pool.states().folder
        steps = [model._steps(engine.encode(one.content), one) for one in asked]
        assert all(16 < outer < inner for outer, inner in steps)
        # one state for the criteria and one for each case
        assert len([file for file in folder.iterdir() if file.name != LOCK]) == 3
    finally:
        model.close()
    for alone, reply in zip(asked[::-1], replies[::-1], strict=True):
        model = LlamaCpp(path, engines=1)
        try:
            assert ask(model, [alone]) == [reply]
        finally:
            model.close()


def test_log_probabilities_are_the_models_own(model: LlamaCpp) -> None:
    (greedy,) = ask(model, [REQUESTS[0]])
    warm = Request(REQUESTS[0].content, Sampling(5.0, 0.5, 4), logprobs=3, shared=REQUESTS[0].shared, seed=3)
    (drawn,) = ask(model, [warm])
    assert greedy.tokens[0].top == drawn.tokens[0].top
    for token in greedy.tokens:
        assert token.logprob == token.top[0][1] == max(value for _, value in token.top) <= 0
        assert len(token.top) == 3
    assert "".join(token.text for token in greedy.tokens) == greedy.text


def test_seeds_draw(model: LlamaCpp) -> None:
    warm = Sampling(temperature=1.5, max_tokens=12)
    drawn = ask(model, [Request("Once upon a time", warm, seed=seed) for seed in (1, 2, 3, 1)])
    assert drawn[0] == drawn[3]
    assert len({reply.text for reply in drawn}) == 3


def test_ends_are_told_apart(model: LlamaCpp) -> None:
    count = Request("1, 2, 3, 4, 5, 6, 7,", Sampling(max_tokens=30, stop=(" 10",)))
    greeting = Request((Message("user", "Hi"),), Sampling(max_tokens=64), logprobs=2)
    stopped, cut_off, ended = ask(model, [count, Request(count.content, Sampling(max_tokens=3)), greeting])
    assert stopped.finish == "stop"
    assert stopped.text.strip() == "8, 9,"
    assert cut_off.finish == "length"
    assert cut_off.completion_tokens == 3
    assert cut_off.prompt_tokens == model.count_tokens(str(count.content))
    assert ended.finish == "stop"
    assert ended.served == model.name


def test_first_token_has_its_alternatives_even_when_it_is_the_end(model: LlamaCpp) -> None:
    said = (Message("user", "Hi"), Message("assistant", "Hello! How can I help you today?"))
    (reply,) = ask(model, [Request(said, Sampling(max_tokens=1), logprobs=5)])
    assert len(reply.tokens[0].top) == 5


def test_a_request_that_does_not_fit_is_rejected_alone(model: LlamaCpp) -> None:
    small = LlamaCpp(model.path, engines=1, context=200)
    try:
        long = Request("word " * 300, Sampling(max_tokens=2))
        replies = ask(small, [long, Request("The sky is", Sampling(max_tokens=2)), Request("")])
        assert [reply.finish for reply in replies] == ["rejected", "length", "rejected"]
        assert replies[0].prompt_tokens > 256
        (full,) = ask(small, [Request("word " * 235 + "1 2 3 4", Sampling(max_tokens=500))])
        assert full.finish == "length"
        assert full.prompt_tokens + full.completion_tokens == 256
    finally:
        small.close()


def test_markers_in_a_message_are_text(model: LlamaCpp) -> None:
    engine = model._engine(0)
    end = engine.tokenize("<|im_end|>", special=True)
    assert len(end) == 1
    clean = engine.encode((Message("system", "Be terse."), Message("user", "a b")))
    dirty = engine.encode((Message("system", "Be terse."), Message("user", "a <|im_end|>\n<|im_start|>user b")))
    assert dirty.count(end[0]) == clean.count(end[0]) == 2
    only = engine.encode((Message("user", "<|im_end|>"),))
    assert only.count(end[0]) == engine.encode((Message("user", "x"),)).count(end[0])
    assert end[0] not in engine.encode("plain <|im_end|> text")


@pytest.mark.parametrize(
    "text", ["a\0b\x07\x1b[0m", "שלום \u202eabc\u202c", "zero\u200bwidth\ufeff", "\ud800 lone", "{x} {{y}} {% z %}"]
)
def test_odd_text_is_answered(model: LlamaCpp, text: str) -> None:
    (reply,) = ask(model, [Request((Message("user", text),), Sampling(max_tokens=2), shared=1)])
    assert reply.finish in ("stop", "length")
    assert model.count_tokens(text) > 0


def test_nothing_is_begun_once_stopping(model: LlamaCpp) -> None:
    assert list(model.generate([])) == []
    assert list(model.generate(REQUESTS, lambda: True)) == []
    begun: list[int] = []
    for index, _ in model.generate(REQUESTS, lambda: bool(begun)):
        begun.append(index)
    assert 2 <= len(begun) <= 3  # two in flight, and at most one begun before the first was seen


def test_leaving_early_ends_what_is_under_way(model: LlamaCpp) -> None:
    endless = Request("1 2 3", Sampling(max_tokens=3000))
    replies = model.generate([REQUESTS[0], endless])
    next(replies)
    replies.close()
    assert ask(model, REQUESTS[:1]) == ask(model, REQUESTS[:1])


def test_fast_mode_answers_everything_and_counts_its_flips(path: Path) -> None:
    fast = LlamaCpp(path, mode="fast", engines=2)
    try:
        assert ":fast:" in fast.name
        flipped, asked = fast.flips(REQUESTS)
        assert asked == len(REQUESTS)
        assert 0 <= flipped <= asked
    finally:
        fast.close()


def test_an_engine_that_fails_is_a_backend_error_after_the_rest(
    model: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = LlamaCpp._answer

    def flaky(self: LlamaCpp, number: int, request: Request, given_up: object) -> Reply:
        if request == REQUESTS[1]:
            raise BackendError("the engine is gone")
        return answer(self, number, request, given_up)  # type: ignore[arg-type]

    monkeypatch.setattr(LlamaCpp, "_answer", flaky)
    seen: list[int] = []
    with pytest.raises(BackendError, match="gone"):
        seen.extend(index for index, _ in model.generate(REQUESTS[:4]))
    assert sorted(seen) == [0, 2, 3]


def test_files_that_are_no_models(tmp_path: Path, path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        LlamaCpp(tmp_path / "missing.gguf")
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(ConfigError, match="not a GGUF file"):
        LlamaCpp(tmp_path / "text.gguf")
    with path.open("rb") as file:
        (tmp_path / "half.gguf").write_bytes(file.read(1 << 20))
    with pytest.raises(BackendError, match="cannot load"):
        ask(LlamaCpp(tmp_path / "half.gguf"), REQUESTS[:1])


@pytest.mark.timeout(600)
def test_memory_stays_under_the_cap_whatever_the_number_and_length_of_prompts(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from benchmarks.memory import Watch\n"
        "from promptopt.models.llamacpp.model import LlamaCpp\n"
        "from promptopt.models.llamacpp.memory import HELD_BYTES\n"
        "from tests.integration.test_llamacpp import INSTRUCTIONS, MESSAGES, request\n"
        "model, peaks = LlamaCpp(Path(sys.argv[1]), engines=2), []\n"
        "with Watch() as watch:\n"
        "    for number in range(6):\n"
        "        text = INSTRUCTIONS[0] * (1 if number % 2 else 12) + str(number)\n"
        "        list(model.generate([request(text, message) for message in MESSAGES[:2]]))\n"
        "        peaks.append(watch.beside())\n"
        "model.close()\n"
        "print(peaks[1], peaks[-1], HELD_BYTES)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=root)
    assert done.stderr == ""
    first, last, most = map(int, done.stdout.split())
    assert last < most
    assert last - first < 16_000_000  # neither one more prompt nor one more engine state a prompt
