"""PMPO's search: masks, rewrites, acceptance; the evaluators alone are tested in tests/evaluators."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.config import build_optimizer
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.evaluators.preference import Preference
from promptopt.models.scripted import Scripted
from promptopt.operators.masks import SEGMENTER
from promptopt.optimizers.pmpo.method import PMPO, REWRITER, Acceptance, Masking, Rewriting, Targets
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.registry import names
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model
from promptopt.types import Content, Example, Likelihoods, Reply, Request, ScoreRequest, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
RULES = "Answer the question.\n- Say it in one word.\n- Be kind and warm.\n- Use plain words.\n- Think of snow.\n- End."
SMALL = PMPO(preset="paper", iterations=3, examples=16, rewrite=Rewriting(hard=2, samples=2))

Scores = Callable[[Content, str], Sequence[float]]


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def said(content: Content) -> str:
    return content if isinstance(content, str) else content[0].content


def segmenting(text: str) -> bool:
    return text.startswith("Mark the parts")


def section_of(text: str) -> str:
    head = "The prompt to mark:\n" if segmenting(text) else "The prompt now:\n"
    return text.split(f'{head}"""\n')[1].split('\n"""')[0]


def marked(section: str) -> str:
    lines = section.split("\n")
    return "\n".join([lines[0], *(f"<mask>{line}</mask>" for line in lines[1:])])


def author(request: Request) -> str:
    """A proposer that keeps both contracts: it marks every line but the first, and appends two words."""
    text = text_of(request)
    if segmenting(text):
        return f"<prompt>\n{marked(section_of(text))}\n</prompt>"
    draw = random.Random(f"{text}{request.seed}")
    return f"It is vague. <prompt>{section_of(text)} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def inventive(request: Request) -> str:
    """As `author`, but no two rewrites are alike."""
    text = text_of(request)
    if segmenting(text):
        return author(request)
    return f"<prompt>{section_of(text)} {digest([text, request.seed])}</prompt>"


def always(rewrite: str | Reply) -> Callable[[Request], str | Reply]:
    return lambda request: author(request) if segmenting(text_of(request)) else rewrite


def word_task(
    count: int = 10, *, instruction: str = RULES, target: Callable[[int], str] = lambda number: f"word{number}"
) -> Task:
    examples = [Example.of(target(number), question=f"Which is number {number}?") for number in range(count + 40)]
    return Task.from_examples(
        examples, prompt=instruction, name="words", metric="exact", answer="text", train=count, dev=20, test=20
    )


def flat(_: Content, text: str) -> list[float]:
    return [-0.5] * len(text.split())


def favouring(*words: str, base: float = 3.0, each: float = 0.4) -> Scores:
    """A word of the target costs `base` nats, and `each` less for every one of `words` in what is read."""

    def scores(content: Content, text: str) -> list[float]:
        loss = base - each * sum(word in said(content) for word in words)
        return [-loss] * len(text.split())

    return scores


def search(
    home: Path,
    optimizer: PMPO,
    task: Task,
    scores: Scores | None = flat,
    *,
    proposer: Callable[[Request], str | Reply] | Scripted = author,
    model: Scripted | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
) -> Result:
    """A search by the sum of the target's log-probs, without the end of the reply; so is the verdict."""
    evaluator = Loss(task, reduction="sum", ends=False) if evaluator is None else evaluator
    return optimize(
        task,
        optimizer,
        model=Models(
            Scripted(lambda _: "yes", name="task model", scores=scores) if model is None else model,
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="author"),
        ),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )


def rewriter_texts(proposer: Scripted) -> list[str]:
    return [text for request in proposer.log if not segmenting(text := text_of(request))]


def shown(text: str) -> str:
    """The input of the hard example that a rewriter call shows."""
    return text.split("question: ")[1].split("\n")[0]


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, by the method's own evaluator."""

    optimizer = replace(SMALL, mask=Masking(most=2))
    budget = Budget(evaluations=700)

    def propose(self, request: Request) -> str:
        return author(request)

    def task_model(self) -> Scripted:
        accuracy = feature_accuracy(self.words, base=self.base, each=self.each)
        planted = planted_model(accuracy)

        def answer(request: Request) -> Reply:
            ((_, reply),) = planted.generate([request])
            return reply

        def scores(content: Content, text: str) -> list[float]:
            return [math.log(accuracy(said(content)))] * (len(text.split()) + 1)

        return Scripted(answer, name="planted", scores=scores)


def test_the_same_search_goes_by_accuracy(tmp_path: Path) -> None:
    contract = TestContract()
    contract.evaluator = "generation"
    contract.test_beats_its_start_on_a_planted_landscape(tmp_path / "whole")
    contract.test_replay_pays_nothing(tmp_path / "again")


@pytest.mark.parametrize(("reduction", "loss"), [("sum", 1.5), ("token_mean", 0.5)])
def test_only_target_tokens_count(tmp_path: Path, reduction, loss: float) -> None:
    def scores(content: Content, text: str) -> list[float]:
        assert text == "three words here"
        return [-0.5] * 3

    task = word_task(target=lambda _: "three words here")
    evaluator = Loss(task, reduction=reduction, ends=False)
    result = search(tmp_path, SMALL, task, scores, evaluator=evaluator)
    lengths = {len(estimate.prompt["instruction"]) for step in result.steps for estimate in step.pool}
    assert len(lengths) > 5
    assert {-estimate.mean for step in result.steps for estimate in step.pool} == {loss}


class Merging(Scripted):
    """Its tokenizer joins the last character of the content with the first one of the target."""

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        for index, found in super().score(requests, stopping):
            yield index, replace(found, merged=True)


def test_a_token_across_the_boundary_is_scored_and_told_once(tmp_path: Path) -> None:
    task = word_task(target=lambda _: "two words")
    model = Merging(lambda _: "yes", scores=flat)
    result = search(tmp_path, SMALL, task, model=model)
    assert result.steps[0].pool[0].mean == -1.0
    assert sum("token reaches" in warning for warning in result.warnings) == 1


def preferences(good: float, bad: float) -> Scores:
    """The log-probabilities of the two outputs; the token that ends the reply is certain."""
    return lambda _, text: [good if text == "good" else bad, 0.0]


def preference_task() -> Task:
    examples = [Example.of("good", (), ("bad",), question=f"Which is number {number}?") for number in range(40)]
    return Task.from_examples(
        examples, prompt="Answer.", metric="exact", answer="text", name="pairs", train=10, dev=15, test=15
    )


@pytest.mark.parametrize(
    ("good", "bad", "loss"),
    [(-2.0, -5.0, 0.048587), (-5.0, -2.0, 3.048587), (-1.0, -1001.0, 0.0), (-1001.0, -1.0, 1e3)],
)
def test_the_preference_value(tmp_path: Path, good: float, bad: float, loss: float) -> None:
    task = preference_task()
    result = search(tmp_path, SMALL, task, preferences(good, bad), evaluator=Preference(task))
    assert -result.steps[0].pool[0].mean == pytest.approx(loss, abs=1e-6)


def test_four_options_are_one_request_of_four_texts_and_no_reply(tmp_path: Path) -> None:
    labels = ("red", "green", "blue", "black")
    examples = [Example.of(labels[number % 4], question=f"Which is number {number}?") for number in range(60)]
    task = Task.from_examples(examples, prompt="Answer.", labels=labels, name="colours", train=16, dev=20, test=20)
    model = Scripted(lambda _: "red", scores=lambda _, text: [-float(len(text))])
    result = search(tmp_path, SMALL, task, model=model, evaluator=Preference(task))
    assert all(isinstance(request, ScoreRequest) for request in model.log)
    assert {len(request.continuations) for request in model.log if isinstance(request, ScoreRequest)} == {4}
    pairs = {
        label: [math.log1p(math.exp(len(label) - len(other))) for other in labels if other != label] for label in labels
    }
    losses = [sum(pairs[example.target]) / 3 for example in task.train]
    assert -result.steps[0].pool[0].mean == pytest.approx(sum(losses) / len(losses))


def test_the_cost_of_an_iteration(tmp_path: Path) -> None:
    proposer = Scripted(inventive, name="inventive")
    task = word_task(70)
    model = Scripted(lambda _: "yes", scores=flat)
    result = search(tmp_path, PMPO(iterations=2), task, proposer=proposer, model=model)
    first, second = (step.spent for step in result.steps)
    # Eight cells of the start are scored again, for the noise.
    assert first.evaluations == 50 + 8 + 5 * 50 + 12 * 50
    assert first.calls - first.proposer_calls == first.evaluations
    assert first.proposer_calls == 1 + 12
    assert len(Counter(text_of(request) for request in proposer.log[:13])) == 1 + 3
    assert second.evaluations - first.evaluations == 12 * 50
    assert second.calls - first.calls == 12 * 50 + 12
    bound = PMPO(iterations=2).upper_bounds(70)
    assert second.evaluations <= bound.evaluations
    assert second.proposer_calls <= bound.proposer_calls


def test_what_helps_and_what_hurts_reaches_the_rewriter_with_its_numbers(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = said(content)
        return [-2.0 + 0.25 * ("one word" in read) - 0.125 * ("snow" in read)]

    proposer = Scripted(author, name="author")
    search(tmp_path, replace(SMALL, iterations=1), word_task(), scores, proposer=proposer)
    for text in rewriter_texts(proposer):
        assert '"- Say it in one word.": +0.2500 ± 0.0000 without it: it helps' in text
        assert '"- Think of snow.": -0.1250 ± 0.0000 without it: it hurts' in text
        assert '"- Be kind and warm.": +0.0000 ± 0.0000 without it: no clear effect' in text
        assert text.index("one word") < text.index("kind and warm") < text.index("Think of snow.")


def altered(section: str) -> str:
    return f"<prompt>{marked(section).replace('one', 'a')}</prompt>"


def nested(section: str) -> str:
    return f"<prompt>{section.replace('- Be', '<mask>- Be <mask>').replace('warm.', '</mask>warm.</mask>')}</prompt>"


def six(section: str) -> str:
    return f"<prompt><mask>Answer</mask> the question.{marked(section).removeprefix('Answer the question.')}</prompt>"


@pytest.mark.parametrize("broken", [altered, nested, six, lambda _: "", lambda _: "<prompt></prompt>"])
def test_a_bad_copy_is_asked_for_once_more_and_then_parts_are_cut_by_rule(tmp_path: Path, broken) -> None:
    def propose(request: Request) -> str:
        text = text_of(request)
        return broken(section_of(text)) if segmenting(text) else author(request)

    proposer = Scripted(propose, name="sloppy")
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), proposer=proposer)
    assert sum(segmenting(text_of(request)) for request in proposer.log) == 2
    assert result.rejected["segmenter: not a marked copy of the prompt"] == 2
    assert result.steps[0].pool[0].prompt["instruction"] == RULES
    parts = [c.proposal.note for c in result.candidates() if c.proposal.operator == "ablation"]
    assert parts == RULES.split("\n")[1:]
    assert all(section_of(text) == RULES for text in rewriter_texts(proposer))


def test_the_hardest_examples_are_shown_and_found_anew_after_a_gain(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        number = int(text.removeprefix("word"))
        # Without the word, the higher numbers are harder; with it, the lower ones are.
        return [-1.0 - number * 0.01] if "exactly" not in said(content) else [-0.9 + number * 0.01]

    task = word_task(12)
    proposer = Scripted(always("<prompt>Answer the question exactly.</prompt>"), name="once")
    result = search(
        tmp_path, replace(SMALL, iterations=2, rewrite=Rewriting(hard=3, samples=1)), task, scores, proposer=proposer
    )
    asked = [shown(text) for text in rewriter_texts(proposer)]
    order = sorted((example["question"] for example in task.train), key=lambda text: int(text.split()[-1][:-1]))
    assert result.steps[0].kept[0]["instruction"] == "Answer the question exactly."
    # The engine is asked in another order than the method asks, iteration by iteration.
    assert sorted(asked[:3]) == sorted(order[-3:])
    assert sorted(asked[3:]) == sorted(order[:3])


def test_a_long_easy_example_is_not_harder_than_a_short_hard_one(tmp_path: Path) -> None:
    def scores(_: Content, text: str) -> list[float]:
        return [-0.1] * len(text.split()) if " " in text else [-2.0]

    task = word_task(target=lambda number: f"word{number}" if number % 5 == 0 else "long " * 40 + str(number))
    hard = {example["question"] for example in task.train if " " not in example.target}
    assert hard
    proposer = Scripted(author, name="author")
    evaluator = Loss(task, reduction="token_mean", ends=False)
    settings = PMPO(iterations=1, rewrite=Rewriting(hard=len(hard), samples=1))
    search(tmp_path, settings, task, scores, proposer=proposer, evaluator=evaluator)
    assert {shown(text) for text in rewriter_texts(proposer)} == hard


@pytest.mark.parametrize(("gain", "accepted"), [(0.0, False), (1e-4, False), (2.0e-4, False), (3e-4, True)])
def test_a_gain_must_exceed_the_smallest_that_counts(tmp_path: Path, gain: float, accepted: bool) -> None:
    # 1e-4 of a loss of 2 nats.
    proposer = always("<prompt>Answer the question well.</prompt>")
    scores = favouring("well", base=2.0, each=gain)
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), scores, proposer=proposer)
    assert (result.steps[0].kept[0]["instruction"] == "Answer the question well.") is accepted


def test_the_loss_of_the_prompt_in_use_never_rises(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, iterations=8), word_task(), favouring(*WORDS, each=0.2))
    losses = [
        -next(estimate.mean for estimate in step.pool if estimate.prompt == step.kept[0]) for step in result.steps
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    for before, after in zip(result.steps, result.steps[1:], strict=False):
        assert after.pool[0].prompt == before.kept[0]


def test_what_was_scored_before_is_not_scored_again(tmp_path: Path) -> None:
    rewrites = ["Answer now.", "Answer \n now.", RULES, RULES.replace("\n- End.", "")]

    def propose(request: Request) -> str:
        text = text_of(request)
        return author(request) if segmenting(text) else f"<prompt>{rewrites[(request.seed or 0) % 4]}</prompt>"

    settings = PMPO(iterations=4, rewrite=Rewriting(hard=3, samples=4))
    result = search(tmp_path, settings, word_task(10), proposer=propose)
    assert result.rejected["rewriter: same as its parent"] + result.rejected["rewriter: scored before"] > 30
    assert [step.spent.evaluations for step in result.steps] == [10 + 8 + 5 * 10 + 10] * 4


QUOTING = f"Now it says <prompt>{RULES}</prompt>. Better: <prompt>Answer the question well.</prompt>"


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


@pytest.mark.parametrize(
    ("reply", "reasons"),
    [
        ("Answer the question well.", {}),
        ("```\nAnswer the question well.\n```", {}),
        ("I am sorry, but no.", {"rewriter: refusal": 4}),
        ('{"prompt": "Answer the question well."}', {"rewriter: JSON": 4}),
        ("  ", {"rewriter: empty": 4}),
        ("word " * 2000, {"rewriter: too long": 4}),
        (Reply("Answer the question", "length"), {"rewriter: no tags": 8}),
    ],
)
def test_the_short_form_takes_replies_without_tags(tmp_path: Path, reply, reasons: dict[str, int]) -> None:
    settings = replace(SMALL, iterations=1, rewrite=Rewriting(hard=2, samples=2, form="short"))
    result = search(tmp_path, settings, word_task(), proposer=always(reply))
    assert result.rejected == reasons
    found = {c.prompt["instruction"] for c in result.candidates() if c.proposal.operator == "rewriter"}
    assert found == (set() if reasons else {"Answer the question well."})


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
        examples, prompt="Given {question}, answer briefly.", metric="exact", answer="text", train=70, dev=5, test=6
    )
    assert examples[0] in task.train
    scores: Scores = lambda _, text: [-3.0 if "heron" in text else -0.5] * len(text.split())  # noqa: E731
    settings = PMPO(iterations=1, examples=70, rewrite=Rewriting(hard=2, samples=2))
    result = search(tmp_path, settings, task, scores, proposer=always(f"<prompt>{rewrite}</prompt>"))
    assert result.rejected[reason] == (1 if "repeated" in reason else 4)
    assert result.best.text == "Given {question}, answer briefly."


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


def test_examples_that_gave_nothing_rest_for_three_iterations(tmp_path: Path) -> None:
    def scores(_: Content, text: str) -> list[float]:
        return [-float(text.removeprefix("word"))]

    proposer = Scripted(inventive, name="inventive")
    task = word_task(7)
    settings = PMPO(iterations=5, mask=Masking(most=0), rewrite=Rewriting(hard=2, samples=1))
    search(tmp_path, settings, task, scores, proposer=proposer)
    asked = [shown(text) for text in rewriter_texts(proposer)]
    by_loss = sorted((int(example.target.removeprefix("word")) for example in task.train), reverse=True)
    turns = [sorted(int(text.split()[-1][:-1]) for text in asked[begin : begin + 2]) for begin in range(0, 10, 2)]
    a, b, c, d, e, f, g = by_loss
    # In the fourth iteration only g is fresh, in the fifth only b is rested: the hardest fills the place.
    assert turns == [sorted(pair) for pair in ([a, b], [c, d], [e, f], [g, a], [b, a])]


def test_of_gains_that_differ_by_less_than_counts_the_shorter_prompt_wins(tmp_path: Path) -> None:
    long, short = "Answer the question well, and say it as briefly as you can.", "Answer well."

    def propose(request: Request) -> str:
        return f"<prompt>{long if request.seed is not None and request.seed % 2 else short}</prompt>"

    scores: Scores = lambda content, _: [-1.0 - 1e-4 * (short in said(content)) + 0.5 * (RULES in said(content)) * -1]  # noqa: E731
    settings = PMPO(iterations=1, mask=Masking(most=0), rewrite=Rewriting(hard=3, samples=4))
    result = search(tmp_path, settings, word_task(), scores, proposer=propose)
    means = {estimate.prompt["instruction"]: estimate.mean for estimate in result.steps[0].pool}
    assert means[long] > means[short] > means[RULES]
    assert result.steps[0].kept[0]["instruction"] == short


def test_a_shortened_prompt_can_win(tmp_path: Path) -> None:
    scores: Scores = lambda content, _: [-1.0 - ("snow" in said(content))]  # noqa: E731
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), scores, proposer=always("Nothing."))
    assert result.best.text == RULES.replace("- Think of snow.\n", "")
    (winner,) = [c.proposal for c in result.candidates() if c.prompt == result.prompt]
    assert (winner.operator, winner.note) == ("ablation", "- Think of snow.")


def test_a_mark_in_the_place_of_a_part_is_measured_but_is_no_candidate(tmp_path: Path) -> None:
    scores: Scores = lambda content, _: [-1.0 - ("snow" in said(content))]  # noqa: E731
    proposer = Scripted(author, name="author")
    settings = replace(SMALL, iterations=1, mask=Masking(mode="placeholder"))
    model = Scripted(lambda _: "yes", scores=scores)
    result = search(tmp_path, settings, word_task(), proposer=proposer, model=model)
    assert any("[MASK]" in text_of(request) for request in model.log)
    assert '"- Think of snow.": -1.0000' in rewriter_texts(proposer)[0]
    assert not any("[MASK]" in estimate.prompt["instruction"] for step in result.steps for estimate in step.pool)
    assert "[MASK]" not in result.best.text


def test_parts_by_rule_ask_no_model(tmp_path: Path) -> None:
    proposer = Scripted(author, name="author")
    result = search(tmp_path, replace(SMALL, mask=Masking(by="rule")), word_task(), proposer=proposer)
    assert not any(segmenting(text_of(request)) for request in proposer.log)
    assert any(c.proposal.operator == "ablation" for c in result.candidates())


def test_lineage_says_which_example_and_which_parts_led_to_a_rewrite(tmp_path: Path) -> None:
    scores: Scores = lambda content, text: [-2.0 + 0.5 * ("one word" in said(content)) - (text == "word1")]  # noqa: E731
    task = word_task()
    result = search(tmp_path, replace(SMALL, iterations=1), task, scores)
    notes = [c.proposal.note for c in result.candidates() if c.proposal.operator == "rewriter"]
    assert notes
    for note in notes:
        assert note.split("example ")[1].split()[0] in {example.id for example in task.train}
        assert "to be beaten by" in note
        assert '"- Say it in one word." helps (+0.5000 ± 0.0000)' in note


def test_patience_ends_the_search(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, iterations=9, accept=Acceptance(patience=2)), word_task())
    assert len(result.steps) == 2


def test_held_out_examples_choose_among_accepted_prompts(tmp_path: Path) -> None:
    # Every further word is better on what the search scores, and worse on what it holds out.
    task = word_task(20)
    seen: dict[str, None] = {}

    def propose(request: Request) -> str:
        text = text_of(request)
        return f"<prompt>{section_of(text)} more {request.seed}</prompt>"

    def scores(content: Content, text: str) -> list[float]:
        count = said(content).count(" more ")
        return [-3.0 + 0.2 * count] if text in seen else [-3.0 + 0.2 * (1 if count == 1 else -count)]

    settings = PMPO(iterations=3, mask=Masking(most=0), accept=Acceptance(validation=0.2))
    # What is held out is drawn from the seed alone, so a first run tells it.
    first = search(tmp_path / "first", settings, task, flat, proposer=propose)
    assert first.steps[0].pool[0].count == 16
    model = Scripted(lambda _: "yes", scores=flat)
    search(tmp_path / "second", replace(settings, iterations=0), task, flat, model=model)
    scored = Counter(text_of(request).split("Question: ")[1] for request in model.log)
    assert len(scored) >= 20
    model = Scripted(lambda _: "yes", scores=flat)
    search(tmp_path / "third", replace(settings, iterations=1), task, flat, model=model, proposer=propose)
    rewritten = {
        text_of(request).split("Question: ")[1].split("\n")[0] for request in model.log if " more " in text_of(request)
    }
    seen.update((example.target, None) for example in task.train if example["question"] in rewritten)
    assert len(seen) == 16
    result = search(tmp_path / "fourth", settings, task, scores, proposer=propose)
    accepted = [step.kept[0]["instruction"].count(" more ") for step in result.steps]
    pools = [max(estimate.prompt["instruction"].count(" more ") for estimate in step.pool) for step in result.steps]
    assert pools == [1, 2, 3]
    assert accepted == [1, 1, 1]
    assert result.search.best is not None
    assert result.search.best == pytest.approx(-2.8)


def test_too_few_to_hold_out_and_too_few_to_learn_from_are_told(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, accept=Acceptance(validation=0.25)), word_task(2))
    assert any("too few to hold some out" in warning for warning in result.warnings)
    assert any("writes them into the prompt" in warning for warning in result.warnings)


def test_examples_without_a_finite_loss_under_the_start_are_left_out(tmp_path: Path) -> None:
    task = word_task(10)
    lost = task.train[3].target
    scores: Scores = lambda content, text: [-math.inf if text == lost else -2.0 + ("well" in said(content))]  # noqa: E731
    result = search(tmp_path, SMALL, task, scores, proposer=always("<prompt>Answer well.</prompt>"))
    assert {estimate.count for step in result.steps for estimate in step.pool} == {9}
    assert any("1 of 10 training examples have no finite score" in warning for warning in result.warnings)
    assert result.best.text == "Answer well."
    with pytest.raises(ConfigError, match="not one of 10 training examples"):
        search(tmp_path / "none", SMALL, task, lambda *_: [-math.inf])


def solve(request: Request) -> str:
    """Thinks aloud; right in some draws, never for a question with a 3 in it."""
    number = text_of(request).split("number ")[1].split("?")[0]
    right = "3" not in number and (request.seed or 0) % 2
    return f"I think that it is\nword{number if right else 'less'}"


def last_line(reply: str) -> str | None:
    return reply.split("\n")[-1]


def reasoning_task() -> Task:
    return replace(word_task(12, instruction="Think step by step."), answer=last_line)


def test_own_solutions_become_the_targets(tmp_path: Path) -> None:
    task = reasoning_task()
    model = Scripted(solve, scores=flat)
    proposer = Scripted(author, name="author")
    settings = replace(SMALL, targets=Targets("own"))
    evaluator = Loss(task, reduction="token_mean", ends=False)
    result = search(tmp_path, settings, task, model=model, evaluator=evaluator, proposer=proposer)
    drawn = [request for request in model.log if isinstance(request, Request)]
    assert len(drawn) == 4 * 12
    assert {request.sampling.temperature for request in drawn} == {0.7}
    unsolved = [example for example in task.train if "3" in example.target]
    count = result.steps[0].pool[0].count
    assert 0 < count <= 12 - len(unsolved)
    searched = model.log[48 : 48 + count]
    for request in searched:
        assert isinstance(request, ScoreRequest)
        number = text_of(request).split("number ")[1].split("?")[0]
        assert request.continuations == (f"I think that it is\nword{number}",)
    assert "Preferred output: I think that it is" in rewriter_texts(proposer)[0]
    assert any(f"{count} of 12 training examples got a right reply" in warning for warning in result.warnings)
    assert not any("asks for reasoning" in warning for warning in result.warnings)
    assert result.search.start == -0.5


def test_own_wrong_solutions_are_what_is_rejected(tmp_path: Path) -> None:
    # Preferences need a rejected output from the start: here the data has one, which gives way to the model's own.
    task = reasoning_task()
    splits = {
        name: tuple(replace(example, rejected=("none",)) for example in getattr(task, name))
        for name in ("train", "dev", "test")
    }
    task = replace(task, **splits)
    model = Scripted(solve, scores=lambda _, text: [-1.0] * (len(text.split()) + 1))
    result = search(tmp_path, replace(SMALL, targets=Targets("own")), task, model=model, evaluator=Preference(task))
    count = result.steps[0].pool[0].count
    for request in model.log[48 : 48 + count]:
        assert isinstance(request, ScoreRequest)
        assert request.continuations[1:] == ("I think that it is\nwordless",)


def test_a_model_that_solves_nothing_has_no_solutions(tmp_path: Path) -> None:
    model = Scripted(lambda _: "no idea", scores=flat, name="clueless")
    with pytest.raises(ConfigError, match="the task model gave a right reply to none of 12"):
        search(tmp_path, replace(SMALL, targets=Targets("own")), reasoning_task(), model=model)


def test_a_loss_on_bare_answers_of_a_prompt_that_asks_for_reasoning_is_told(tmp_path: Path) -> None:
    result = search(tmp_path, SMALL, reasoning_task())
    assert any("asks for reasoning" in warning for warning in result.warnings)
    assert not any("asks for reasoning" in warning for warning in search(tmp_path, SMALL, word_task()).warnings)


def test_preference_pairs_are_shown_with_their_names(tmp_path: Path) -> None:
    task, proposer = preference_task(), Scripted(author, name="author")
    search(tmp_path, SMALL, task, preferences(-1.0, -2.0), evaluator=Preference(task), proposer=proposer)
    assert all("Preferred output: good\nRejected output: bad" in text for text in rewriter_texts(proposer))


def test_the_method_chooses_its_evaluator_by_the_data() -> None:
    assert PMPO().evaluator_for(preference_task()) == "preference"
    assert PMPO().evaluator_for(word_task()) == "loss"
    labelled = replace(word_task(target=lambda number: "ab"[number % 2]), labels=("a", "b"))
    assert PMPO().evaluator_for(labelled) == "preference"
    options = replace(word_task(target=lambda number: f"({'ABC'[number % 3]})"), answer="choice")
    assert PMPO().evaluator_for(options) == "preference"
    assert Preference(options).rejected(Example.of("(B)", question="Which?")) == ("(A)", "(C)")
    assert PMPO().evaluator_for(replace(options, answer="text")) == "loss"


def test_expected_is_the_cost_model_of_the_paper() -> None:
    default = PMPO().upper_bounds(10_000)
    assert default.evaluations == 17_050 + 8
    assert default.proposer_calls == 20 * 2 * 13
    assert PMPO(mask=Masking(most=0)).upper_bounds(10_000).evaluations == 12_050 + 8
    assert PMPO(iterations=1, mask=Masking(by="rule")).upper_bounds(50).proposer_calls == 2 * 12
    assert PMPO(iterations=0, targets=Targets("own")).upper_bounds(10).evaluations == 10 + 8 + 40


@pytest.mark.parametrize("proposer", [inventive, lambda _: "???"])
def test_expected_bounds_what_is_spent(tmp_path: Path, proposer) -> None:
    settings = replace(SMALL, accept=Acceptance(validation=0.2))
    result = search(tmp_path, settings, word_task(24), favouring(*"abcdef"), proposer=proposer)
    bound, spent = settings.upper_bounds(24), result.steps[-1].spent
    assert spent.evaluations <= spent.calls - spent.proposer_calls <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls


@pytest.mark.skipif("pmpo" not in names("optimizers"), reason="the package is not installed, so it has no entry points")
def test_settings_from_the_command_line() -> None:
    settings = {
        "iterations": "3",
        "mask.most": "2",
        "mask.by": "rule",
        "rewrite.form": "short",
        "rewrite.sampling.temperature": "0.5",
        "accept.patience": "6",
        "targets.source": "own",
    }
    assert build_optimizer("pmpo", settings) == PMPO(
        iterations=3,
        mask=Masking(most=2, by="rule", sampling=SEGMENTER),
        rewrite=Rewriting(form="short", sampling=replace(REWRITER, temperature=0.5)),
        accept=Acceptance(patience=6),
        targets=Targets("own"),
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (PMPO, "iterations", -1),
        (PMPO, "examples", 0),
        (Masking, "most", -1),
        (Rewriting, "hard", 0),
        (Acceptance, "validation", 0.1),
        (Acceptance, "patience", 0),
        (Acceptance, "min_delta", 2.0),
        (Targets, "samples", 0),
    ],
)
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
