from __future__ import annotations

import dataclasses

import pytest

from promptopt.evaluators.labels import Labels
from promptopt.evaluators.loss import Loss
from promptopt.evaluators.preference import Preference
from promptopt.protocols import Evaluator
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Cell, Example, Prompt, ScoreRequest, flat
from tests.evaluators.fake_task import FakeAsk

AFTER = Layout("after", text="{instruction} {demos}{text} It was [MASK].", demo="{text} is {target}. ")
NONE = Layout("none", text="{instruction} {text} It was")
CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{text} It was <mask>.")), demos=Turns())


def task(layout: Layout, prompt: str = "Judge.") -> Task:
    found = [Example.of(label, text=f"{label} {number}") for number in range(6) for label in ("good", "bad")]
    return Task.from_examples(
        found, prompt=prompt, labels=("good", "bad"), layout=layout, splits=Splits(4, 4, 4, seed=0)
    )


def asked(of: Task, prompt: Prompt, text: str, evaluator: Evaluator | None = None) -> ScoreRequest:
    ask = FakeAsk(scores=lambda content, continuation: [-1.0])
    example = Example(fields=(("text", text),), target="good", rejected=("bad",))
    (Labels(of) if evaluator is None else evaluator).score([Cell(prompt, example, 0)], ask)
    return ask.scored[0]


def left(request: ScoreRequest) -> list[str]:
    """What stands before each mask that is the layout's own."""
    text = flat(request.content, "")
    taken = {start for start, _ in request.literal}
    return [
        text[:place]
        for place in range(len(text))
        if text[place:].startswith(("[MASK]", "<mask>")) and place not in taken
    ]


@pytest.mark.parametrize("layout", [AFTER, CHAT, NONE], ids=lambda layout: layout.name)
@pytest.mark.parametrize("text", ["a [MASK] film", "<mask>", "[MASK] and <mask> and [mask]"])
def test_masks_of_an_input_are_text(layout: Layout, text: str) -> None:
    request = asked(task(layout), Prompt.of("Judge."), text)
    assert text in flat(request.content)
    assert len(left(request)) == (0 if layout is NONE else 1)
    assert all(before.endswith("It was ") for before in left(request))


@pytest.mark.parametrize("layout", [AFTER, CHAT, NONE], ids=lambda layout: layout.name)
def test_masks_of_a_candidate_are_text(layout: Layout) -> None:
    request = asked(task(layout), Prompt.of("Judge [MASK] by <mask>."), "a film")
    assert len(request.literal) == 2
    assert len(left(request)) == (0 if layout is NONE else 1)


@pytest.mark.parametrize("layout", [AFTER, CHAT], ids=lambda layout: layout.name)
def test_masks_of_a_demonstration_are_text(layout: Layout) -> None:
    demo = Example.of("good [MASK]", text="one <mask>")
    request = asked(task(layout), Prompt.of("Judge.", demos=[demo]), "a film")
    assert len(left(request)) == 1 or layout is CHAT  # each turn has the layout's form
    assert [flat(request.content, "")[start:end] for start, end in request.literal] == ["<mask>", "[MASK]"]


def test_a_word_that_the_layout_brackets_is_no_mask_of_its() -> None:
    brackets = Layout("brackets", text="{instruction} [{text}] It was")
    assert not left(asked(task(brackets), Prompt.of("Judge."), "MASK"))


def test_a_start_prompt_that_holds_the_mask_gives_it_to_its_candidates() -> None:
    own = task(Layout("own", text="{text} {instruction}"), "It was [MASK].")
    request = asked(own, Prompt.of("All in all, [MASK]!"), "a [MASK] film")
    assert left(request) == ["a [MASK] film All in all, "]
    both = task(AFTER, "Judge [MASK].")
    assert len(left(asked(both, both.initial, "a film"))) == 1


@pytest.mark.parametrize("kind", [Loss, Preference])
def test_losses_and_preferences_say_it_too(kind: type[Loss | Preference]) -> None:
    found = task(AFTER)
    request = asked(found, found.initial, "a [MASK] film", kind.for_task(found))
    assert len(request.literal) == 1


def test_inputs_that_calibrate_leave_the_mask_to_the_layout() -> None:
    found, ask = task(AFTER), FakeAsk(scores=lambda content, continuation: [-1.0])
    Labels(found, calibrated=True).score([Cell(found.initial, found.train[0], 0)], ask)
    assert [len(left(request)) for request in ask.scored] == [1] * 4


def test_a_request_without_such_text_is_what_it_was() -> None:
    found = task(AFTER)
    request = asked(found, found.initial, "a film, and a mask in it")
    assert request.literal == ()
    assert "literal" not in request.to_json()
    assert dataclasses.replace(request, literal=((0, 1),)).to_json() != request.to_json()
