"""A prompter and a target as one model: what is rewritten, what is left, what it costs, and how it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.models.specs import open_model
from promptopt.optimizers.align_pro.transform import Rewritten
from promptopt.protocols import Model
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import ModelContract
from promptopt.types import Example, Likelihoods, Message, Reply, Request, Sampling, ScoreRequest

HEARD: list[str] = []


def echo() -> Scripted:
    """Answers with all that it reads."""

    def answer(request: Request) -> str:
        content = request.content
        return content if isinstance(content, str) else " | ".join(each.content for each in content)

    return Scripted(answer, name="echo", scores=lambda content, text: [-float(len(str(content)))])


def prompter(write: Callable[[str], str]) -> Scripted:
    """`write` makes the rewrite of what stands between the quotes."""

    def answer(request: Request) -> str:
        assert not isinstance(request.content, str)
        section = request.content[-1].content.split('"""\n')[1].removesuffix('\n"""')
        HEARD.append(section)
        return write(section)

    return Scripted(answer, name="prompter")


def exactly() -> Scripted:
    return prompter(lambda text: f"{text} Answer in a single word.")


class TestContract(ModelContract):
    def model(self) -> Model:
        return Rewritten(exactly(), echo())


def replied(model: Model, *contents: str | tuple[Message, ...]) -> list[str]:
    found = dict(model.generate([Request(content) for content in contents]))
    return [found[place].text for place in range(len(contents))]


def test_of_a_chat_the_last_users_message_is_rewritten_and_of_a_text_the_whole() -> None:
    chat = (
        Message("system", "Be kind."),
        Message("user", "First?"),
        Message("assistant", "One."),
        Message("user", "Two?"),
    )
    model = Rewritten(exactly(), echo())
    assert replied(model, chat, "Three?", (Message("system", "Alone."),)) == [
        "Be kind. | First? | One. | Two? Answer in a single word.",
        "Three? Answer in a single word.",
        "Alone.",
    ]


@pytest.mark.parametrize("useless", ["", "   ", "I can't help with that.", "Rewrite this {thing}.", "long " * 900])
def test_a_rewrite_of_no_use_leaves_the_input_as_it_is(useless: str) -> None:
    assert replied(Rewritten(prompter(lambda _: useless), echo()), "What is this?") == ["What is this?"]


def test_an_input_that_comes_again_is_rewritten_once_and_its_tokens_are_counted_each_time() -> None:
    HEARD.clear()
    model, plain = Rewritten(exactly(), echo()), echo()
    once = dict(model.generate([Request("What?"), Request("What?")]))
    again = dict(model.generate([Request("What?")]))
    assert HEARD == ["What?"]
    alone = dict(plain.generate([Request("What? Answer in a single word.")]))[0]
    for reply in (once[0], once[1], again[0]):
        assert reply.prompt_tokens > alone.prompt_tokens
        assert reply.completion_tokens > alone.completion_tokens


def test_likelihoods_are_those_after_the_rewrite() -> None:
    model = Rewritten(exactly(), echo())
    assert model.can_score()
    (_, found), *_ = model.score([ScoreRequest("What?", ("yes",))])
    (_, bare), *_ = echo().score([ScoreRequest("What? Answer in a single word.", ("yes",))])
    assert replace(found, prompt_tokens=bare.prompt_tokens) == bare
    # What the prompter read and wrote is counted beside it.
    assert found.prompt_tokens > bare.prompt_tokens + 7
    mute = Rewritten(exactly(), Scripted(lambda _: "x", name="mute"))
    assert not mute.can_score()
    with pytest.raises(ConfigError, match="gives no likelihoods"):
        list(mute.score([ScoreRequest("What?", ("yes",))]))


def test_the_name_changes_with_either_model_and_with_how_the_prompter_is_asked() -> None:
    names = {
        Rewritten(exactly(), echo()).name,
        Rewritten(echo(), exactly()).name,
        Rewritten(exactly(), echo(), Sampling(max_tokens=9)).name,
    }
    assert len(names) == 3


class Abilities:
    """A model that only says what it is."""

    name = "abilities"

    def __init__(self, *, local: bool = False, generates: bool = True) -> None:
        self.local, self.generates, self.asked = local, generates, list[Request | ScoreRequest]()

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        self.asked += requests
        yield from ((place, Reply("x", prompt_tokens=3, completion_tokens=1)) for place in range(len(requests)))

    def can_score(self) -> bool:
        return True

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        self.asked += requests
        yield from ((place, Likelihoods(((-1.0,),), 3)) for place in range(len(requests)))

    def count_tokens(self, text: str) -> int:
        return 2 * len(text)


def test_a_pair_is_on_this_machine_where_both_are_and_writes_and_counts_as_its_target_does() -> None:
    here = Abilities(local=True)
    assert Rewritten(here, here).local
    assert not Rewritten(here, Abilities()).local
    assert not Rewritten(Abilities(), here).local
    assert not Rewritten(here, echo()).local
    assert Rewritten(exactly(), echo()).generates
    assert Rewritten(exactly(), Abilities()).generates
    assert not Rewritten(exactly(), Abilities(generates=False)).generates
    assert Rewritten(exactly(), here).count_tokens("four") == 8
    with pytest.raises(ConfigError, match="cannot write"):
        Rewritten(Abilities(generates=False), echo())


def test_what_requests_share_does_not_outlast_the_rewrite_and_tokens_of_both_are_added_up() -> None:
    target = Abilities()
    model = Rewritten(Scripted(lambda _: "Say it well.", name="prompter"), target)
    plain = dict(Scripted(lambda _: "Say it well.").generate([Request("What?")]))[0]
    (_, reply), *_ = model.generate([Request("What?", shared=3)])
    (_, found), *_ = model.score([ScoreRequest("What?", ("yes",), shared=3)])
    assert [request.shared for request in target.asked] == [0, 0]
    assert [request.content for request in target.asked] == ["Say it well."] * 2
    assert reply.completion_tokens == 1 + plain.completion_tokens
    # There is no place for what was written, so it counts with what was read.
    assert found.prompt_tokens == reply.prompt_tokens + plain.completion_tokens


def test_masks_that_are_text_stay_text_wherever_a_policy_moves_them_and_so_do_its_own() -> None:
    class Policy(Scripted):
        mark = "[[policy 0123456789abcdef]]"

    target = Abilities()
    model = Rewritten(Policy(lambda _: " well [MASK]", name="policy"), target)
    content = f"Judge{Policy.mark}: a [MASK] film was [MASK]"
    place = content.index("[MASK]")
    list(model.score([ScoreRequest(content, ("good",), literal=((place, place + 6),))]))
    (asked,) = target.asked
    assert isinstance(asked, ScoreRequest)
    assert asked.content == "Judge well [MASK]: a [MASK] film was [MASK]"
    assert asked.literal == ((11, 17), (21, 27))
    # A prompter that rewrites the layout with the rest puts its mask where it likes.
    list(Rewritten(exactly(), target).score([ScoreRequest("[MASK] is [MASK]", ("good",), literal=((0, 6),))]))
    assert isinstance(target.asked[-1], ScoreRequest)
    assert target.asked[-1].literal == ()


def test_a_prompter_at_a_temperature_is_refused() -> None:
    with pytest.raises(ConfigError, match="drawn from at a temperature"):
        Rewritten(exactly(), echo(), Sampling(temperature=1.0))


@pytest.mark.parametrize("named", ["rewritten/", "rewritten/hf/x", "rewritten/::hf/x", "rewritten/hf/x::"])
def test_a_name_that_names_no_two_models_is_refused(named: str) -> None:
    with pytest.raises(ConfigError, match="names no two models; write rewritten/PROMPTER::TARGET"):
        open_model(named)


def test_the_pair_is_held_against_the_target_on_a_task_and_judged_by_what_was_asked(tmp_path: Path) -> None:
    seen: list[str] = []

    def metric(answer: str, example: Example) -> float:
        seen.append(example["question"])
        return float("single word" in answer)

    examples = [Example.of("x", question=f"question {number}") for number in range(40)]
    task = Task.from_examples(examples, prompt="Say it.", metric=metric, splits=Splits(10, 10, 20))
    scores = [
        evaluate(task, model=model, split="test", store=tmp_path / "store.db").measured.score
        for model in (echo(), Rewritten(exactly(), echo()))
    ]
    assert scores == [0.0, 1.0]
    assert set(seen) <= {each["question"] for each in examples}
