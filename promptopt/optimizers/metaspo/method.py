"""MetaSPO: a system prompt for several tasks and user prompts for it, improved in turn.

Source   Choi, Baek, Hwang 2025, System Prompt Optimization with Meta-Learning, arXiv:2505.09666, and its code.
Parts    The first editable part is the system prompt, each other one a user prompt. With one editable part there are no
         user prompts to be written, and every round is an outer loop (the paper's variant without the inner one).
Inner    loop, for each user prompt: c_u times the best one's failures are analysed and it is rewritten (two calls); the
         k best stay, their parents among them.
Outer    loop: c_s times, always from the incumbent, failures of each task are pooled, analysed, and the system prompt
         is rewritten (two calls; the failures are not repeated, so that they do not get in); each new one is scored
         with every user prompt that stayed, and takes the incumbent's place on a strictly higher mean.
Cost     n evaluations for each user prompt, n * (user prompts kept) for each system prompt; 2 (c_u parts + c_s) calls
         of the proposer a round.
Departs  a reply that cannot be used is asked for once more and then dropped, where the code takes the error's text for
         a prompt; means are over tasks, not over prompts; without failures nothing is asked, and two such loops end the
         search; one draw of training examples is used by all rounds, as in the code, but the final choice is on dev.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import Mistake, ask_whole, show_mistakes
from promptopt.operators.rewrite import revisions
from promptopt.optimizers.metaspo.requests import (
    ANALYSE_SYSTEM,
    ANALYSE_USER,
    FORM_SYSTEM,
    FORM_USER,
    REWRITE_SYSTEM,
    REWRITE_USER,
)
from promptopt.protocols import SeveralTasks
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Preset
from promptopt.tasks.parts import editables_of
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, Sampling, UpperBounds

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
PAPER_ROUNDS, PAPER_USERS, PAPER_SYSTEMS, PAPER_EXAMPLES = 3, 3, 9, 50
"""I, c_u, c_s and n of the paper."""
_WHO = "metaspo"
_RIGHT = 1.0 - 1e-9
_DRY = 2
"""Loops without a failure that end the search."""


@dataclass(frozen=True, slots=True)
class MetaSPOPlan:
    """Concrete numbers: rounds of both loops, candidates of each, and training examples that all are scored on."""

    rounds: int
    users: int
    systems: int
    examples: int

    def describe(self) -> str:
        """Half a sentence."""
        return (
            f"{counted(self.rounds, 'round')} of {self.systems} system prompts, on {counted(self.examples, 'example')}"
        )


@dataclass(frozen=True, slots=True)
class MetaSPO:
    """System and user prompts are analysed by their failures and rewritten, in two loops."""

    name: ClassVar[str] = "metaspo"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    rounds: int | None = None
    """I. None: by the budget, 3 without one (the paper's)."""
    users: int | None = None
    """c_u, rewrites of a user prompt in a round. None: 2 under a budget (ours), 3 without one (the paper's)."""
    systems: int | None = None
    """c_s, rewrites of the system prompt in a round. None: 4 under a budget (ours), 9 without one (the paper's)."""
    kept: int = 3
    """k, user prompts that stay of each part; the paper's."""
    examples: int | None = None
    """n, training examples. None: by the budget 40 at most (ours), 50 without one (the code's)."""
    user_failures: int = 3
    """Shown where a user prompt is analysed; the paper's."""
    system_failures: int = 2
    """Of each task, shown where the system prompt is analysed; the paper's."""
    frozen_system: bool = False
    """Adapt to a task: keep the system prompt, improve the user prompts alone (the paper's test-time adaptation)."""
    longest: int = 800
    """Tokens a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked: the paper's temperature."""

    def __post_init__(self) -> None:
        counts = ("rounds", "users", "systems", "kept", "examples", "user_failures", "system_failures", "longest")
        within(self, **dict.fromkeys(counts, (1, math.inf)))

    def plan(self, room: Room) -> MetaSPOPlan:
        """By the budget where there is one."""
        cells = None if self.preset == "paper" else room.cells()
        paper = cells is None
        users, systems = (
            (full if paper else small) if own is None else own
            for own, full, small in ((self.users, PAPER_USERS, 2), (self.systems, PAPER_SYSTEMS, 4))
        )
        examples = (PAPER_EXAMPLES if paper else 40) if self.examples is None else self.examples
        examples = min(examples, room.train)
        if cells is None:
            return MetaSPOPlan(PAPER_ROUNDS if self.rounds is None else self.rounds, users, systems, examples)
        while self.examples is None and examples > 8 and cells < examples * (1 + 2 * systems):
            examples //= 2
        afforded = max(1, (cells - examples) // (examples * systems))
        return MetaSPOPlan(afforded if self.rounds is None else self.rounds, users, systems, examples)

    def least(self, room: Room) -> int:
        """The start and one round of the outer loop."""
        plan = self.plan(room)
        return plan.examples * (1 + plan.systems)

    def optimize(self, run: Run) -> None:
        """Search until the rounds are done or nothing fails any more."""
        plan = self.plan(run.room)
        sample = run.rng("examples").sample(run.train, plan.examples)
        run.rank_by(sample)
        search = _Search(self, run, plan, sample)
        dry = 0
        for _ in range(plan.rounds):
            failed = search.inner()
            if not self.frozen_system or not search.users:
                failed |= search.outer()
            search.record()
            dry = 0 if failed else dry + 1
            if dry == _DRY:
                run.warn("every example is answered right, so there was nothing to learn from and the search ended")
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Without a budget, for one user prompt beside the system prompt."""
        return self.upper_bounds_in(Room(None, None, 1, train, 0))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """In that room."""
        plan = self.plan(room)
        cells = plan.examples * (1 + plan.rounds * (plan.users + plan.systems * self.kept))
        # Analysis and rewrite, each asked for once more where it comes without tags.
        asked = 4 * plan.rounds * (plan.users + plan.systems)
        return UpperBounds(cells, asked, asked * self.sampling.max_tokens)


class _Search:
    """The incumbent system prompt, and the user prompts that stayed, best first."""

    def __init__(self, method: MetaSPO, run: Run, plan: MetaSPOPlan, sample: Sequence[Example]) -> None:
        self._method, self._run, self._plan, self._sample = method, run, plan, list(sample)
        self._system, *self.users = editables_of(run.task)
        self._best: Prompt = run.initial
        self._kept = {part: [run.initial[part]] for part in self.users}
        self._quotes = Quotes(run.train, run.task.labels)
        self._known: dict[Prompt, float] = {}
        self._worth(self._best)

    def inner(self) -> bool:
        """Each user prompt is improved under the system prompt as it is; whether anything failed."""
        failed = False
        for part in self.users:
            mistakes = self._mistakes(self._best)
            if not mistakes:
                continue
            failed = True
            self._run.edit(part)
            base = self._best
            rng = self._run.rng("failures")
            shown = [
                show_mistakes(rng.sample(mistakes, min(self._method.user_failures, len(mistakes))))
                for _ in range(self._plan.users)
            ]
            texts = [*self._kept[part]]
            for child in self._written(base, part, shown, system=False):
                self._worth(child)
                texts.append(child[part])
            ranked = sorted(dict.fromkeys(texts), key=lambda text: -self._worth(base.replace(part, text)))
            self._kept[part] = ranked[: self._method.kept]
            self._best = base.replace(part, ranked[0])
        return failed

    def outer(self) -> bool:
        """The system prompt is improved for all user prompts that stayed; whether anything failed."""
        pools = self._pools(self._mistakes(self._best))
        if not pools:
            return False
        self._run.edit(self._system)
        rng = self._run.rng("failures")
        shown: list[str] = []
        for _ in range(self._plan.systems):
            drawn = [each for pool in pools for each in rng.sample(pool, min(self._method.system_failures, len(pool)))]
            rng.shuffle(drawn)
            shown.append(show_mistakes(drawn))
        incumbent: Prompt = self._best
        found: Prompt = incumbent
        most = self._mean(incumbent)
        for child in self._written(incumbent, self._system, shown, system=True):
            mean = self._mean(child)
            if mean > most:
                found, most = child, mean
        if found != incumbent:
            self._best = found
            for part in self.users:
                # Another user prompt may be the best one under the new system prompt.
                self._kept[part].sort(key=lambda text, part=part: -self._worth(found.replace(part, text)))
                self._best = self._best.replace(part, self._kept[part][0])
        return True

    def record(self) -> None:
        """Tell what was compared so far, best first."""
        ranked = sorted(self._known, key=lambda prompt: -self._known[prompt])
        order = [self._best, *(prompt for prompt in ranked if prompt != self._best)]
        self._run.rank_by(self._sample, order)
        count = len(self._sample)
        self._run.record([Estimate(prompt, self._known[prompt], count) for prompt in order if prompt in self._known],
                         [self._best])  # fmt: skip

    def _written(self, base: Prompt, part: str, shown: Sequence[str], *, system: bool) -> list[Prompt]:
        """New texts of a part, one for each set of failures, as prompts that the task lets in."""
        run, method = self._run, self._method
        analyse, rewrite = (ANALYSE_SYSTEM, REWRITE_SYSTEM) if system else (ANALYSE_USER, REWRITE_USER)
        about = {"system": base[self._system], "section": base[part]}
        asked = [analyse.render({**about, "mistakes": each, "analysis": ""}) for each in shown]
        analyses = [each for each in ask_whole(run, asked, "critique", method.sampling, _WHO) if each is not None]
        requests = [(base, part, rewrite.render({**about, "mistakes": "", "analysis": each})) for each in analyses]
        form = FORM_SYSTEM if system else FORM_USER
        texts = revisions(
            run, requests, method.sampling, who=_WHO, longest=method.longest, quotes=self._quotes, form=form
        )
        kind = "system" if system else "user"
        fresh = [
            Proposal(base.replace(part, text), (base,), kind, analysis)
            for text, analysis in zip(texts, analyses, strict=True)
            if text is not None
        ]
        return run.admit(fresh)

    def _mean(self, prompt: Prompt) -> float:
        """The mean worth of a system prompt over the user prompts that stayed."""
        variants = [prompt]
        for part in self.users:
            variants += [prompt.replace(part, text) for text in self._kept[part]]
        each = list(dict.fromkeys(variants))
        return math.fsum(map(self._worth, each)) / len(each)

    def _worth(self, prompt: Prompt) -> float:
        if prompt not in self._known:
            values = [score.value for score in self._run.evaluate([prompt], self._sample)[prompt]]
            groups: dict[str, list[float]] = {}
            for example, value in zip(self._sample, values, strict=True):
                groups.setdefault(self._member(example), []).append(value)
            means = {name: math.fsum(own) / len(own) for name, own in groups.items()}
            task = self._run.task
            several = task if isinstance(task, SeveralTasks) and "" not in means else None
            self._known[prompt] = means[""] if several is None else several.worth(means)
        return self._known[prompt]

    def _member(self, example: Example) -> str:
        task = self._run.task
        return task.member_of(example) if isinstance(task, SeveralTasks) else ""

    def _mistakes(self, prompt: Prompt) -> list[Mistake]:
        scores = self._run.evaluate([prompt], self._sample)[prompt]
        return [pair for pair in zip(self._sample, scores, strict=True) if pair[1].value < _RIGHT]

    def _pools(self, mistakes: Sequence[Mistake]) -> list[list[Mistake]]:
        pools: dict[str, list[Mistake]] = {}
        for mistake in mistakes:
            pools.setdefault(self._member(mistake[0]), []).append(mistake)
        return list(pools.values())
