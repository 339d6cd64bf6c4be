"""Identity is content, in every process."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.types import (
    Example,
    Likelihoods,
    Message,
    Prompt,
    Reply,
    Request,
    Sampling,
    Score,
    ScoreMatrix,
    Token,
    TokenLogProbs,
    canonical,
    digest,
    messages_to_json,
)

texts = st.text(max_size=30)


@given(st.dictionaries(texts, texts, max_size=5))
def test_digest_ignores_the_order_of_keys(data: dict[str, str]) -> None:
    assert digest(data) == digest(dict(reversed(data.items())))


@given(texts, texts)
def test_prompts_are_what_they_say(one: str, other: str) -> None:
    assert (Prompt.of(one) == Prompt.of(other)) == (one == other)
    assert (Prompt.of(one).id == Prompt.of(other).id) == (one == other)
    assert Prompt.of(one, system=other) == Prompt((("system", other), ("instruction", one)))


def test_replace_changes_one_part() -> None:
    prompt = Prompt.of("a", system="b", demos=[Example.of("y", text="x")])
    changed = prompt.replace("instruction", "c")
    assert dict(changed.texts) == {"instruction": "c", "system": "b"}
    assert changed.demos == prompt.demos
    assert prompt["instruction"] == "a"
    assert prompt.with_demos([]) != prompt
    with pytest.raises(KeyError):
        prompt["missing"]


def test_example_fields_and_id() -> None:
    example = Example.of("yes", ["y"], text="is it?", hint="maybe")
    assert example["hint"] == "maybe"
    assert example.id == Example((("text", "is it?"), ("hint", "maybe")), "yes", ("y",)).id
    assert example.id != Example.of("no", ["y"], text="is it?", hint="maybe").id
    with pytest.raises(KeyError):
        example["missing"]


def test_ids_do_not_depend_on_the_process() -> None:
    program = "from promptopt.types import Prompt, Example; print(Prompt.of('a', demos=[Example.of('t', x='é')]).id)"
    ids = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in "12"
    }
    assert ids == {Prompt.of("a", demos=[Example.of("t", x="é")]).id + "\n"}


def test_types_are_frozen() -> None:
    for value in (Prompt.of("a"), Example.of("t", x="y"), Score(1.0), Request("a"), Reply("a")):
        first = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, first, "b")


@given(texts, st.floats(-50, 0), st.integers(0, 10_000))
def test_replies_survive_the_store(text: str, logprob: float, tokens: int) -> None:
    import json

    reply = Reply(text, "length", tokens, 3, (Token(text, logprob, ((text, logprob), ("b", -1.5))),), "m-1")
    assert Reply.from_json(json.loads(canonical(reply.to_json()))) == reply
    scored = Likelihoods((TokenLogProbs((text,), (logprob,)), TokenLogProbs((), ())), tokens, merged=True, served="m")
    assert Likelihoods.from_json(json.loads(canonical(scored.to_json()))) == scored


def test_seed_is_not_part_of_a_request() -> None:
    request = Request((Message("user", "hi"),), Sampling(temperature=1.0), shared=1)
    assert dataclasses.replace(request, seed=7) == request
    assert dataclasses.replace(request, seed=7).to_json() == request.to_json()
    assert dataclasses.replace(request, shared=2).to_json() != request.to_json()


def test_matrix_keeps_the_order_asked() -> None:
    examples = [Example.of("a", x="1"), Example.of("b", x="2")]
    one, two = Prompt.of("one"), Prompt.of("two")
    matrix = ScoreMatrix(examples, {two: [Score(1.0), Score(0.0)], one: [Score(0.5), Score(0.5)]})
    assert matrix.prompts == tuple(matrix) == (two, one)
    assert matrix.means() == {two: 0.5, one: 0.5}
    assert matrix.values(two) == [1.0, 0.0]
    assert len(matrix) == 2
    assert ScoreMatrix([], {one: []}).means()[one] != ScoreMatrix([], {one: []}).means()[one]


def test_settings_hold_the_public_path_of_their_types() -> None:
    assert {kind.__module__ for kind in (Example, Prompt, Sampling)} == {"promptopt.types"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"temperature": math.inf},
        {"top_p": 2},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"temperature": "hot"},
        {"temperature": math.nan},
        {"stop": "end"},
    ],
)
def test_a_sampling_that_no_model_could_follow_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"^Sampling: {next(iter(wrong))} is .*; give a"):
        Sampling(**wrong)


def test_what_an_example_and_a_prompt_hold_are_texts() -> None:
    with pytest.raises(ConfigError, match=r"Example.of: the target is 3; give a text, as str\(3\)"):
        Example.of(3, text="a")  # pyright: ignore
    with pytest.raises(ConfigError, match=r"Example.of: text is 3; give a text"):
        Example.of("a", text=3)  # pyright: ignore
    with pytest.raises(ConfigError, match=r"Example.of: accepted is the text 'yes'; give a list of texts"):
        Example.of("a", "yes", text="b")
    with pytest.raises(ConfigError, match=r"Prompt.of: system is 3; give a text"):
        Prompt.of("a", system=3)  # pyright: ignore


@pytest.mark.parametrize(
    ("name", "sent"),
    [("Ann Lee", "Ann_Lee"), ("ann", "ann"), ("Ann <a@x.com> / desk", "Ann_a@x.com_desk"), ("n" * 70, "n" * 64),
     ("Zoë", "Zoë")],
)  # fmt: skip
def test_the_name_of_a_speaker_is_sent_as_servers_take_it(name: str, sent: str) -> None:
    assert messages_to_json([Message("user", "Hi", name=name)]) == [{"role": "user", "content": "Hi", "name": sent}]
