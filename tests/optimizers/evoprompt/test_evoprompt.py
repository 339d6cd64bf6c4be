"""The acceptance checks of evoprompt.md, by number; check 5, the wheel alone, is in tests/operators/test_evolution."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.config import build_optimizer
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.evolution import CLASSIFICATION, SIMPLIFICATION, Rewriting
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA, _overwritten
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.registry import names
from promptopt.run.budget import Budget
from promptopt.tasks.contract import Contract
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, outcome, planted_task
from promptopt.types import Content, Estimate, Example, Prompt, Reply, Request, Sampling, Score, digest

START = "Answer the question."
WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
EvoPrompt = EvoPromptGA | EvoPromptDE
Propose = Callable[[Request], str | Reply]


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def paraphrasing(text: str) -> bool:
    return text.startswith("Write a variation")


def section_of(text: str) -> str:
    """What is to be paraphrased."""
    return text.split('"""\n')[1].removesuffix("\n")


def roles_of(text: str) -> dict[str, str]:
    """The prompts that an operator is asked to work on, by role; those of the worked example left out."""
    given = text.split("Now do the steps for these prompts:\n\n")[1]
    return dict(re.findall(r'^(Prompt \d|Base prompt):\n"""\n(.*?)\n"""$', given, re.DOTALL | re.MULTILINE))


def inventive(request: Request) -> str:
    """A proposer that keeps the contract, and never says the same twice."""
    text = text_of(request)
    new = digest([text, request.seed])
    if paraphrasing(text):
        return f"<prompt>{section_of(text)} {new}</prompt>"
    return f"1. Crossover: ...\n2. <prompt>{START} {new}</prompt>"


def author(request: Request) -> str:
    """Appends two words to one of the prompts."""
    text = text_of(request)
    draw = random.Random(f"{text}{request.seed}")
    section = section_of(text) if paraphrasing(text) else draw.choice(list(roles_of(text).values()))
    return f"<prompt>{section} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def fixed(operator: str | Reply, paraphrase: Propose = inventive) -> Propose:
    """Every operator call gets the same reply."""
    return lambda request: paraphrase(request) if paraphrasing(text_of(request)) else operator


def valued_task(count: int = 10, *, prompt: str | Prompt = START, metric: object = None, **more: object) -> Task:
    """A task in which the model's answer is its score."""
    examples = [Example.of(f"right {number}", question=f"question {number}") for number in range(count + 20)]
    return Task.from_examples(
        examples, prompt=prompt, metric=as_said if metric is None else metric, answer="text",  # pyright: ignore
        train=count, dev=10, test=10, **more,  # pyright: ignore
    )  # fmt: skip


def as_said(answer: str, example: Example) -> float:
    return float(answer)


def instruction_of(request: Request) -> str:
    return text_of(request).rpartition("\n\n")[0]


def valued(value: Callable[[str], float], name: str = "valued") -> Scripted:
    """Says what an instruction is worth, on every example alike."""
    return Scripted(lambda request: repr(value(instruction_of(request))), name=name)


def search_by_loss(home: Path, optimizer: EvoPrompt, value: Callable[[str], float]) -> Result:
    """A search by the log-likelihood of the target, in nats: what `value` says of an instruction."""

    def scores(content: Content, text: str) -> list[float]:
        return [value(instruction_of(Request(content)))]

    model = Scripted(lambda _: "right", name="scored", scores=scores)
    task = valued_task(metric="exact")
    return search(home, optimizer, task=task, model=model, evaluator=Loss(task, reduction="sum", ends=False))


def by_digest(instruction: str) -> float:
    """A value that says nothing about the text: 0 to 0.99 in steps that differ nearly always."""
    return int(digest(instruction)[:8], 16) % 100 / 100


def search(
    home: Path,
    optimizer: EvoPrompt,
    *,
    proposer: Propose | Scripted = inventive,
    model: Scripted | None = None,
    task: Task | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Result:
    return optimize(
        valued_task() if task is None else task,
        optimizer,
        model=valued(by_digest) if model is None else model,
        proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="proposer"),
        evaluator=evaluator,
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


def texts(prompts: Sequence[Prompt]) -> list[str]:
    return [prompt["instruction"] for prompt in prompts]


def kept(result: Result, step: int = -1) -> list[str]:
    return texts(result.steps[step].kept)


def asked(proposer: Scripted, *, operator: bool = True) -> list[str]:
    found = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    return [text for text in found if paraphrasing(text) is not operator]


class TestGA(OptimizerContract):
    """Checks 12 and 13: replay, crashes at any call, hash seeds, exact budgets, the sealed test; a planted gain."""

    optimizer = EvoPromptGA(population=3, generations=2, examples=16)
    budget = Budget(evaluations=400)
    sizes = (40, 170, 270)

    def propose(self, request: Request) -> str:
        return author(request)


class TestDE(OptimizerContract):
    """As for the genetic algorithm."""

    optimizer = EvoPromptDE(population=3, generations=2, examples=16)
    budget = Budget(evaluations=400)
    sizes = (40, 170, 270)

    def propose(self, request: Request) -> str:
        return author(request)


def test_a_generation_of_ga_makes_10_calls_and_keeps_the_best_of_the_union(tmp_path: Path) -> None:
    proposer, model = Scripted(inventive, name="inventive"), valued(by_digest)
    result = search(tmp_path, EvoPromptGA(generations=3, examples=5), proposer=proposer, model=model)
    assert len(asked(proposer)) == 3 * 10
    assert len(asked(proposer, operator=False)) == 9
    for before, after in zip(result.steps, result.steps[1:], strict=False):
        assert after.spent.evaluations - before.spent.evaluations == 10 * 5
        assert after.spent.proposer_calls - before.spent.proposer_calls == 10
        union = {estimate.prompt: estimate.mean for estimate in after.pool}
        assert set(before.kept) <= set(union)
        assert len(union) == 20
        values = [union[prompt] for prompt in after.kept]
        assert values == sorted(union.values(), reverse=True)[:10]
        old = [union[prompt] for prompt in before.kept]
        assert min(values) >= min(old)
        assert max(values) >= max(old)
        assert sum(values) >= sum(old)


class Slots:
    """A proposer for DE: each operator call gets the next child, and the roles it was asked with are noted."""

    def __init__(self, *children: str) -> None:
        self.children, self.roles = list(children), list[dict[str, str]]()

    def __call__(self, request: Request) -> str:
        text = text_of(request)
        if paraphrasing(text):
            return "<prompt></prompt>"
        self.roles.append(roles_of(text))
        return f"<prompt>{self.children[len(self.roles) - 1]}</prompt>"


VALUES = {"Two.": 0.2, "Three.": 0.3, "Four.": 0.4, "Five.": 0.5, START: 0.1}


def values_with(**more: float) -> Callable[[str], float]:
    known = VALUES | {f"{name}.": value for name, value in more.items()}
    return known.__getitem__


def seeded(population: int = 4, generations: int = 1, **more: object) -> EvoPromptDE:
    """A population of the best seeds: "Five.", "Four.", "Three.", "Two." in this order."""
    return EvoPromptDE(
        population=population, generations=generations, seeds=("Two.", "Three.", "Four.", "Five."), **more  # pyright: ignore
    )  # fmt: skip


def test_a_slot_changes_only_for_a_better_child_of_its_own(tmp_path: Path) -> None:
    # Better than every other member and worse than its base; equal to its base; better; the same text as a member.
    proposer = Slots("Nearly.", "Equal.", "Better.", "Better.")
    model = valued(values_with(Nearly=0.45, Equal=0.4, Better=0.35))
    result = search(tmp_path, seeded(), proposer=proposer, model=model)
    assert [roles["Base prompt"] for roles in proposer.roles] == ["Five.", "Four.", "Three.", "Two."]
    assert kept(result, 0) == ["Five.", "Four.", "Three.", "Two."]
    assert kept(result) == ["Five.", "Four.", "Better.", "Two."]
    assert {"Nearly.", "Equal."} <= set(texts([estimate.prompt for estimate in result.steps[-1].pool]))


def test_a_record_is_the_donor_of_the_next_child(tmp_path: Path) -> None:
    proposer = Slots("Low.", "High.", "Low.", "Higher.", "Low.", "Low.", "Low.", "Low.")
    model = valued(values_with(Low=0.0, High=0.8, Higher=0.9))
    result = search(tmp_path, seeded(generations=2), proposer=proposer, model=model)
    donors = [roles["Prompt 3"] for roles in proposer.roles]
    assert donors == ["Five.", "Five.", "High.", "High.", "Higher.", "Higher.", "Higher.", "Higher."]
    # The generation is synchronous: a record takes its slot, but is drawn from the next generation on.
    assert all("High." not in (roles["Prompt 1"], roles["Prompt 2"]) for roles in proposer.roles[:4])
    assert sorted(kept(result, 1)) == sorted(["Five.", "High.", "Three.", "Higher."])


@pytest.mark.parametrize("variant", ["v1", "v2", "v3"])
@pytest.mark.parametrize("donor", ["best", "random"])
def test_members_are_pairwise_different(tmp_path: Path, variant: str, donor: str) -> None:
    proposer = Slots(*(["Low."] * 60))
    model = valued(values_with(Low=0.0))
    search(tmp_path, seeded(5, 12, variant=variant, donor=donor), proposer=proposer, model=model)
    drawn: set[str] = set()
    for roles in proposer.roles:
        members = [roles["Prompt 1"], roles["Prompt 2"], roles["Base prompt"]]
        if variant != "v2" and donor == "random":
            members.append(roles["Prompt 3"])
        assert len(set(members)) == len(members)
        assert set(members) <= set(VALUES)
        if variant == "v2":
            assert "Prompt 3" not in roles
        elif donor == "best":
            assert roles["Prompt 3"] == "Five."
            assert "Five." not in members[:2]
        drawn |= set(members[:2])
    assert drawn == set(VALUES) - ({"Five."} if variant != "v2" and donor == "best" else set())


def test_three_members_are_enough_though_one_of_them_is_the_donor(tmp_path: Path) -> None:
    proposer = Slots("Low.", "Low.", "Low.")
    search(tmp_path, seeded(3), proposer=proposer, model=valued(values_with(Low=0.0)))
    assert [set(roles.values()) for roles in proposer.roles] == [{"Five.", "Four.", "Three."}] * 3


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
        task = Task.from_examples(examples, prompt=START, labels=labels, metric="exact", train=10, dev=10, test=10)
        proposer = Scripted(inventive, name="inventive")
        model = Scripted(lambda _: "right", name="right")
        search(tmp_path / str(len(labels)), EvoPromptGA(population=2, generations=1), proposer=proposer, model=model,
               task=task)  # fmt: skip
        (text, _) = asked(proposer)
        assert all(shown.prompts[role] in text for role in ("Prompt 1", "Prompt 2"))
        assert shown.steps["ga"][-1] in text
        assert not any(prompt in text for prompt in hidden.prompts.values())


def test_too_small_a_population_for_de_is_refused_before_there_is_a_run() -> None:
    with pytest.raises(ConfigError, match="'population' is 2; set it to 3 or more"):
        EvoPromptDE(population=2)
    with pytest.raises(ConfigError, match="set it to 4 or more"):
        EvoPromptDE(population=3, donor="random")
    assert EvoPromptDE(population=3, donor="random", variant="v2").population == 3
    with pytest.raises(ConfigError, match="set it to 1 or more"):
        EvoPromptGA(population=0)


def test_one_start_is_paraphrased_until_the_population_is_full(tmp_path: Path) -> None:
    drawn = iter(["A.", "A.", START, "B.", "<prompt></prompt>", "A.", "C.", "D."])
    proposer = Scripted(lambda _: next(drawn), name="repeats itself")
    result = search(tmp_path, EvoPromptGA(population=5, generations=0), proposer=proposer)
    # Four are asked for, and two of them are new; of two more, none; of two more, both.
    assert sorted(kept(result)) == sorted([START, "A.", "B.", "C.", "D."])
    assert proposer.calls == 4 + 2 + 2


@pytest.mark.parametrize("reply", ["<prompt></prompt>", START, "I'm sorry, I can't.", f"  {START} \n"])
def test_a_proposer_that_writes_nothing_new_leaves_fewer_members(tmp_path: Path, reply: str) -> None:
    proposer = Scripted(lambda _: reply, name="dull")
    result = search(tmp_path / "ga", EvoPromptGA(population=4, generations=2), proposer=proposer)
    assert any("the first population has 1 of 4 prompts" in warning for warning in result.warnings)
    assert kept(result) == [START]
    assert result.prompt["instruction"] == START
    assert result.start.dev is not None
    # A member alone is crossed with itself.
    assert all(set(roles_of(text).values()) == {START} for text in asked(proposer))

    result = search(tmp_path / "de", EvoPromptDE(population=4, generations=2), proposer=lambda _: reply)
    assert any("needs 3 different prompts and has 1" in warning for warning in result.warnings)
    assert len(result.steps) == 1
    assert result.status == "finished"
    assert result.prompt["instruction"] == START


def test_a_small_first_population_grows_in_ga(tmp_path: Path) -> None:
    silent = lambda request: "<prompt></prompt>" if paraphrasing(text_of(request)) else inventive(request)  # noqa: E731
    for update in ("topk", "std"):
        optimizer = EvoPromptGA(population=5, generations=2, update=update)
        result = search(tmp_path / update, optimizer, proposer=silent)
        assert [len(step.kept) for step in result.steps] == [1, 5, 5]


def test_the_better_half_of_the_pool_and_paraphrases_of_it(tmp_path: Path) -> None:
    seeds = tuple(f"Seed {number}." for number in range(1, 13))
    worth = {START: 0.0} | {seed: 0.02 * number for number, seed in enumerate(seeds, 1)}

    def paraphrase(request: Request) -> str:
        # Of the best four: a new text, an empty one, a member of the pool, a new text.
        section = section_of(text_of(request))
        return {"Seed 12.": "<prompt>New.</prompt>", "Seed 11.": "<prompt> </prompt>", "Seed 10.": "Seed  1."}.get(
            section, f"<prompt>{section} again</prompt>"
        )

    proposer = Scripted(paraphrase, name="mixed")
    model = valued(lambda text: worth.get(text, 0.5))
    result = search(tmp_path, EvoPromptGA(population=9, generations=0, seeds=seeds), proposer=proposer, model=model)
    (step,) = result.steps
    sources = sorted(section_of(text) for text in asked(proposer, operator=False))
    assert sources == sorted(f"Seed {number}." for number in (12, 11, 10, 9))
    best, following = [f"Seed {n}." for n in (12, 11, 10, 9, 8)], ["Seed 7.", "Seed 6."]
    assert sorted(kept(result)) == sorted([*best, "New.", "Seed 9. again", *following])
    assert {estimate.count for estimate in step.pool} == {10}
    assert step.spent.evaluations == 10 * (13 + 2)
    assert {candidate.proposal.operator for candidate in result.candidates()} == {"start", "seed", "paraphraser"}


def test_seeds_that_break_the_contract_are_left_out_and_told(tmp_path: Path) -> None:
    task = replace(valued_task(), contract=Contract(must_not_contain=("never",)))
    seeds = ("I never answer.", "Answer.", " Answer. ", START)
    result = search(tmp_path, EvoPromptGA(population=2, generations=0, seeds=seeds), task=task)
    assert {estimate.prompt["instruction"].strip() for estimate in result.steps[0].pool} >= {START, "Answer."}
    assert sum(c.proposal.operator == "seed" and c.search.count > 0 for c in result.candidates()) == 1
    assert not any("never" in c.prompt["instruction"] for c in result.candidates())
    assert any("1 of 4 seed prompts break the task's contract" in warning for warning in result.warnings)


NOTHING = {
    "untagged": "A new prompt.",
    "unclosed": "<prompt>A new prompt.",
    "empty": "<prompt> </prompt>",
    "form": "<prompt>...</prompt>",
}


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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Join Prompt 1 and prompt 2.", "speaks of its parents"),
        ("Base prompt: answer.", "speaks of its parents"),
        (CLASSIFICATION.steps["ga"][-1], "copies the worked example"),
        (CLASSIFICATION.prompts["Prompt 2"], "copies the worked example"),
        (CLASSIFICATION.steps["v3"][1].partition(": ")[2], "copies the worked example"),
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["labels", "number", "text"])
def test_every_target_request_contains_its_candidate(tmp_path: Path, layout: str, kind: str) -> None:
    target = {"labels": "red", "number": "7", "text": "a tale"}[kind]
    task = Task.from_examples(
        [Example.of(target, question=f"question {number}?") for number in range(30)],
        prompt=Prompt.of(START), layout=LAYOUTS[layout], labels=("red", "blue") if kind == "labels" else (),
        metric="number" if kind == "number" else "exact", train=10, dev=10, test=10,
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
    task = Task.from_examples(examples, prompt=START, metric=overlap, answer="text", train=10, dev=10, test=10)
    model = Scripted(lambda _: "an answer", name="answers")
    search(tmp_path, EvoPromptGA(population=2, generations=1, examples=5), task=task, model=model)
    assert set(seen) <= {text for example in examples for text in (example.target, *example.accepted)}
    assert min(map(len, seen)) > len(reference)


def test_one_scalar_drives_parents_replacement_and_the_choice(tmp_path: Path) -> None:
    first = {START: 0.9, "Two.": 0.6, "Three.": 0.3, "Four.": 0.2, "Five.": 0.1, "Child.": 0.0}
    mean = {START: 0.0, "Two.": 0.2, "Three.": 0.4, "Four.": 0.6, "Five.": 0.8, "Child.": 0.9}

    def components(answer: str, example: Example) -> Score:
        one, three = answer.split()
        return Score(float(three), answer, answer, feedback=f"rouge-1 {one}")

    task = valued_task(metric=components)
    model = Scripted(lambda r: f"{first[instruction_of(r)]} {mean[instruction_of(r)]}", name="two components")
    proposer = Slots(*["Child."] * 4)
    result = search(tmp_path, seeded(), proposer=proposer, model=model, task=task)
    assert kept(result, 0) == ["Five.", "Four.", "Three.", "Two."]
    assert proposer.roles[0]["Prompt 3"] == "Five."
    assert kept(result, 1) == ["Child.", "Four.", "Three.", "Two."]
    assert result.best.text == "Child."

    drawn: list[str] = []

    def note(request: Request) -> str:
        if not paraphrasing(text_of(request)):
            drawn.append(roles_of(text_of(request))["Prompt 1"])
        return "<prompt></prompt>"

    optimizer = EvoPromptGA(population=8, generations=60, seeds=("Two.", "Five."))
    search(tmp_path / "ga", optimizer, proposer=note, model=model, task=task)
    # The wheel goes by the mean: 0, 0.2 and 0.8.
    assert drawn.count(START) == 0
    assert drawn.count("Five.") / len(drawn) == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_a_budget_that_ends_after_four_children(tmp_path: Path, kind: type[EvoPrompt]) -> None:
    optimizer, task, limit = kind(population=10, generations=1), valued_task(50), 10 * 50 + 4 * 50 + 25 + 60
    partial = ""

    def conduct(home: Path) -> tuple[Result, list[str], list[str]]:
        value = lambda text: 0.99 if text == partial else 0.9 if "child" in text else 0.5 * by_digest(text)  # noqa: E731
        model = valued(value)
        count = iter(range(100))

        def propose(request: Request) -> str:
            return inventive(request) if paraphrasing(text_of(request)) else f"<prompt>child {next(count)}.</prompt>"

        result = search(home, optimizer, proposer=propose, model=model, task=task, budget=Budget(evaluations=limit))
        assert result.status == "budget"
        assert model.calls == result.spent.evaluations <= limit
        found = [c for c in result.candidates() if c.prompt["instruction"].startswith("child")]
        whole = [c.prompt["instruction"] for c in found if c.search.count == 50]
        return result, whole, [c.prompt["instruction"] for c in found if 0 < c.search.count < 50]

    _, whole, begun = conduct(tmp_path / "first")
    assert len(whole) == 4
    # The one that the cap cut off is a finalist too, and the final choice shows what it is worth.
    [partial] = begun
    assert conduct(tmp_path / "second")[0].best.text == partial


@pytest.mark.parametrize("evaluations", [30, 45, 60])
def test_a_budget_smaller_than_the_first_population_returns_the_start_scored(tmp_path: Path, evaluations: int) -> None:
    for kind in (EvoPromptGA, EvoPromptDE):
        result = search(tmp_path / kind.__name__, kind(), task=valued_task(40), budget=Budget(evaluations=evaluations))
        assert result.status == "budget"
        assert result.spent.evaluations <= evaluations
        assert result.start.test is not None
        assert result.prompt["instruction"] == START


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_one_seed_one_course(tmp_path: Path, kind: type[EvoPrompt]) -> None:
    optimizer = kind(population=4, generations=3)
    logs, results = [], []
    for number, seed in enumerate((0, 0, 1)):
        proposer = Scripted(author, name="author")
        results.append(search(tmp_path / str(number), optimizer, proposer=proposer, seed=seed))
        logs.append(asked(proposer))
    assert logs[0] == logs[1]
    assert outcome(results[0]) == outcome(results[1])
    assert logs[0] != logs[2]


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -3.0, -math.inf])
def test_of_equals_the_older_stays(tmp_path: Path, kind: type[EvoPrompt], value: float) -> None:
    optimizer = kind(population=4, generations=2)
    if value < 0:
        result = search_by_loss(tmp_path, optimizer, lambda _: value)
    else:
        result = search(tmp_path, optimizer, model=valued(lambda _: value, f"says {value}"))
    assert len(result.steps) == 3
    assert len(result.steps[-1].pool) == 8
    assert [set(step.kept) for step in result.steps] == [set(result.steps[0].kept)] * 3
    assert kept(result)[0] == START
    assert result.prompt["instruction"] == START


def test_of_equal_children_the_shorter_stays(tmp_path: Path) -> None:
    drawn = iter(["Much longer child.", "A child."])
    proposer = lambda r: inventive(r) if paraphrasing(text_of(r)) else f"<prompt>{next(drawn)}</prompt>"  # noqa: E731
    model = valued(lambda text: {"Much longer child.": 0.9, "A child.": 0.9, START: 0.5}.get(text, 0.1))
    result = search(tmp_path, EvoPromptGA(population=2, generations=1), proposer=proposer, model=model)
    assert kept(result) == ["A child.", "Much longer child."]


def test_scores_of_any_sign_and_invalid_candidates(tmp_path: Path) -> None:
    def value(text: str) -> float:
        return -math.inf if int(digest(text)[:2], 16) % 3 == 0 else by_digest(text) - 1.0

    for kind in (EvoPromptGA, EvoPromptDE):
        result = search_by_loss(tmp_path / kind.__name__, kind(population=5, generations=3), value)
        means = {estimate.prompt: estimate.mean for estimate in result.steps[-1].pool}
        assert value(kept(result)[0]) == pytest.approx(max(means.values()))
        assert result.status == "finished"


def test_prompts_of_one_word(tmp_path: Path) -> None:
    word = lambda request: f"<prompt>{digest([text_of(request), request.seed])}</prompt>"  # noqa: E731
    for kind in (EvoPromptGA, EvoPromptDE):
        result = search(tmp_path / kind.__name__, kind(population=3, generations=1), task=valued_task(prompt="e"),
                        proposer=word)  # fmt: skip
        assert len(result.steps[-1].pool) == 6


def test_ga_std_puts_each_child_into_its_slot() -> None:
    old = [Estimate(Prompt.of(text), mean, 10) for text, mean in (("A.", 0.9), ("B.", 0.8), ("C.", 0.7), ("D.", 0.6))]
    new = [Estimate(Prompt.of("One."), 0.1, 10), Estimate(Prompt.of("Two."), 0.2, 10)]
    known = {each.prompt: each for each in [*old, *new]}
    one, two = new
    # Slot 2 has no child, slot 3 one that is a member by then: their members stay. Slot 5 is new.
    children = [one.prompt, None, one.prompt, two.prompt, old[0].prompt, old[1].prompt]
    assert _overwritten(old, children, known) == [one, old[1], old[2], two, old[0]]


def test_ga_std_keeps_children_that_are_worse(tmp_path: Path) -> None:
    value = lambda text: 0.9 / (1 + len(text.split()))  # noqa: E731
    longer = lambda r: inventive(r) if paraphrasing(text_of(r)) else f"<prompt>{'word ' * 9}{digest(r.seed)}</prompt>"  # noqa: E731
    for update, words in (("topk", {3, 4}), ("std", {10})):
        optimizer = EvoPromptGA(population=4, generations=1, update=update)
        result = search(tmp_path / update, optimizer, proposer=longer, model=valued(value))
        assert {len(text.split()) for text in kept(result)} == words
        # Whatever the method goes on with, the run knows the best.
        assert result.prompt["instruction"] == START


@pytest.mark.parametrize("parents", ["roulette", "tournament", "random"])
def test_ga_draws_its_parents_as_told(tmp_path: Path, parents: str) -> None:
    worth = {START: 0.1, "Two.": 0.2, "Three.": 0.7}
    pairs: list[list[str]] = []

    def note(request: Request) -> str:
        if not paraphrasing(text_of(request)):
            pairs.append(list(roles_of(text_of(request)).values()))
        return "<prompt></prompt>"

    optimizer = EvoPromptGA(population=20, generations=60, seeds=("Two.", "Three."), parents=parents)  # pyright: ignore
    search(tmp_path, optimizer, proposer=note, model=valued(worth.__getitem__))
    assert len(pairs) == 1200
    assert all(first != second for first, second in pairs)
    shares = [sum(first == text for first, _ in pairs) / len(pairs) for text in (START, "Two.", "Three.")]
    # Of two of three members the better: the worst never, the middle one in one of three draws.
    expected = {"roulette": (0.1, 0.2, 0.7), "tournament": (0.0, 1 / 3, 2 / 3), "random": (1 / 3,) * 3}[parents]
    assert shares == pytest.approx(expected, abs=0.05)
    after = [second for first, second in pairs if first == "Two."]
    share = after.count("Three.") / len(after)
    assert share == pytest.approx({"roulette": 0.7 / 0.8, "tournament": 1.0, "random": 0.5}[parents], abs=0.08)


def test_every_prompt_is_scored_on_one_sample_of_train(tmp_path: Path) -> None:
    model = valued(by_digest)
    result = search(tmp_path, EvoPromptGA(population=3, generations=1, examples=7), model=model, task=valued_task(30))
    searched = result.steps[-1].spent.evaluations
    assert searched == 7 * 6
    questions = [text_of(request).rpartition("\n\n")[2] for request in model.log[:searched]]
    assert len(set(questions)) == 7


def test_lineage_names_the_parents(tmp_path: Path) -> None:
    result = search(tmp_path / "de", EvoPromptDE(population=3, generations=1))
    found = [c.proposal for c in result.candidates() if c.proposal.operator == "differential"]
    assert len(found) == 3
    bases = [proposal.parents[0] for proposal in found]
    assert set(bases) == set(result.steps[0].kept)
    assert all(set(proposal.parents) == set(result.steps[0].kept) for proposal in found)
    result = search(tmp_path / "ga", EvoPromptGA(population=3, generations=1))
    assert {len(c.proposal.parents) for c in result.candidates() if c.proposal.operator == "crossover"} == {2}


def test_expected_is_the_cost_model_of_the_paper() -> None:
    pool = tuple(f"seed {number}" for number in range(34))
    for kind in (EvoPromptGA, EvoPromptDE):
        assert kind(seeds=pool).upper_bounds(10_000).evaluations == 28_000
        assert kind(seeds=pool[:18], examples=50).upper_bounds(10_000).evaluations == 6_200
        assert kind().upper_bounds(10_000).evaluations == 200 * (10 + 100)
        assert kind().upper_bounds(30).evaluations == 30 * 110
        assert kind().upper_bounds(200).proposer_calls == 2 * (100 + 27)


@settings(max_examples=10)
@given(
    st.sampled_from([EvoPromptGA, EvoPromptDE]), st.integers(3, 5), st.integers(0, 2), st.integers(0, 5), st.booleans()
)
def test_expected_bounds_what_is_spent(
    tmp_path_factory: pytest.TempPathFactory, kind: type[EvoPrompt], size: int, rounds: int, seeds: int, good: bool
) -> None:
    texts = tuple(f"Seed {number}." for number in range(seeds))
    optimizer = kind(population=size, generations=rounds, examples=3, seeds=texts)
    result = search(tmp_path_factory.mktemp("bound"), optimizer, proposer=inventive if good else lambda _: "{}")
    bound, spent = optimizer.upper_bounds(10), result.steps[-1].spent
    assert spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls <= bound.proposer_calls
    if good:
        assert spent.evaluations == bound.evaluations


@pytest.mark.skipif("evoprompt-de" not in names("optimizers"), reason="the package is not installed")
def test_settings_from_the_command_line() -> None:
    shared = {"population": "6", "rewrite.sampling.temperature": "0.9", "seeds": "Answer.,Reply."}
    rewrite = Rewriting(sampling=Sampling(0.9, 0.95, 1000))
    assert build_optimizer("evoprompt-ga", {**shared, "parents": "random", "update": "std"}) == EvoPromptGA(
        population=6, parents="random", update="std", seeds=("Answer.", "Reply."), rewrite=rewrite
    )
    assert build_optimizer("evoprompt-de", {**shared, "variant": "v3", "donor": "random"}) == EvoPromptDE(
        population=6, variant="v3", donor="random", seeds=("Answer.", "Reply."), rewrite=rewrite
    )
    with pytest.raises(ConfigError, match=r"evoprompt-de\.variant"):
        build_optimizer("evoprompt-de", {"variant": "v4"})


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
@pytest.mark.parametrize(("name", "value"), [("generations", -1), ("examples", 0), ("seeds", ("Answer.", " "))])
def test_unusable_settings_are_refused(kind: type[EvoPrompt], name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})  # pyright: ignore


def test_the_planted_start_is_beaten_by_a_proposer_that_helps(tmp_path: Path) -> None:
    accuracy = feature_accuracy(WORDS, base=0.1, each=0.15)
    model = valued(accuracy)
    for kind in (EvoPromptGA, EvoPromptDE):
        result = search(tmp_path / kind.__name__, kind(population=5, generations=5), proposer=author, model=model)
        best = [step.kept[0]["instruction"] for step in result.steps]
        values = [accuracy(text) for text in best]
        assert values == sorted(values)
        assert values[-1] > accuracy(planted_task().initial["instruction"])
