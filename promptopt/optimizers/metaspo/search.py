"""One search of MetaSPO: the incumbent system prompt, the user prompts that stayed, and what each of them scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from promptopt.errors import EvaluatorError
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import Mistake, ask_whole
from promptopt.operators.rewrite import revisions
from promptopt.optimizers.metaspo.requests import (
    ANALYSE_SYSTEM,
    ANALYSE_USER,
    FORM_SYSTEM,
    FORM_USER,
    REWRITE_SYSTEM,
    REWRITE_USER,
    show_failures,
    system_of,
)
from promptopt.optimizers.metaspo.settings import RoundSizes, SearchSettings
from promptopt.protocols import SeveralTasks
from promptopt.run import Run
from promptopt.tasks.parts import editables_of, shown_to
from promptopt.types import Estimate, Example, Prompt, Proposal, Score

Result = TypeVar("Result")
_WHO = "metaspo"
_RIGHT = 1.0 - 1e-9
"""The score from which on an answer is right, whatever rounding took off a mean of parts."""


class SystemPromptSearch:
    """The best prompts so far, the user prompts that stayed, best first, and what is known of all."""

    def __init__(self, method: SearchSettings, run: Run, plan: RoundSizes) -> None:
        """Score the start."""
        self._method = method
        self._run = run
        self._plan = plan
        first, *others = editables_of(run.task)
        # A task whose system prompt is not to be edited has user prompts alone.
        alone = bool(shown_to(run.task, first)) or (method.frozen_system and not others)
        self._shown = None if alone else first
        self.system = None if method.frozen_system else self._shown
        self.users = [first, *others] if alone else others
        self._member = {part: shown_to(run.task, part) for part in self.users}
        self._groups = self._drawn()
        self._sample = [example for group in self._groups.values() for example in group]
        run.rank_by(self._sample)
        self._kept = {part: [run.initial[part]] for part in self.users}
        self._quotes = Quotes([_source_example(example) for example in run.train], run.task.labels, run.initial)
        self._scores: dict[tuple[str, ...], list[Score]] = {}
        self._whole: dict[Prompt, float] = {}
        """The worth of every prompt that was scored on all of the sample, in the order they were."""
        self._left_out: set[str] = set()
        """The tasks that the loop under way compares nothing on, as their metric failed in it."""
        self._best: Prompt = run.initial
        self._without_failing(lambda: self._score_whole(self._best))

    def inner(self) -> bool:
        """Each user prompt is improved under the system prompt as it is; whether anything failed."""
        failed = False
        self._left_out.clear()
        for part in self.users:
            before, best = list(self._kept[part]), self._best
            try:
                failed |= self._improved(part)
            except EvaluatorError as error:
                self._leave_out(error)
                self._kept[part], self._best = before, best
        # Of one task the best was scored whole as it was found.
        if failed and len(self._groups) > 1:
            self._without_failing(self._complete)
        return failed

    def _improved(self, part: str) -> bool:
        """One user prompt is improved under the system prompt as it is; whether anything failed."""
        base, member = self._best, self._member[part]
        # At test time every prompt that stayed is a parent, in the search for a system prompt the best one is.
        # A copy: what is kept changes as the children come in.
        parents = list(self._kept[part] if self.system is None else self._kept[part][:1])
        shown: list[tuple[Prompt, str]] = []
        for text in parents:
            parent = base.replace(part, text)
            mistakes = self._mistakes(parent, member)
            rng, count = self._run.rng("failures"), min(self._method.user_failures, len(mistakes))
            # Each rewrite is shown failures of its own, or the analyses would all be of the same.
            drawn = [rng.sample(mistakes, count) for _ in range(self._plan.users)] if mistakes else []
            shown += [(parent, show_failures(self._run.task, parent, each)) for each in drawn]
        if not shown:
            return False
        self._run.edit(part)
        for child in self._written(part, shown):
            self._mean(child, member)
            # Beside the parts of `base`, with which the child was scored.
            self._keep(base, part, child[part])
        return True

    def outer(self, *, further: bool = False) -> bool:
        """The system prompt is improved for all user prompts that stayed; whether anything failed.

        `further`: of a round beyond the plan, which writes no more than can still be scored.
        """
        assert self.system is not None
        self._left_out.clear()
        incumbent: Prompt = self._best
        pools = self._without_failing(
            lambda: [pool for member in self._compared() if (pool := self._mistakes(incumbent, member))]
        )
        if not pools:
            return False
        self._run.edit(self.system)
        rng, most = self._run.rng("failures"), self._method.system_failures
        shown: list[tuple[Prompt, str]] = []
        for _ in range(self._paid_for() if further else self._plan.systems):
            drawn = [each for pool in pools for each in rng.sample(pool, min(most, len(pool)))]
            # Mixed over the tasks (code).
            rng.shuffle(drawn)
            # All from the incumbent, none from another candidate (code).
            shown.append((incumbent, show_failures(self._run.task, incumbent, drawn)))
        self._without_failing(lambda: self._meta_score(incumbent))
        children = self._written(self.system, shown)
        self._without_failing(lambda: self._compare(incumbent, children))
        if self._best != incumbent:
            self._without_failing(lambda: self._ranked_anew(self._best))
        return True

    def _compare(self, incumbent: Prompt, children: Sequence[Prompt]) -> None:
        """The best of the incumbent and the children is the next one."""
        self._best, worth = incumbent, self._meta_score(incumbent)
        for child in children:
            found = self._meta_score(child)
            # Strictly: of equals the incumbent stays (code).
            if found > worth:
                # At once: a budget that ends before the last candidate leaves the best of those that were finished.
                self._best, worth = child, found

    def _compared(self) -> list[str]:
        """The tasks that the loop under way compares prompts on."""
        return [member for member in self._groups if member not in self._left_out]

    def _without_failing(self, compare: Callable[[], Result]) -> Result:
        """What `compare` gives; by `skip_task` again without each task whose metric fails, for all prompts alike."""
        while True:
            try:
                return compare()
            except EvaluatorError as error:
                self._leave_out(error)

    def _leave_out(self, error: EvaluatorError) -> None:
        """Compare nothing on the task whose metric failed, until the next loop. Raises the error where that cannot be.

        What was scored is known, so that to compare all anew costs nothing.
        """
        failing = [name for name, group in self._groups.items() if error.example_id in {each.id for each in group}]
        if self._method.on_task_error == "stop" or not set(failing) < set(self._compared()):
            raise error
        self._left_out.update(failing)
        self._run.warn(f"the metric of task {failing[0]!r} failed, and a loop compares prompts without it: {error}")

    def _paid_for(self) -> int:
        """New system prompts that can still be scored, as many as are planned at most and one at least."""
        planned, left = self._plan.systems, self._run.evaluations_left()
        paid = planned if left is None else left // len(self._sample)
        if paid < planned:
            # With a larger budget there would be all of them.
            self._run.follow_budget()
        return max(1, min(planned, paid))

    def record(self) -> None:
        """Tell what was compared so far, best first."""
        order = self.rank()
        count = len(self._sample)
        pool = [Estimate(prompt, self._whole[prompt], count) for prompt in order if prompt in self._whole]
        self._run.record(pool, [self._best])

    def rank(self) -> list[Prompt]:
        """Put the incumbent first, and what else was scored on all of the sample behind it by its worth."""
        order = [self._best, *sorted(self._whole, key=lambda prompt: -self._whole[prompt])]
        self._run.rank_by(self._sample, order)
        return list(dict.fromkeys(order))

    def _keep(self, base: Prompt, part: str, text: str) -> None:
        """One more user prompt, if it is among the best; of equal ones the earlier first."""
        texts = dict.fromkeys([*self._kept[part], text])
        ranked = sorted(texts, key=lambda each: -self._mean(base.replace(part, each), self._member[part]))
        self._kept[part] = ranked[: self._method.kept]
        self._best = base.replace(part, ranked[0])

    def _ranked_anew(self, found: Prompt) -> None:
        """Another user prompt may be the best one under a new system prompt."""
        for part in self.users:
            if self._member[part] in self._left_out:
                continue
            worth = {text: self._mean(found.replace(part, text), self._member[part]) for text in self._kept[part]}
            self._kept[part].sort(key=lambda text, worth=worth: -worth[text])
            self._best = self._best.replace(part, self._kept[part][0])
        self._complete()

    def _complete(self) -> None:
        """Score the best prompts together: each was scored beside others, and the final choice is of whole ones."""
        if self._best not in self._whole:
            self._run.admit([Proposal(self._best, (self._run.initial,), "together")])
            self._score_whole(self._best)

    def _written(self, part: str, shown: Sequence[tuple[Prompt, str]]) -> list[Prompt]:
        """New texts of a part, one for each parent and its failures, as prompts that the task lets in."""
        run = self._run
        method = self._method
        system = part == self.system
        analyse, rewrite = (ANALYSE_SYSTEM, REWRITE_SYSTEM) if system else (ANALYSE_USER, REWRITE_USER)
        about = [
            {"system": self._system_text(base, part), "section": base[part], "mistakes": failures}
            for base, failures in shown
        ]
        asked = [analyse.render({**each, "analysis": ""}) for each in about]
        found = ask_whole(run, asked, "critique", method.sampling, _WHO)
        # Without an analysis there is nothing to rewrite by.
        analysed = [(base, each, said) for (base, _), each, said in zip(shown, about, found, strict=True) if said]
        requests = [(base, part, rewrite.render({**each, "analysis": said})) for base, each, said in analysed]
        form = FORM_SYSTEM if system else FORM_USER
        texts = revisions(
            run, requests, method.sampling, who=_WHO, longest=method.longest, quotes=self._quotes, form=form
        )
        kind = "system" if system else "user"
        fresh = [
            Proposal(base.replace(part, text), (base,), kind, said)
            for text, (base, _, said) in zip(texts, analysed, strict=True)
            if text is not None
        ]
        return run.admit(fresh)

    def _system_text(self, prompt: Prompt, part: str) -> str:
        """The system prompt above a part, as a part of the prompt or as its examples are sent it."""
        if self._shown is not None:
            return prompt[self._shown]
        return system_of(self._run.task, prompt, self._groups[self._member[part]][0])

    def _meta_score(self, prompt: Prompt) -> float:
        """What a system prompt is worth: its mean over the user prompts that stayed, of each task."""
        means: dict[str, float] = {}
        # The whole first: the examples of all tasks in one batch, and what follows pays for the variants alone.
        self._score_whole(prompt)
        for member in self._compared():
            variants = [prompt]
            for part in self.users:
                if self._member[part] == member:
                    variants += [prompt.replace(part, text) for text in self._kept[part]]
            each = list(dict.fromkeys(variants))
            means[member] = math.fsum(self._mean(variant, member) for variant in each) / len(each)
        return self._over_tasks(means)

    def _score_whole(self, prompt: Prompt) -> None:
        if prompt not in self._whole:
            compared = self._compared()
            sample = [example for member in compared for example in self._groups[member]]
            scored = dict(zip(sample, self._run.evaluate([prompt], sample)[prompt], strict=True))
            for member in compared:
                self._scores[self._key(prompt, member)] = [scored[example] for example in self._groups[member]]
            # Over fewer tasks a mean is another measure.
            if not self._left_out:
                self._whole[prompt] = self._over_tasks({member: self._mean(prompt, member) for member in compared})

    def _over_tasks(self, means: dict[str, float]) -> float:
        task = self._run.task
        return task.worth(means) if isinstance(task, SeveralTasks) and "" not in means else means[""]

    def _mean(self, prompt: Prompt, member: str) -> float:
        values = [score.value for score in self._scored(prompt, member)]
        return math.fsum(values) / len(values)

    def _scored(self, prompt: Prompt, member: str) -> list[Score]:
        key = self._key(prompt, member)
        if key not in self._scores:
            group = self._groups[member]
            self._scores[key] = list(self._run.evaluate([prompt], group)[prompt])
            if len(self._groups) == 1:
                # Of one task its examples are the whole sample.
                self._whole[prompt] = self._over_tasks({member: self._mean(prompt, member)})
        return self._scores[key]

    def _key(self, prompt: Prompt, member: str) -> tuple[str, ...]:
        """All that the examples of a task are shown of a prompt."""
        hidden = [part for part, name in self._member.items() if name not in ("", member)]
        # Two prompts that differ only in what these examples are never shown have the same scores.
        return (member, *(text for part, text in prompt.texts if part not in hidden))

    def _mistakes(self, prompt: Prompt, member: str) -> list[Mistake]:
        scores = self._scored(prompt, member)
        return [pair for pair in zip(self._groups[member], scores, strict=True) if pair[1].value < _RIGHT]

    def _drawn(self) -> dict[str, list[Example]]:
        """Training examples by task, as many of each."""
        task, groups = self._run.task, dict[str, list[Example]]()
        for example in self._run.train:
            groups.setdefault(task.member_of(example) if isinstance(task, SeveralTasks) else "", []).append(example)
        count, rng = max(1, self._plan.examples // len(groups)), self._run.rng("examples")
        return {name: rng.sample(group, min(count, len(group))) for name, group in groups.items()}


def _source_example(example: Example) -> Example:
    """What an example of several tasks was made of: without the user prompt, which is no data."""
    return example if example.source is None else example.source
