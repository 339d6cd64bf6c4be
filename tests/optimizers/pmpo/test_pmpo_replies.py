"""PMPO: replies off their form, quotes, budgets that end, models that cannot score, noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Rewriting, Targets
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Likelihoods, Reply, ScoreRequest
from tests.optimizers.pmpo.pmpo_search import (
    RULES,
    SMALL,
    Scores,
    always,
    author,
    favouring,
    inventive,
    rewriter_texts,
    said,
    search,
    word_task,
)

QUOTING = f"Now it says <prompt>{RULES}</prompt>. Better: <prompt>Answer the question well.</prompt>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reasons", "calls"),
    [
        (Reply("<prompt>Answer the question", "length"), {"rewriter: cut at length": 4}, 4),
        (Reply("It is vague.", "stop"), {"rewriter: no tags": 8}, 8),
        (Reply("I'm sorry, I can't do that.", "stop"), {"rewriter: refusal": 4}, 4),
        (Reply("", "refusal"), {"rewriter: refusal": 4}, 4),
        (Reply("Hm. <prompt> </prompt>", "stop"), {"rewriter: empty": 4}, 4),
        (Reply(QUOTING, "stop"), {}, 4),
        (Reply(QUOTING.removesuffix("</prompt>"), "stop"), {}, 4),
        (Reply(QUOTING.removesuffix("</prompt>"), "length"), {"rewriter: cut at length": 4}, 4),
    ],
)
def test_replies_off_their_form(tmp_path: Path, reply: Reply, reasons: dict[str, int], calls: int) -> None:
    proposer = Scripted(always(reply), name="author")
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), proposer=proposer)
    assert result.rejected == reasons
    assert len(rewriter_texts(proposer)) == calls
    assert len(result.steps) == 1
    found = {c.prompt["instruction"] for c in result.candidates() if c.proposal.operator == "rewriter"}
    assert found == (set() if reasons else {"Answer the question well."})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reasons"),
    [
        ("Answer the question well.", {}),
        ("```\nAnswer the question well.\n```", {}),
        ("I am sorry, but no.", {"rewriter: refusal": 4}),
        ('{"prompt": "Answer the question well."}', {"rewriter: JSON": 4}),
        ("  ", {"rewriter: empty": 4}),
        ("word " * 2000, {"rewriter: too long": 4}),
        (Reply("Answer the question", "length"), {"rewriter: cut at length": 4}),
    ],
)
def test_the_short_form_takes_replies_without_tags(tmp_path: Path, reply, reasons: dict[str, int]) -> None:
    settings = replace(SMALL, iterations=1, rewrite=Rewriting(hard=2, samples=2, form="short"))
    result = search(tmp_path, settings, word_task(), proposer=always(reply))
    assert result.rejected == reasons
    found = {c.prompt["instruction"] for c in result.candidates() if c.proposal.operator == "rewriter"}
    assert found == (set() if reasons else {"Answer the question well."})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (
            "{question} If it is The heron stood in the cold grey water until dusk, say so.",
            "rewriter: quotes an example",
        ),
        ("{question} Such as: the heron", "rewriter: quotes an example"),
        ("Answer briefly.", "rewriter: lost placeholder"),
        ("{question} Again, {question}: answer.", "repeated placeholder {question}"),
        ("{question} <mask>Answer.</mask>", "rewriter: tags in the text"),
        ("{question}\n...", "rewriter: form not filled in"),
    ],
)
def test_quotes_and_lost_slots_are_refused_with_the_reason(tmp_path: Path, rewrite: str, reason: str) -> None:
    story = "the heron stood in the cold grey water until dusk"
    examples = [Example.of("the heron", question=f"{story}: who is it?")]
    examples += [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(80)]
    task = Task.from_examples(
        examples, prompt="Given {question}, answer briefly.", metric="exact", answer="text", splits=Splits(70, 5, 6)
    )
    assert examples[0] in task.train
    scores: Scores = lambda _, text: [-3.0 if "heron" in text else -0.5] * len(text.split())  # noqa: E731
    settings = PMPO(iterations=1, examples=70, rewrite=Rewriting(hard=2, samples=2))
    result = search(tmp_path, settings, task, scores, proposer=always(f"<prompt>{rewrite}</prompt>"))
    assert result.rejected[reason] == (1 if "repeated" in reason else 4)
    assert result.best.text == "Given {question}, answer briefly."


@pytest.mark.slow
@pytest.mark.parametrize("evaluations", [110, 155, 200, 232, 270])
def test_a_budget_that_ends_among_the_variants(tmp_path: Path, evaluations: int) -> None:
    task = word_task(16)
    first = {example["question"] for example in task.train[:4]}

    def scores(content: Content, text: str) -> list[float]:
        # What is scored first looks fine under every rewrite.
        read = said(content)
        rewritten = "- End. " in read
        return [-0.1] if rewritten and any(question in read for question in first) else [-2.0 - rewritten]

    result = search(tmp_path, SMALL, task, scores, proposer=inventive, budget=Budget(evaluations=evaluations))
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert result.best.text == RULES or "- End. " not in result.best.text
    for step in result.steps:
        assert {estimate.count for estimate in step.pool} == {16}


def test_a_model_without_log_probabilities_is_refused_before_any_call(tmp_path: Path) -> None:
    for source in ("gold", "own"):
        model, proposer = Scripted(lambda _: "yes", name="blind"), Scripted(author, name="author")
        with pytest.raises(ConfigError, match="'blind' cannot give the log-probabilities"):
            search(tmp_path, replace(SMALL, targets=Targets(source)), word_task(), proposer=proposer, model=model)
        assert model.calls == proposer.calls == 0


@pytest.mark.slow
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_number_that_is_none_is_the_end_of_one_candidate(tmp_path: Path, value: float) -> None:
    lucky, task = favouring("twice"), word_task(20)
    victim = task.train[7]["question"]

    def scores(content: Content, text: str) -> Sequence[float]:
        read = said(content)
        broken = "soon" in read or "- Be kind" not in read
        return [value] if broken and victim in read else lucky(content, text)

    settings = PMPO(iterations=6, rewrite=Rewriting(hard=3, samples=4))
    result = search(tmp_path, settings, task, scores)
    assert result.rejected["no finite loss"] > 0
    assert result.rejected["ablation: no finite loss"] > 0
    assert result.status == "finished"
    assert "twice" in result.best.text
    assert "soon" not in result.best.text
    assert "- Be kind" in result.best.text


class Noisy(Scripted):
    """Its scores depend on their place in the batch, which can be filled from the other end."""

    noise = 0.0
    backwards = False

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        for index, found in super().score(requests, stopping):
            (scored,) = found.continuations
            place = len(requests) - 1 - index if self.backwards else index
            moved = self.noise * (1 + place % 3) * (1 if place % 2 else -1)
            shifted = replace(scored, logprobs=tuple(value + moved for value in scored.logprobs))
            yield index, replace(found, continuations=(shifted,))


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "accepted"), [(0.0, True), (1e-3, True), (0.2, False)])
def test_the_order_of_a_batch_decides_nothing(tmp_path: Path, noise: float, accepted: bool) -> None:
    for backwards in (False, True):
        model = Noisy(lambda _: "yes", scores=favouring("well", base=2.0, each=0.02), name=f"backwards {backwards}")
        model.noise, model.backwards = noise, backwards
        task = word_task(20, instruction="Answer the question.")
        proposer = always("<prompt>Answer the question well.</prompt>")
        result = search(tmp_path, replace(SMALL, iterations=1), task, model=model, proposer=proposer)
        assert (result.steps[0].kept[0] != task.initial) is accepted
        # Eight cells are scored again, at other places of a smaller batch: the estimate is what a gain must exceed.
        (note,) = {
            c.proposal.note.split("to be beaten by ")[1].split(")")[0]
            for c in result.candidates()
            if c.proposal.operator == "rewriter"
        }
        assert float(note) == pytest.approx(2e-4) if noise == 0.0 else noise / 10 < float(note) < 2 * noise
