"""Contract suites for plug-in authors, and planted tasks whose truth is known.

Subclass a contract in your tests and give it what it asks for; pytest finds the rest:

    class TestMine(OptimizerContract):
        optimizer = Mine(steps=3)
        def propose(self, request): return "Answer carefully."
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from promptopt.api import optimize
from promptopt.assess import evaluate
from promptopt.budget import Budget
from promptopt.events import Event, PhaseBegun
from promptopt.models.scripted import Scripted
from promptopt.protocols import Evaluator, Model, TextScorer
from promptopt.result import Result
from promptopt.run import Optimizer, Run, Selector
from promptopt.tasks.task import Task
from promptopt.types import (
    Content,
    Estimate,
    Example,
    Likelihoods,
    Message,
    Reply,
    Request,
    Sampling,
    Score,
    ScoreRequest,
)

Accuracy = Callable[[str], float]
"""The true accuracy of an instruction, in [0, 1]."""


def planted_task(
    *, train: int = 60, dev: int = 40, test: int = 60, seed: int = 0, instruction: str = "Answer the question."
) -> Task:
    """A task whose examples are numbered questions, all answered "yes"."""
    examples = [Example.of("yes", question=f"question {number} of {seed}") for number in range(train + dev + test)]
    return Task.from_examples(
        examples, prompt=instruction, name="planted", metric="exact", train=train, dev=dev, test=test, seed=seed
    )


def planted_model(accuracy: Accuracy, *, common: float = 0.7, name: str = "planted") -> Scripted:
    """Answers "yes" with exactly the accuracy that the instruction has in truth.

    `common`: the share of questions whose difficulty is the same for every instruction; the outcome of the others is
    drawn anew for each instruction. 1 makes all comparisons paired, 0 makes them independent.
    """

    def answer(request: Request) -> str:
        instruction, question = split_planted(request)
        shared = uniform("shared", question) < common
        draw = uniform("difficulty", question) if shared else uniform("difficulty", question, instruction)
        return "yes" if draw < accuracy(instruction) else "no"

    return Scripted(answer, name=name)


def split_planted(request: Request) -> tuple[str, str]:
    """(instruction, question) of a request that a planted task rendered."""
    content = request.content
    text = content if isinstance(content, str) else "\n\n".join(message.content for message in content)
    instruction, _, question = text.rpartition("\n\n")
    return instruction, question


def uniform(*parts: str) -> float:
    """A number in [0, 1) that only depends on `parts`."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big") / 2**64


def feature_accuracy(words: Sequence[str], *, base: float = 0.5, each: float = 0.1) -> Accuracy:
    """`base`, and `each` more for every one of `words` in the instruction."""

    def accuracy(instruction: str) -> float:
        return min(1.0, base + each * sum(word in instruction for word in words))

    return accuracy


class OptimizerContract:
    """What every optimizer keeps; `optimizer` and `propose` (the scripted proposer) are the subclass's."""

    optimizer: Optimizer
    words: tuple[str, ...] = ("carefully", "exactly", "twice")
    """Words that make an instruction better in truth; the scripted proposer should come up with some of them."""
    base = 0.4
    each = 0.15
    evaluator: str | None = None
    """What the search goes by; None: the method's own choice, or generation."""
    budget: Budget = Budget(evaluations=1_500)
    sizes: tuple[int, ...] = (40, 90, 170, 333)
    """Budgets, in evaluations, that a run is cut at."""

    def propose(self, request: Request) -> str:
        """What the proposer answers. A function of the request, so that runs can be repeated."""
        raise NotImplementedError

    def conduct(
        self,
        home: Path,
        *,
        budget: Budget | None = None,
        seed: int = 0,
        task_model: Model | None = None,
        proposer: Model | None = None,
        observers: Sequence[Callable[[Event], None]] = (),
    ) -> Result:
        """One run on the planted task, in a store of its own under `home`."""
        return optimize(
            planted_task(),
            self.optimizer,
            model=self.task_model() if task_model is None else task_model,
            proposer=Scripted(self.propose, name="proposer") if proposer is None else proposer,
            evaluator=self.evaluator,
            budget=self.budget if budget is None else budget,
            seed=seed,
            store=home / "store.db",
            observers=observers,
        )

    def task_model(self) -> Scripted:
        """The planted task model."""
        return planted_model(feature_accuracy(self.words, base=self.base, each=self.each))

    def test_replay_pays_nothing(self, tmp_path: Path) -> None:
        """The second time everything comes from the store, and the result is the same."""
        first = self.conduct(tmp_path)
        second = self.conduct(tmp_path)
        assert first.paid.calls > 0
        assert second.paid.calls == 0
        assert second.paid.evaluations == 0
        assert outcome(second) == outcome(first)

    def test_survives_a_crash_at_any_call(self, tmp_path: Path) -> None:
        """Failing at call k, then running again, ends as an undisturbed run does, and pays nothing twice."""
        whole = self.conduct(tmp_path / "whole")
        for role, total in (
            ("task", whole.spent.calls - whole.spent.proposer_calls),
            ("proposer", whole.spent.proposer_calls),
        ):
            for call in sorted(call for call in {1, 2, total // 3, total // 2, total - 1, total} if 0 < call <= total):
                home = tmp_path / f"{role}-{call}"
                task_model, proposer = self.task_model(), Scripted(self.propose, name="proposer")
                broken = task_model if role == "task" else proposer
                broken._fail_at = call  # pyright: ignore[reportPrivateUsage]
                stopped = self.conduct(home, task_model=task_model, proposer=proposer)
                assert stopped.status == "suspended", f"{role} call {call} of {total}"
                resumed = self.conduct(home)
                assert outcome(resumed) == outcome(whole)
                assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls

    def test_same_run_under_other_hash_seeds(self, tmp_path: Path) -> None:
        """Nothing depends on the order of a set or on string hashing: this process and two others, one outcome."""
        kind = type(self)
        program = (
            "import sys, json, importlib; from pathlib import Path; from promptopt.testing import outcome; "
            f"kind = importlib.import_module({kind.__module__!r}).{kind.__qualname__}; "
            "print(json.dumps(outcome(kind().conduct(Path(sys.argv[1])))))"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / hash_seed)],
                env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for hash_seed in ("1", "2")
        ]
        own = json.loads(json.dumps(outcome(self.conduct(tmp_path / "own"))))
        assert [json.loads(process.communicate()[0]) for process in processes] == [own, own]

    def test_budget_is_exact(self, tmp_path: Path) -> None:
        """A cap on evaluations or calls is never passed, and is used up when the search is cut by it."""
        for size in self.sizes:
            result = self.conduct(tmp_path / f"evaluations-{size}", budget=Budget(evaluations=size))
            assert result.spent.evaluations <= size
            assert result.best.test is not None
            called = self.conduct(tmp_path / f"calls-{size}", budget=Budget(calls=size))
            assert called.spent.calls <= size
            assert called.best.test is not None

    def test_raised_budget_continues(self, tmp_path: Path) -> None:
        """A run that a small budget ended goes on from there under a larger one, to the same end."""
        whole = self.conduct(tmp_path / "whole")
        self.conduct(tmp_path / "grown", budget=Budget(evaluations=self.sizes[-1]))
        grown = self.conduct(tmp_path / "grown")
        assert outcome(grown) == outcome(whole)

    def test_test_split_stays_sealed(self, tmp_path: Path) -> None:
        """No test example reaches any model before the sealed test, and nothing draws from a global generator."""
        sealed = {example["question"] for example in planted_task().test}
        task_model, proposer = self.task_model(), Scripted(self.propose, name="proposer")
        seen: list[str] = []

        def watch(event: Event) -> None:
            if isinstance(event, PhaseBegun) and event.name == "test":
                for request in [*task_model.log, *proposer.log]:
                    content = request.content
                    texts = [content] if isinstance(content, str) else [message.content for message in content]
                    seen.extend(line for text in texts for line in text.splitlines())

        state = random.getstate()
        self.conduct(tmp_path, task_model=task_model, proposer=proposer, observers=[watch])
        assert seen
        assert sealed.isdisjoint(seen)
        assert random.getstate() == state

    def test_beats_its_start_on_a_planted_landscape(self, tmp_path: Path) -> None:
        """Where better prompts exist and the proposer offers them, one is found."""
        result = self.conduct(tmp_path)
        accuracy = feature_accuracy(self.words, base=self.base, each=self.each)
        assert accuracy(result.best.text) > accuracy(result.start.text)


def outcome(result: Result) -> dict[str, object]:
    """What two executions of one run must agree on: everything but the clock and what this session paid."""
    data = result.to_json()
    return {name: value for name, value in data.items() if name not in ("paid", "wall_s", "warnings")}


class EvaluatorContract:
    """What every evaluator keeps; `evaluator` and `answer` (the scripted model) are the subclass's."""

    def evaluator(self, task: Task) -> Evaluator:
        """The evaluator under test, for a planted task."""
        raise NotImplementedError

    def answer(self, request: Request) -> str | Reply:
        """What the task model answers. A function of the request."""
        raise NotImplementedError

    def model(self) -> Scripted:
        """A fresh task model; for an evaluator of given texts, a subclass gives it `scores`."""
        return Scripted(self.answer, name="answers")

    def scores(self, tmp_path: Path, count: int, batch: int) -> list[Score]:
        """The scores of `count` cells, asked for `batch` at a time through a run."""
        task = planted_task()

        @dataclass(frozen=True)
        class Batches:
            def optimize(self, run: Run) -> None:
                for begin in range(0, count, batch):
                    matrix = run.evaluate([run.initial], run.train[:count][begin : begin + batch])
                    found.extend(matrix[run.initial])

        found: list[Score] = []
        evaluator, store = self.evaluator(task), tmp_path / f"{batch}.db"
        optimize(task, Batches(), model=self.model(), evaluator=evaluator, store=store)
        return found

    def test_one_score_a_cell_whatever_the_batch(self, tmp_path: Path) -> None:
        """Order and values do not depend on how cells are batched."""
        together = self.scores(tmp_path, 12, 12)
        assert len(together) == 12
        assert together == self.scores(tmp_path, 12, 5) == self.scores(tmp_path, 12, 1)

    def test_calls_per_cell_is_a_bound(self, tmp_path: Path) -> None:
        """No cell takes more calls than the evaluator says."""
        task = planted_task()
        evaluator = self.evaluator(task)
        measured = evaluate(task, model=self.model(), evaluator=evaluator, split="dev", store=tmp_path / "store.db")
        assert measured.spent.calls <= evaluator.calls_per_cell * measured.measured.n

    def test_fingerprint_is_stable_json(self) -> None:
        """Two evaluators made alike have equal fingerprints, which survive JSON."""
        fingerprint = dict(self.evaluator(planted_task()).fingerprint())
        assert fingerprint == dict(self.evaluator(planted_task()).fingerprint())
        assert json.loads(json.dumps(fingerprint)) == fingerprint


class SelectorContract:
    """What every selector keeps; `selector` is the subclass's, with a budget of at most 600 evaluations."""

    selector: Selector
    limit = 600
    """The evaluations the selector may spend."""

    def select(self, tmp_path: Path, accuracy: Accuracy, prompts: int, keep: int) -> tuple[list[Estimate], Result]:
        """One selection among numbered prompts, through a run."""

        @dataclass(frozen=True)
        class Select:
            selector: Selector

            def optimize(self, run: Run) -> None:
                pool = [run.initial.replace("instruction", f"Answer, take {number}.") for number in range(prompts)]
                ranked.extend(self.selector.select(run, pool, run.train, keep))

        ranked: list[Estimate] = []
        result = optimize(
            planted_task(train=100),
            Select(self.selector),
            model=planted_model(accuracy, common=1.0),
            store=tmp_path / "store.db",
        )
        return ranked, result

    def test_ranks_every_prompt_once_the_evaluated_first(self, tmp_path: Path) -> None:
        """All prompts come back, none twice; those never evaluated are last."""
        ranked, _ = self.select(tmp_path, lambda _: 0.5, 12, 3)
        assert len({estimate.prompt for estimate in ranked}) == len(ranked) == 12
        counts = [estimate.count > 0 for estimate in ranked]
        assert counts == sorted(counts, reverse=True)
        assert all(counts[:3])

    def test_keeps_within_its_budget(self, tmp_path: Path) -> None:
        """It spends no more than it may, and counts what it spends truly."""
        ranked, result = self.select(tmp_path, lambda _: 0.5, 12, 3)
        assert sum(estimate.count for estimate in ranked) <= self.limit
        assert result.spent.evaluations <= self.limit + 4 * 40 + 2 * 60

    def test_a_prompt_that_is_far_better_is_kept(self, tmp_path: Path) -> None:
        """With paired outcomes and a wide gap, the best is among the first."""
        ranked, _ = self.select(tmp_path, lambda text: 1.0 if "take 7." in text else 0.2, 12, 3)
        assert any("take 7." in estimate.prompt["instruction"] for estimate in ranked[:3])


class ModelContract:
    """What every backend keeps; `model()` opens a fresh one that can answer short prompts."""

    def model(self) -> Model:
        """The backend under test."""
        raise NotImplementedError

    def requests(self) -> list[Request]:
        """A few short requests, chat and plain."""
        sampling = Sampling(max_tokens=4)
        words = ("red", "green", "blue", "yellow", "black")
        return [Request((Message("user", f"Say the word {word}."),), sampling) for word in words]

    def test_every_request_is_answered_once(self) -> None:
        """Every index comes up once, and replies count their tokens."""
        requests = self.requests()
        replies = dict(self.model().generate(requests))
        assert sorted(replies) == list(range(len(requests)))
        assert all(reply.prompt_tokens > 0 for reply in replies.values())

    def test_no_requests_no_replies(self) -> None:
        """An empty batch is fine."""
        assert list(self.model().generate([])) == []

    def test_greedy_replies_do_not_depend_on_company(self) -> None:
        """Order and batch change nothing at temperature 0."""
        requests = self.requests()
        model = self.model()
        together = {index: reply.text for index, reply in model.generate(requests)}
        backwards = {index: reply.text for index, reply in model.generate(requests[::-1])}
        alone = {index: reply.text for index in range(len(requests)) for _, reply in model.generate([requests[index]])}
        assert together == alone
        assert together == {len(requests) - 1 - index: text for index, text in backwards.items()}

    def test_stopping_begins_nothing_new(self) -> None:
        """Once told to stop, a backend begins no further request."""
        assert len(list(self.model().generate(self.requests(), lambda: True))) == 0

    def test_name_is_the_served_snapshot(self) -> None:
        """The name is stable and not empty: it is part of every key."""
        assert self.model().name
        assert self.model().name == self.model().name


class ScorerContract:
    """What every backend that gives log-likelihoods keeps; `model()` opens one that reads chat and plain text."""

    tolerance = 1e-4
    """Nats a token that two ways to the same number may differ by."""

    def model(self) -> TextScorer:
        """The backend under test."""
        raise NotImplementedError

    def requests(self) -> list[ScoreRequest]:
        """Chat and plain; one, several and long continuations; a prefix that the examples of a candidate share."""
        rules = "Name the colour of the thing in one word. Think of the thing as most people know it. " * 2
        found: list[ScoreRequest] = []
        for thing in ("grass", "snow, fresh from the sky", "coal"):
            chat: Content = (Message("user", f"{rules}\n\nThing: {thing}\nColour:"),)
            found.append(ScoreRequest(chat, ("green", "white", "black as the night"), shared=len(rules)))
            found.append(ScoreRequest(f"{rules}\n\nThing: {thing}\nColour:", (" white",), len(rules), ends=True))
        return found

    def scored(self, requests: Sequence[ScoreRequest]) -> list[Likelihoods]:
        """What the backend gives, in the order asked."""
        found = dict(self.model().score(requests))
        assert sorted(found) == list(range(len(requests)))
        return [found[index] for index in range(len(requests))]

    def agree(self, one: Likelihoods, other: Likelihoods) -> None:
        """Both hold the same tokens, and log-probs within the tolerance."""
        assert [each.tokens for each in one.continuations] == [each.tokens for each in other.continuations]
        for left, right in zip(one.continuations, other.continuations, strict=True):
            for a, b in zip(left.logprobs, right.logprobs, strict=True):
                assert abs(a - b) <= self.tolerance, (a, b, left.tokens)

    def test_it_can_score(self) -> None:
        """It says so itself."""
        assert self.model().can_score()
        assert list(self.model().score([])) == []

    def test_a_value_a_token(self) -> None:
        """Every continuation has tokens that spell it, each with a log-probability, and the usage is counted."""
        requests = self.requests()
        for request, found in zip(requests, self.scored(requests), strict=True):
            assert found.finish == "stop"
            assert found.prompt_tokens > sum(len(each.tokens) for each in found.continuations)
            for text, each in zip(request.continuations, found.continuations, strict=True):
                spelt = each.tokens[:-1] if request.ends else each.tokens
                assert "".join(spelt).strip() == text.strip()
                assert len(each.tokens) == len(each.logprobs) > 0
                assert all(logprob <= 0.0 for logprob in each.logprobs)

    def test_batched_equals_single(self) -> None:
        """Order and batch change nothing."""
        requests = self.requests()
        together, backwards = self.scored(requests), self.scored(requests[::-1])[::-1]
        for request, one, other in zip(requests, together, backwards, strict=True):
            self.agree(one, other)
            self.agree(one, self.scored([request])[0])

    def test_shared_equals_unshared(self) -> None:
        """Computing a candidate's prefix once gives what computing it each time gives."""
        requests = self.requests()
        for one, other in zip(
            self.scored(requests), self.scored([replace(each, shared=0) for each in requests]), strict=True
        ):
            self.agree(one, other)

    def test_alternatives_do_not_see_each_other(self) -> None:
        """Scoring three continuations in one request gives what three requests give."""
        request = self.requests()[0]
        together = self.scored([request])[0]
        for place, text in enumerate(request.continuations):
            alone = self.scored([replace(request, continuations=(text,))])[0]
            self.agree(Likelihoods((together.continuations[place],)), Likelihoods(alone.continuations))

    def test_the_end_is_one_token_more(self) -> None:
        """`ends` adds the token that ends the reply, and changes none before it."""
        for request in self.requests()[:2]:
            without, ended = (self.scored([replace(request, ends=ends)])[0] for ends in (False, True))
            for one, other in zip(without.continuations, ended.continuations, strict=True):
                assert len(other.tokens) == len(one.tokens) + 1
                shorter = Likelihoods((replace(other, tokens=other.tokens[:-1], logprobs=other.logprobs[:-1]),))
                self.agree(Likelihoods((one,)), shorter)

    def test_a_text_without_tokens_has_none(self) -> None:
        """An empty continuation is an empty answer, not a zero."""
        request = replace(self.requests()[0], continuations=("", "white"))
        empty, other = self.scored([request])[0].continuations
        assert empty.tokens == empty.logprobs == ()
        assert other.tokens

    def test_what_does_not_fit_is_rejected(self) -> None:
        """A text that is longer than any context is refused for good, alone, and nothing is cut off."""
        fits = self.requests()[0]
        found = self.scored([fits, ScoreRequest("word " * 300_000, (" more",))])
        assert [each.finish for each in found] == ["stop", "rejected"]
        assert found[1].continuations == ()

    def test_stopping_begins_nothing_new(self) -> None:
        """Once told to stop, a backend begins no further request."""
        assert list(self.model().score(self.requests(), lambda: True)) == []
