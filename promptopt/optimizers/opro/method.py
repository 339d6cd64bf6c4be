"""OPRO: a model is shown the best instructions so far with their scores, and writes one that scores higher.

Paper    Yang et al. 2023, Large Language Models as Optimizers, arXiv:2309.03409. Code: google-deepmind/opro.
Calls    task model: N for the start and n*N a step, of N training examples; proposer: n a step. At the defaults
         321*100 and 320. A reply without tags is asked for once more. Held-out examples count among the N; they are
         spent on the best prompts only.
Departs  40 steps on up to 100 examples (paper: 200 on 261 of GSM8K, 50 of BBH); one seed, the task's start, known
         from the beginning; the place of the instruction is the layout's; with 100 examples a fifth is held out and
         chosen by, and not only a step's instructions but all that are among the best are scored on it; the request
         names the task and its labels; a reply without tags is no instruction. The wording is for small models too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.operators.exemplars import inputs_inside, most_wrong, show_place
from promptopt.operators.reflect import ask_whole, refuses, room, show_task, unusable
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, normalise
from promptopt.types import Estimate, Example, Prompt, Proposal, Sampling, UpperBounds

History = Mapping[Prompt, float]
"""Every scored prompt and its mean on the training subset, oldest first."""

META = Pattern(
    """Write an instruction for a language model{where}. The higher its score, the better; scores go from 0 to 100.

{task}{evidence}Write a new instruction that differs from all the instructions above and scores higher than any of \
them. It must be concise, effective, and fit all inputs of this kind.{keep}
End with the new instruction, once, in this form:
<instruction>
...
</instruction>""",
    ("where", "task", "evidence", "keep"),
)
WHERE = ". It will stand where <INS> stands in the examples"
HISTORY = "Instructions so far with their scores, the worst first and the best last:"
EXEMPLARS = "Examples of what the model will be given, and of what is right:"
KEEP = " It must hold {places} once each: the input stands there."

TAG = "instruction"
TAGS = (TAG, "INS")
PROPOSER = Sampling(temperature=1.0, max_tokens=512)
VALIDATED_FROM = 100
"""Examples from which on a share is held out, where nothing else is said (opro.md)."""
SHARE = 0.2
"""That share (the code's 80/20 split of MMLU)."""
SPLIT_FROM = 20
"""Examples from which on some can be held out at all."""

_BOLD = re.compile(r"(?<!\w)\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)", re.DOTALL)
_WHO = "proposer"


@dataclass(frozen=True, slots=True)
class Showing:
    """What the proposer is shown."""

    memory: int = 20
    """Instructions shown, the best so far."""
    threshold: float = 0.3
    """A score in [0, 1] below which an instruction is not shown, unless all are. Code: 0.3 for chat models."""
    exemplars: int = 3
    """Training examples shown."""
    choice: Literal["random", "wrong-so-far", "wrong-of-shown", "constant"] = "random"
    """Which: drawn anew each step; most often wrong under all instructions, or under those shown; drawn once."""
    order: Literal["history-first", "exemplars-first"] = "history-first"
    """What the request begins with."""

    def __post_init__(self) -> None:
        within(self, memory=(1, math.inf), threshold=(0.0, 1.0), exemplars=(0, math.inf))


@dataclass(frozen=True, slots=True)
class Proposing:
    """How new instructions are asked for, and which replies are none."""

    breadth: int = 8
    """New instructions asked for in a step."""
    sampling: Sampling = PROPOSER
    """How the proposer is asked."""
    end_temperature: float | None = None
    """What the temperature rises to, in equal steps; None: it stays. Code; the paper: it stays."""
    longest: int = 500
    """Characters of an instruction; of a start that is longer it may have a quarter more. Code."""
    digits: Literal["allowed", "refused"] = "allowed"
    """`refused`: none may hold a digit, which keeps solutions of sums out. Code, for GSM8K."""

    def __post_init__(self) -> None:
        within(self, breadth=(1, math.inf), longest=(1, math.inf))
        if self.end_temperature is not None:
            within(self, end_temperature=(0.0, math.inf))


@dataclass(frozen=True, slots=True)
class Validation:
    """What is held out of the training subset, to choose by in the end."""

    share: float | None = None
    """0, or up to 0.5 of the examples; None: 0.2 from 100 examples on, else 0. Code: 0.2 for MMLU."""
    every: int = 3
    """Steps from one scoring of the best on it to the next. Code."""

    def __post_init__(self) -> None:
        within(self, every=(1, math.inf))
        if self.share is not None:
            within(self, share=(0.0, 0.5))


@dataclass(frozen=True, slots=True)
class Stopping:
    """What ends the search early."""

    idle: int | None = 3
    """Steps in a row without one unseen instruction; None: any number. Ours."""
    patience: int | None = None
    """Steps in a row without a new best; None (code): any number."""

    def __post_init__(self) -> None:
        within(self, **{name: (1, math.inf) for name in ("idle", "patience") if getattr(self, name) is not None})


@dataclass(frozen=True, slots=True)
class OPRO:
    """The model reads its own scored history and writes the next instructions."""

    name: ClassVar[str] = "opro"

    steps: int = 40
    """Steps of proposing and scoring. Ours; the paper: 200."""
    examples: int = 100
    """Training examples used, those held out included. Ours; the paper: 3.5 % of GSM8K, 20 % of a BBH task."""
    show: Showing = Showing()
    """What the proposer is shown."""
    propose: Proposing = Proposing()
    """How new instructions are asked for."""
    validation: Validation = Validation()
    """What is held out."""
    stop: Stopping = Stopping()
    """What ends the search early."""

    def __post_init__(self) -> None:
        within(self, steps=(0, math.inf), examples=(1, math.inf))

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on one fixed subset of the training examples."""
        scored, held = self._examples(run)
        history = run.evaluate([run.initial], scored).means()
        run.evaluate([run.initial], held)
        known = {_key(run.initial[run.task.editable])}
        idle = stale = 0
        for step in range(self.steps):
            shown = self._shown(history)
            meta = self._meta(run, history, shown, self._exemplars(run, shown, history, scored))
            fresh = self._propose(run, meta, step, shown, known)
            before = max(history.values())
            history |= run.evaluate(fresh, scored).means()
            idle = 0 if fresh else idle + 1
            stale = 0 if max(history.values()) > before else stale + 1
            ended = step + 1 == self.steps or idle == self.stop.idle or stale == self.stop.patience
            best = _best(history, self.show.memory)
            if step % self.validation.every == 0 or ended:
                run.evaluate(best, held)
            pool = dict.fromkeys([*shown, *fresh])
            run.record([Estimate(prompt, history[prompt], len(scored)) for prompt in pool], best[::-1])
            if ended:
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples; replies without tags are asked for twice."""
        count = min(self.examples, train)
        held = self._held(count)
        prompts = 1 + self.steps * self.propose.breadth
        looks = len(range(0, self.steps, self.validation.every)) + 1
        validated = min(prompts, 1 + looks * self.show.memory)
        calls = 2 * self.steps * self.propose.breadth
        evaluations = prompts * (count - held) + validated * held
        return UpperBounds(evaluations, calls, calls * self.propose.sampling.max_tokens)

    def _held(self, count: int) -> int:
        """How many of `count` examples are held out."""
        share = self.validation.share
        if share is None:
            share = SHARE if count >= VALIDATED_FROM else 0.0
        return math.ceil(share * count) if count >= SPLIT_FROM else 0

    def _examples(self, run: Run) -> tuple[list[Example], list[Example]]:
        """The examples that every instruction is scored on, and those held out for the best."""
        drawn = run.rng("examples").sample(run.train, min(self.examples, len(run.train)))
        count = self._held(len(drawn))
        held, scored = drawn[:count], drawn[count:]
        run.rank_by(held if held else scored)
        if self.validation.share and not held:
            run.warn(f"{len(scored)} examples are too few to hold some out; the share is used from {SPLIT_FROM} on")
        return scored, held

    def _shown(self, history: History) -> list[Prompt]:
        """The best of the history, worst first, of equals the newest last; poor ones only where all are poor."""
        floor = self.show.threshold if _in_unit(history) else -math.inf
        # Summing can take a mean of 0.3 a hair below 0.3.
        good = {prompt: mean for prompt, mean in history.items() if mean + 1e-9 >= floor and mean != -math.inf}
        return _best(good if good else history, self.show.memory)

    def _exemplars(
        self, run: Run, shown: Sequence[Prompt], history: History, scored: Sequence[Example]
    ) -> list[Example]:
        """The training examples to show, by the setting `choice`."""
        count = min(self.show.exemplars, len(scored))
        match self.show.choice:
            case "random":
                return run.rng("exemplars").sample(scored, count)
            case "constant":
                return list(scored[:count])
            case "wrong-so-far":
                return most_wrong(run, list(history), scored)[:count]
            case "wrong-of-shown":
                return most_wrong(run, shown, scored)[:count]

    def _meta(self, run: Run, history: History, shown: Sequence[Prompt], exemplars: Sequence[Example]) -> str:
        """The request for one new instruction."""
        task, editable = run.task, run.task.editable
        inputs = inputs_inside(run)
        points = _points({prompt: history[prompt] for prompt in shown}, _in_unit(history))
        entries = [f"text:\n{prompt[editable]}\nscore:\n{points[prompt]}" for prompt in shown]
        blocks = [_block(HISTORY, entries)]
        if exemplars:
            blocks.append(_block(EXEMPLARS, [show_place(run, example) for example in exemplars]))
        # The examples show what stands beside the instruction; without them it is told.
        told = Prompt(((editable, ""),)) if exemplars else run.initial
        return META.render(
            {
                "where": WHERE if exemplars else "",
                "task": show_task(task, told),
                "evidence": "".join(blocks if self.show.order == "history-first" else blocks[::-1]),
                "keep": KEEP.replace("{places}", ", ".join(f"{{{name}}}" for name in inputs)) if inputs else "",
            }
        )

    def _propose(self, run: Run, meta: str, step: int, shown: Sequence[Prompt], known: set[str]) -> list[Prompt]:
        """New instructions that can be used and were never read before; whatever is read is `known` from then on."""
        propose, start = self.propose, run.initial[run.task.editable]
        first, last = propose.sampling.temperature, propose.end_temperature
        temperature = first if last is None else first + (last - first) * step / self.steps
        sampling = replace(propose.sampling, temperature=temperature)
        found = list[Proposal]()
        for text in ask_whole(run, [meta] * propose.breadth, TAG, sampling, _WHO):
            if text is None:
                continue
            polished = _polish(text)
            why = self._why_not(polished, start, known)
            known.add(_key(polished))
            if why is not None:
                run.reject(f"{_WHO}: {why}")
            else:
                prompt = run.initial.replace(run.task.editable, polished)
                found.append(Proposal(prompt, tuple(reversed(shown)), _WHO, f"step {step}, shown {len(shown)}"))
        return run.admit(found)

    def _why_not(self, text: str, start: str, known: Collection[str]) -> str | None:
        """Why a text is no new instruction, in a few words; None where it is one."""
        if not _key(text):
            return "empty"
        if _key(text) in known:
            return "seen before"
        if self.propose.digits == "refused" and re.search(r"\d", text):
            return "holds a digit"
        if refuses(text):
            return "refusal"
        most = room(start, self.propose.longest, len)
        return unusable(text, start, most=most, tags=TAGS, count_tokens=len)


def _best(history: History, count: int) -> list[Prompt]:
    """The `count` best, worst first; of equals the oldest come first, and are the first to go."""
    return sorted(history, key=history.__getitem__)[-count:]


def _in_unit(history: History) -> bool:
    """Whether the means are those of a metric in [0, 1], and not log-likelihoods; -inf says nothing."""
    return all(0.0 <= mean <= 1.0 for mean in history.values() if mean != -math.inf)


def _points(means: History, in_unit: bool) -> dict[Prompt, int]:
    """Means as whole numbers from 0 to 100: hundredths of a metric; else by their place between worst and best shown.

    -inf is 0. Means that are all equal, and no metric's, are 50.
    """
    finite = [mean for mean in means.values() if mean != -math.inf]
    low, high = (0.0, 1.0) if in_unit or not finite else (min(finite), max(finite))

    def points(mean: float) -> int:
        if mean == -math.inf:
            return 0
        return round(100 * (mean - low) / (high - low)) if high > low else 50

    return {prompt: points(mean) for prompt, mean in means.items()}


def _block(title: str, entries: Sequence[str]) -> str:
    return "\n\n".join([title, *entries, ""])


def _polish(text: str) -> str:
    """Trimmed, without marks of bold type, the first letter a capital one where the script has such (code)."""
    plain = _BOLD.sub(r"\1", text).strip()
    capital = plain[:1].title()
    return capital + plain[1:] if len(capital) == 1 else plain


def _key(text: str) -> str:
    """What two texts share that are one instruction: they differ in white space, bold type or the first letter only."""
    plain = normalise(text.replace("**", ""))
    return plain[:1].casefold() + plain[1:]
