"""Labels: classification by the log-probabilities of the labels; no text is generated, and no answer has to be parsed.

Where the task model scores given texts, each label is scored whole, so labels may have any number of tokens and begin
alike. Elsewhere the label is read from the alternatives of one generated token (`first_token.py`). Either way prompts
are told apart whose replies score alike; but the layout must end where the label begins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal, Self

from promptopt.errors import ConfigError, EvaluatorError, UnknownName
from promptopt.evaluators import targets
from promptopt.evaluators.first_token import ALTERNATIVES, FirstTokenReading, FirstTokens, fold
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.types import Cell, Content, Example, Likelihoods, Prompt, Score, ScoreRequest

CONTENT_FREE = ("N/A", "", "[MASK]")
"""Inputs that say nothing (Zhao et al. 2021, arXiv:2102.09690, "Contextual Calibration")."""

REWARD, PENALTY = 200.0, 180.0
"""What a right and a wrong gap are multiplied by in the piecewise reward (RLPrompt's code, and PromptQuine's)."""

_NO_NUMBER = "the labels have no probabilities: the model gave NaN or minus infinity for them"


@dataclass(frozen=True, slots=True)
class Labels:
    """The likeliest of the task's labels. Costs one call a cell, and with `calibrated` three more a prompt.

    value: "accuracy" is 1 where a right label is strictly likelier than every wrong one, so a tie is wrong;
    "probability" is P(right label), normalised over the labels, in [0, 1]; "margin" is P(right label) minus the largest
    P(wrong label), in [-1, 1]: the gap of RLPrompt (Deng et al. 2022, arXiv:2205.12548) and PromptQuine, before their
    scaling; "piecewise" is that reward, 200 * gap above 0 and 180 * gap below, in [-180, 200]. It guides a search, and
    the verdict is by accuracy.

    calibrated: contextual calibration (Zhao et al. 2021, "Calibrate Before Use"): P(label) is divided by what the same
    prompt gives the label after content-free inputs, W = diag(p_cf)^-1 and b = 0, then normalised again. p_cf is the
    mean over `CONTENT_FREE` of the normalised probabilities, as their paper has it (their code normalises after the
    mean). An input that leaves a message empty is passed over. It needs a model that scores given texts.

    verbalizers: the words that stand for a label where these are not the label itself, in the casing the reply has;
    P(label) is the sum over its words. As a text: "negative:terrible|awful,positive:great".
    """

    task: Task
    value: Literal["accuracy", "probability", "margin", "piecewise"] = "accuracy"
    calibrated: bool = False
    verbalizers: str | Mapping[str, str | Sequence[str]] = field(
        default_factory=dict[str, str | Sequence[str]], hash=False
    )
    _words: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _texts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _longer: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.task.labels:
            raise ConfigError(f"task {self.task.name!r} has no labels: evaluator 'labels' needs them; use 'generation'")
        if self.value not in ("accuracy", "probability", "margin", "piecewise"):
            raise ConfigError(
                f"value {self.value!r} of evaluator 'labels': expected 'accuracy', 'probability', 'margin' or "
                f"'piecewise'"
            )
        words = _words_of(self.task.labels, self.verbalizers)
        texts = tuple(chain.from_iterable(words.values()))
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_texts", texts)
        object.__setattr__(self, "_longer", targets.extensions(texts))

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """Accuracy on the task's labels, each standing for itself. Raises ConfigError without labels."""
        return cls(task)

    def verdict_by(self) -> Evaluator:
        """Accuracy in place of the piecewise reward, whose scale says nothing to a user; else itself."""
        return replace(self, value="accuracy") if self.value == "piecewise" else self

    @property
    def calls_per_cell(self) -> int:
        """The first cell of a prompt also asks for what calibrates all of them."""
        return 1 + len(CONTENT_FREE) if self.calibrated else 1

    def fingerprint(self) -> Mapping[str, Any]:
        """The value asked for, the labels and their words, and the calibration; the rendering is the task's."""
        return {
            "evaluator": "labels",
            "value": self.value,
            "alternatives": ALTERNATIVES,
            "labels": [[label, list(words)] for label, words in self._words.items()],
            "calibrated": list(CONTENT_FREE) if self.calibrated else [],
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Cells of different repetitions are one draw: log-probabilities do not vary.

        A cell without usable probabilities is unreadable and worth the least that the value can be: a prompt must not
        gain by hiding the labels. Raises EvaluatorError where an example's target is no label or a label has no tokens;
        ConfigError where calibration is asked of a model that cannot score given texts, and, for such a model, where
        labels begin alike or no alternatives are reported.
        """
        rights = [self._right(cell) for cell in cells]
        if ask.can_score():
            return self._by_likelihood(cells, rights, ask)
        if self.calibrated:
            raise ConfigError(
                "evaluator 'labels' can be calibrated only with a model that gives the log-probabilities of given "
                "texts (`promptopt models list` says which do); use one of these, or leave out calibrated"
            )
        return self._by_first_token(cells, rights, ask)

    def _right(self, cell: Cell) -> list[str]:
        """The labels that are right, at least one: those spelled as the answers are, else those that read alike."""
        answers, labels = targets.right_answers(cell.example), self.task.labels
        right = [label for label in labels if label in answers]
        # By case and punctuation only where none is spelled as the answer is: labels may differ in nothing else.
        right = right if right else [label for label in labels if fold(label) in map(fold, answers)]
        if not right:
            raise EvaluatorError(
                f"target {cell.example.target!r} is none of the task's labels {', '.join(labels)}; correct the data, "
                f"or add the label",
                prompt_id=cell.prompt.id,
                example_id=cell.example.id,
            )
        return right

    def _by_likelihood(self, cells: Sequence[Cell], rights: Sequence[list[str]], ask: Ask) -> list[Score]:
        requests = [self._request(cell.prompt, cell.example) for cell in cells]
        free: dict[Prompt, list[ScoreRequest]] = {}
        for cell in cells if self.calibrated else ():
            if cell.prompt not in free:
                free[cell.prompt] = self._content_free(cell)
        # One batch for cells and calibration: an engine reads a prompt's text once for both.
        found = ask.score([*requests, *chain.from_iterable(free.values())])
        asked, rest = found[: len(cells)], iter(found[len(cells) :])
        biases: dict[Prompt, Sequence[float]] = {}
        # In the order of the cells, as they were asked: each takes its own answers off the front.
        for cell in cells:
            if cell.prompt in free and cell.prompt not in biases:
                biases[cell.prompt] = self._bias(cell, [next(rest) for _ in free[cell.prompt]])
        uncalibrated = [0.0] * len(self._words)
        return [
            self._likeliest(cell, right, likelihoods, biases.get(cell.prompt, uncalibrated))
            for cell, right, likelihoods in zip(cells, rights, asked, strict=True)
        ]

    def _request(self, prompt: Prompt, example: Example) -> ScoreRequest:
        return targets.scored_after(self.task, prompt, example, self._texts)

    def _content_free(self, cell: Cell) -> list[ScoreRequest]:
        """What calibrates a prompt: equal for all its cells, since examples of a task have the same fields."""
        requests: list[ScoreRequest] = []
        for text in CONTENT_FREE:
            example = Example(tuple((name, text) for name, _ in cell.example.fields))
            requests.append(self._request(cell.prompt, example))
        # An empty input can leave a message out, and what is read then is no longer of the same form.
        return [request for request in requests if _roles(request.content) == _roles(requests[0].content)]

    def _bias(self, cell: Cell, found: Sequence[Likelihoods]) -> list[float]:
        """The log of p_cf for every label, up to a constant; NaN or -inf where the model gave no usable probability."""
        logs = [_normalised(self._logs(cell, each)) for each in found if each.finish != "rejected"]
        return [targets.log_sum_exp(row) for row in zip(*logs, strict=True)]

    def _logs(self, cell: Cell, found: Likelihoods) -> list[float]:
        """The log-probability of every label: the sum over its words, each without what only goes on from it."""
        targets.check_tokens(cell, self._texts, found, ends=False)
        owners = [label for label, words in self._words.items() for _ in words]
        targets.check_apart(cell, self._texts, owners, found)
        values = iter(targets.exclusive(found.continuations, self._longer))
        return [targets.log_sum_exp([next(values) for _ in words]) for words in self._words.values()]

    def _likeliest(self, cell: Cell, right: list[str], found: Likelihoods, bias: Sequence[float]) -> Score:
        if found.finish == "rejected":
            return Score(self._unreadable, parsed=False, feedback="the prompt is too long for the model's context")
        if not bias or not all(map(math.isfinite, bias)):
            return Score(
                self._unreadable,
                parsed=False,
                feedback=f"{_NO_NUMBER} after content-free inputs, so nothing calibrates",
            )
        # W = diag(p_cf)^-1: what is divided as a probability is subtracted as a logarithm.
        logs = [log - start for log, start in zip(self._logs(cell, found), bias, strict=True)]
        shares = self._shares(logs)
        if shares is None:
            return Score(self._unreadable, parsed=False, feedback=_NO_NUMBER)
        best = _highest(shares, right)
        feedback = ""
        if best not in right:
            odds = f"({best} has probability {shares[best]:.2g}, {right[0]} {shares[right[0]]:.2g})"
            feedback = f"answered {best}, expected {right[0]} {odds}"
        return Score(
            self._worth(shares, best, right), answer=best, feedback=feedback, probability=self._dense(shares, right)
        )

    def _by_first_token(self, cells: Sequence[Cell], rights: Sequence[list[str]], ask: Ask) -> list[Score]:
        reader = FirstTokens(self._words)
        requests = [reader.request(*self.task.render(cell.prompt, cell.example)) for cell in cells]
        replies = ask(requests, role="task", repetition=0)
        return [
            self._begun(right, reader.read(reply), reply.text) for right, reply in zip(rights, replies, strict=True)
        ]

    def _begun(self, right: list[str], reading: FirstTokenReading, output: str) -> Score:
        """A label that is not among the reported alternatives gets the smallest log-probability, an upper bound."""
        if reading.problem:
            return Score(self._unreadable, output, parsed=False, feedback=reading.problem)
        shares = self._shares([reading.seen.get(label, reading.floor) for label in self._words])
        if shares is None:
            return Score(self._unreadable, output, parsed=False, feedback=_NO_NUMBER)
        # Only among the labels that were reported: an upper bound says nothing for the others.
        best = _highest({label: shares[label] for label in self._words if label in reading.seen}, right)
        missing = [label for label in right if label not in reading.seen]
        note = f"{missing[0]} is not among the {reading.reported} likeliest first tokens" if missing else ""
        if best not in right:
            note = f"answered {best}, expected {right[0]}" + (f"; {note}" if note else "")
        return Score(
            self._worth(shares, best, right), output, best, feedback=note, probability=self._dense(shares, right)
        )

    def _shares(self, logs: Sequence[float]) -> dict[str, float] | None:
        """Label to probability, adding up to 1; None where the logs give none."""
        shares = [math.exp(log) for log in _normalised(logs)]
        return None if any(map(math.isnan, shares)) else dict(zip(self._words, shares, strict=True))

    def _dense(self, shares: Mapping[str, float], right: Sequence[str]) -> float | None:
        """The probability that a search may go by beside accuracy; other values say as much themselves."""
        return _gained(shares, right) if self.value == "accuracy" else None

    def _worth(self, shares: Mapping[str, float], best: str, right: Sequence[str]) -> float:
        if self.value == "accuracy":
            return float(best in right)
        gained = _gained(shares, right)
        if self.value == "probability":
            return gained
        gap = gained - min(1.0, max((share for label, share in shares.items() if label not in right), default=0.0))
        if self.value == "margin":
            return gap
        return REWARD * gap if gap > 0.0 else PENALTY * gap

    @property
    def _unreadable(self) -> float:
        return {"margin": -1.0, "piecewise": -PENALTY}.get(self.value, 0.0)


def _gained(shares: Mapping[str, float], right: Sequence[str]) -> float:
    """The probability of a right label. In exact arithmetic at most 1; rounding must not make it more."""
    return min(1.0, math.fsum(shares[label] for label in right))


def _highest(shares: Mapping[str, float], right: Sequence[str]) -> str:
    """The label of the largest share: of equal ones the first wrong one, since a right one must be strictly above."""
    return max(shares, key=lambda label: (shares[label], label not in right))


def _normalised(logs: Sequence[float]) -> list[float]:
    """Log-probabilities that add up to 1; all NaN where one is NaN or none is above minus infinity."""
    total = targets.log_sum_exp(logs)
    return [log - total if math.isfinite(total) else math.nan for log in logs]


def _roles(content: Content) -> list[str]:
    return [] if isinstance(content, str) else [message.role for message in content]


def _words_of(
    labels: Sequence[str], verbalizers: str | Mapping[str, str | Sequence[str]]
) -> Mapping[str, tuple[str, ...]]:
    """For every label, in the task's order, the words that stand for it. Raises UnknownName and ConfigError."""
    given = _parsed(verbalizers) if isinstance(verbalizers, str) else verbalizers
    for label in given:
        if label not in labels:
            raise UnknownName("label", label, labels)
    words: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for label in labels:
        spelled = given.get(label, label)
        words[label] = tuple(dict.fromkeys([spelled] if isinstance(spelled, str) else spelled))
        if not words[label] or not all(word.strip() for word in words[label]):
            raise ConfigError(f"label {label!r} has an empty verbalizer; give it at least one word")
        # Over all labels: a word that stands for two of them tells neither.
        for word in words[label]:
            if owners.setdefault(word, label) != label:
                raise ConfigError(
                    f"the word {word!r} stands for both labels, {owners[word]!r} and {label!r}; give each its own words"
                )
    return words


def _parsed(text: str) -> Mapping[str, Sequence[str]]:
    """`negative:terrible|awful,positive:great` as a mapping. Raises ConfigError."""
    words: dict[str, Sequence[str]] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        label, colon, spelled = entry.partition(":")
        if not colon:
            raise ConfigError(f"verbalizers {text!r}: expected LABEL:WORD|WORD,LABEL:WORD, found {entry!r}")
        words[label.strip()] = [word.strip() for word in spelled.split("|")]
    return words
