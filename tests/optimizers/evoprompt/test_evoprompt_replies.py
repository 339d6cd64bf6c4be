"""What EvoPrompt asks, and which replies are of use."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.evolution import Rewriting
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA
from promptopt.optimizers.evoprompt.worked_examples import CLASSIFICATION, SIMPLIFICATION
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Reply, Request
from tests.optimizers.evoprompt.evolution_search import (
    START,
    EvoPrompt,
    asked,
    by_digest,
    fixed,
    inventive,
    paraphrasing,
    roles_of,
    search,
    text_of,
    valued,
)


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        (EvoPromptDE(variant="v1"), ("differ.", "at random.", "of Prompt 3.", "</prompt>.")),
        (EvoPromptDE(variant="v2"), ("differ.", "at random.", "</prompt>.")),
        (EvoPromptDE(variant="v3"), ("at random.", "of Prompt 3.", "</prompt>.")),
        (EvoPromptGA(), ("new prompt.", "</prompt>.")),
    ],
)
def test_the_message_holds_steps_a_worked_example_and_the_prompts_in_their_roles(
    tmp_path: Path, method: EvoPrompt, steps: tuple[str, ...]
) -> None:
    odd = ("{prompts} and {example}.", "{Prompt 1} {first}, {{base}} $a.", "Base: {steps}{form} \\1 %s.", "{}.")
    kind = type(method)
    more = {"variant": method.variant} if isinstance(method, EvoPromptDE) else {}
    proposer = Scripted(fixed("no", lambda _: "<prompt></prompt>"), name="echo")
    optimizer = kind(population=4, generations=1, seeds=odd, **more)
    # A slot of the requests is no placeholder of the task, so a prompt may have it in it.
    search(tmp_path, optimizer, proposer=proposer, model=valued(lambda text: 0.5 + 0.1 * odd.index(text)
                                                                if text in odd else 0.0))  # fmt: skip
    members = set(odd)
    first = asked(proposer)[0]
    listed = first.split("in these steps:\n")[1].split("\n\n")[0].split("\n")
    assert [line.split(".")[0] for line in listed] == [str(number + 1) for number in range(len(steps))]
    assert all(line.endswith(end) for line, end in zip(listed, steps, strict=True))
    for text in asked(proposer):
        roles = roles_of(text)
        assert set(roles.values()) <= members
        if isinstance(method, EvoPromptGA):
            assert list(roles) == ["Prompt 1", "Prompt 2"]
            assert roles["Prompt 1"] != roles["Prompt 2"]
            continue
        assert list(roles) == [
            "Prompt 1",
            "Prompt 2",
            *(["Prompt 3"] if method.variant != "v2" else []),
            "Base prompt",
        ]
        example = text.split("done for another task:\n\n")[1].split("Now do")[0]
        assert all(f"{role}:\n" in example for role in roles)
        assert f"{len(steps)}. <prompt>" in example


def test_the_worked_example_is_of_another_kind_than_the_task(tmp_path: Path) -> None:
    for labels, shown, hidden in (
        (("right", "wrong"), SIMPLIFICATION, CLASSIFICATION),
        ((), CLASSIFICATION, SIMPLIFICATION),
    ):
        examples = [Example.of("right", question=f"question {number}") for number in range(30)]
        task = Task.from_examples(examples, prompt=START, labels=labels, metric="exact", splits=Splits(10, 10, 10))
        proposer = Scripted(inventive, name="inventive")
        model = Scripted(lambda _: "right", name="right")
        search(tmp_path / str(len(labels)), EvoPromptGA(population=2, generations=1), proposer=proposer, model=model,
               task=task)  # fmt: skip
        (text, _) = asked(proposer)
        assert all(shown.prompts[role] in text for role in ("Prompt 1", "Prompt 2"))
        assert shown.steps["ga"][-1] in text
        assert not any(prompt in text for prompt in hidden.prompts.values())


NOTHING = {
    "untagged": "A new prompt.",
    "unclosed": "<prompt>A new prompt.",
    "empty": "<prompt> </prompt>",
    "form": "<prompt>...</prompt>",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
@pytest.mark.parametrize("reply", [*NOTHING, "cut"])
def test_a_reply_of_no_use_gives_no_child(tmp_path: Path, kind: type[EvoPrompt], reply: str) -> None:
    text = Reply("<prompt>A new prompt", "length") if reply == "cut" else NOTHING[reply]
    proposer, model = Scripted(fixed(text), name="no use"), valued(by_digest)
    result = search(tmp_path, kind(population=3, generations=1), proposer=proposer, model=model)
    # Only a reply without a pair of tags is asked for once more.
    twice = reply in ("untagged", "unclosed")
    assert len(asked(proposer)) == (6 if twice else 3)
    assert result.steps[0].kept == result.steps[1].kept
    assert result.steps[0].spent.evaluations == result.steps[1].spent.evaluations == 3 * 10
    assert sum(result.rejected.values()) == (6 if twice else 3)


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_a_retry_that_keeps_the_form_counts(tmp_path: Path, kind: type[EvoPrompt]) -> None:
    def forgetful(request: Request) -> str:
        return inventive(request) if "Only write the prompt" in text_of(request) else "A new prompt."

    proposer = Scripted(lambda r: inventive(r) if paraphrasing(text_of(r)) else forgetful(r), name="forgetful")
    result = search(tmp_path, kind(population=3, generations=1), proposer=proposer)
    assert len(asked(proposer)) == 6
    assert len(result.steps[1].pool) == 6


def test_of_several_spans_the_last_one_counts(tmp_path: Path) -> None:
    proposer = fixed("1. Crossover: <prompt>One.</prompt>\n2. <prompt>Two.</prompt> That is it.")
    result = search(tmp_path, EvoPromptGA(population=2, generations=1), proposer=proposer)
    found = {candidate.prompt["instruction"] for candidate in result.candidates()}
    assert "Two." in found
    assert "One." not in found


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
@pytest.mark.parametrize("role", ["Prompt 1", "Prompt 2"])
def test_a_child_equal_to_a_parent_costs_nothing(tmp_path: Path, kind: type[EvoPrompt], role: str) -> None:
    def copyist(request: Request) -> str:
        text = text_of(request)
        return inventive(request) if paraphrasing(text) else f"<prompt>\n{roles_of(text)[role]}  </prompt>"

    model = valued(by_digest)
    result = search(tmp_path, kind(population=4, generations=2), proposer=copyist, model=model)
    assert [step.spent.evaluations for step in result.steps] == [40, 40, 40]
    assert [set(step.kept) for step in result.steps] == [set(result.steps[0].kept)] * 3
    assert len(result.candidates()) == 4


def test_a_prompt_that_was_dropped_is_known_still(tmp_path: Path) -> None:
    # Every child is the same text, which is worse than all: it is scored once, and never again.
    optimizer = EvoPromptGA(population=3, generations=3)
    worst = lambda text: 0.0 if text == "Worst." else 0.5 + by_digest(text) / 2  # noqa: E731
    result = search(tmp_path, optimizer, proposer=fixed("<prompt>Worst.</prompt>"), model=valued(worst))
    assert [step.spent.evaluations for step in result.steps] == [30, 40, 40, 40]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Join Prompt 1 and prompt 2.", "speaks of its parents"),
        ("Base prompt: answer.", "speaks of its parents"),
        (CLASSIFICATION.steps["ga"][-1], "repeats the request"),
        (CLASSIFICATION.prompts["Prompt 2"], "repeats the request"),
        (CLASSIFICATION.steps["v3"][1].partition(": ")[2], "repeats the request"),
        (f"Say yes. {CLASSIFICATION.steps['ga'][-1]} Then stop.", "repeats the request"),
        ("Keep their task and the names of the answers, then reply.", "repeats the request"),
        ("word " * 60, "too long"),
        ("Answer {this}.", "unresolved placeholder"),
    ],
)
def test_children_of_no_use_are_dropped_and_counted(tmp_path: Path, text: str, reason: str) -> None:
    optimizer = EvoPromptGA(population=2, generations=1, rewrite=Rewriting(longest=50))
    result = search(tmp_path, optimizer, proposer=fixed(f"<prompt>{text}</prompt>"))
    found = {candidate.prompt["instruction"] for candidate in result.candidates()}
    assert result.rejected == {f"crossover: {reason}": 2}
    assert text not in found


LAYOUTS = {
    "chat": Layout("own", messages=(("system", "{instruction}"), ("user", "{question}"))),
    "completion": Layout("own", text="{instruction}\n\n{question}\n"),
    "input first": Layout("own", text="{question}\n{instruction}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["labels", "number", "text"])
def test_every_target_request_contains_its_candidate(tmp_path: Path, layout: str, kind: str) -> None:
    target = {"labels": "red", "number": "7", "text": "a tale"}[kind]
    task = Task.from_examples(
        [Example.of(target, question=f"question {number}?") for number in range(30)],
        prompt=Prompt.of(START), layout=LAYOUTS[layout], labels=("red", "blue") if kind == "labels" else (),
        metric="number" if kind == "number" else "exact", splits=Splits(10, 10, 10),
    )  # fmt: skip
    model = Scripted(lambda _: target, name="right")
    result = search(tmp_path, EvoPromptDE(population=3, generations=1), task=task, model=model)
    found = [candidate.prompt["instruction"] for candidate in result.candidates()]
    assert len(found) == 6
    shown = sorted(found, key=len, reverse=True)
    counts = dict.fromkeys(found, 0)
    for request in model.log:
        assert isinstance(request, Request)
        counts[next(text for text in shown if text in text_of(request))] += 1
    assert all(count >= 10 for count in counts.values())


def test_references_reach_the_metric_uncut(tmp_path: Path) -> None:
    reference = "a long reference text, word after word, " * 40
    seen: list[str] = []

    def overlap(answer: str, example: Example) -> float:
        seen.extend([example.target, *example.accepted])
        return 0.5

    examples = [
        Example.of(f"{reference}{number}", (f"{reference}again",), question=f"question {number}")
        for number in range(30)
    ]
    task = Task.from_examples(examples, prompt=START, metric=overlap, answer="text", splits=Splits(10, 10, 10))
    model = Scripted(lambda _: "an answer", name="answers")
    search(tmp_path, EvoPromptGA(population=2, generations=1, examples=5), task=task, model=model)
    assert set(seen) <= {text for example in examples for text in (example.target, *example.accepted)}
    assert min(map(len, seen)) > len(reference)
