"""OPRO: a model is shown the best instructions so far with their scores, and writes one that scores higher.

Paper    Yang et al. 2023, Large Language Models as Optimizers, arXiv:2309.03409. Code: google-deepmind/opro.
Scales   with the budget, of S evaluations: max(4, 0.7 S^(1/3)) new instructions a step, all looked at together with the
         two best on max(3, 0.8 S^(1/4)) examples drawn anew (0.4 of that at first, 1.6 in the end), of which the two
         best go on (successive rejects); the history shows up to 8 that went on, with their worth along the lineage.
         Under a cap on calls, where S is below 500, the posterior over the lineage decides who is looked at and goes
         on, and the history shows as many as a step asks for.
         500 evaluations are about 14 steps of 5, 2,000 are 33 of 8. Measured on planted tasks at 500, 1,000 and 2,000:
         gains of 2.8, 2.2 and 1.5 times those of the paper's rule with settings made for each.
Paper's  rule, by `preset=paper` and where there is no cap: all are scored on the same N training examples, and the best
         20 of all are shown. Task model: N for the start and n*N a step; proposer: n a step. A reply without tags is
         asked for once more. `preset=paper`: 200 steps on 261 examples; without a cap 40 on up to 100.
Departs  the budget's rule, which is ours; the task's start and `seeds` are known from the beginning; the place of the
         instruction is the layout's; what is held out, if anything is, is scored for all that are among the best, and
         counts beside the other examples in the end; the request names the task and its labels; a reply without tags
         is no instruction. The wording is for small models too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from promptopt.arguments import told
from promptopt.errors import ConfigError
from promptopt.operators.drafts import edit_limit, texts_beside_prompt, unusable
from promptopt.operators.exemplars import Choice, exemplars, inputs_inside, show_place
from promptopt.operators.reflect import ask_whole, show_task
from promptopt.operators.replies import sized, tidy
from promptopt.optimizers.opro.plan import SMALL, OPROPlan, memory_of
from promptopt.optimizers.opro.requests import EXEMPLARS, FORM, HISTORY_HEAD, KEEP_PLACES, META, TAG, TAGS, WHERE
from promptopt.optimizers.opro.trajectory import (
    Trajectory,
    best_last,
    block,
    in_unit,
    key,
    polish,
    telling,
    whole_points,
)
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fresh, GenerationalSelection, Preset, fresh, least_generation
from promptopt.tasks.parts import wording
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Proposal, Room, Sampling, UpperBounds

PROPOSER = Sampling(temperature=1.0, max_tokens=512)
SPLIT_FROM = 20
"""Examples from which on some can be held out at all. Ours: of fewer, the code's fifth would be less than four."""

_WHO = "proposer"


@dataclass(frozen=True, slots=True)
class Showing:
    """What the proposer is shown."""

    memory: int | None = None
    """Instructions shown, the best so far. None: by the budget 8, or fewer (`memory_of`); by the paper's rule 20
    (paper)."""
    threshold: float = 0.3
    """A score in [0, 1] below which an instruction is not shown, unless all are. Code: 0.3 for chat models."""
    exemplars: int = 3
    """Training examples shown. Paper: 3 do better than none and than 10."""
    choice: Choice = "random"
    """Which of them."""
    order: Literal["history-first", "exemplars-first"] = "history-first"
    """What the request begins with. Code; history first unless told."""

    def __post_init__(self) -> None:
        within(self, memory=(1, math.inf), threshold=(0.0, 1.0), exemplars=(0, math.inf))


@dataclass(frozen=True, slots=True)
class Proposing:
    """How new instructions are asked for, and which replies are none."""

    breadth: int | None = None
    """New instructions asked for in a step. None: by the budget; paper: 8."""
    sampling: Sampling = PROPOSER
    """How the proposer is asked. Paper: temperature 1.0; code: 512 tokens for chat models."""
    end_temperature: float | None = None
    """What the temperature rises to, in equal steps; None: it stays. Code; the paper: it stays."""
    longest: int = 500
    """Characters of an instruction; of a start that is longer it may have a quarter more. Code."""
    digits: Literal["allowed", "refused"] = "allowed"
    """`refused`: none may hold a digit, which keeps solutions of sums out. Code, for GSM8K."""

    def __post_init__(self) -> None:
        within(self, breadth=(1, math.inf), end_temperature=(0.0, math.inf), longest=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Validation:
    """What the paper's rule holds out of its training subset, for the best alone to be scored on."""

    share: float = 0.0
    """Up to 0.5 of the examples. Code: 0.2 for MMLU, else 0."""
    every: int = 3
    """Steps from one scoring of the best on it to the next. Code."""

    def __post_init__(self) -> None:
        within(self, share=(0.0, 0.5), every=(1, math.inf))


@dataclass(frozen=True, slots=True)
class Stopping:
    """What ends the search early."""

    idle: int | None = 3
    """Steps in a row without one unseen instruction; None: 30. By the budget the search begins again from its best
    once, before they end it. Ours."""
    patience: int | None = None
    """Steps in a row without a new best; None (code): any number."""

    def __post_init__(self) -> None:
        within(self, idle=(1, math.inf), patience=(1, math.inf))


@told
@dataclass(frozen=True, slots=True)
class OPRO:
    """The model reads its own scored history and writes the next instructions."""

    name: ClassVar[str] = "opro"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    steps: int | None = None
    """Steps of proposing and scoring. None: by the budget, 40 without one; paper: 200."""
    examples: int | None = None
    """Training examples used. None: all by the budget, 100 without one; paper: 261 of GSM8K (3.5 %)."""
    seeds: tuple[str, ...] = ()
    """Further start prompts: texts of the part that is edited."""
    show: Showing = Showing()
    """What the proposer is shown."""
    propose: Proposing = Proposing()
    """How new instructions are asked for."""
    validation: Validation = Validation()
    """What the paper's rule holds out."""
    stop: Stopping = Stopping()
    """What ends the search early."""

    def __post_init__(self) -> None:
        within(self, steps=(0, math.inf), examples=(1, math.inf))
        if not all(seed.strip() for seed in self.seeds):
            raise ConfigError("one of the 'seeds' is empty; give every seed prompt a text, or leave it out")

    def plan(self, room: Room) -> OPROPlan:
        """By the budget where there is one, else by the paper's rule."""
        found = None
        if self.preset == "budget":
            # Where there are seeds, they are a generation of their own.
            most = None if self.steps is None else self.steps + bool(self.seeds)
            # Measured: where calls cost nothing, more generations of a longer history gain more.
            small = 0 if room.calls is None else SMALL
            found = fresh(room, children=self.propose.breadth, most=most, small=small)
        paper = self.preset == "paper"
        if found is None:
            examples = (261 if paper else 100) if self.examples is None else self.examples
            steps = (200 if paper else 40) if self.steps is None else self.steps
        else:
            examples = room.train if self.examples is None else self.examples
            steps = found.rounds if self.steps is None else self.steps
        breadth = self.propose.breadth
        return OPROPlan(
            rounds=steps,
            breadth=found.children if found is not None else 8 if breadth is None else breadth,
            memory=memory_of(found) if self.show.memory is None else self.show.memory,
            examples=min(examples, room.train),
            fresh=found,
        )

    def least(self, room: Room) -> int:
        """Three steps: what is seen in less tells nothing."""
        plan = self.plan(room)
        if plan.fresh is None:
            return plan.examples * (1 + 3 * plan.breadth)
        return 3 * least_generation()

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt and the seeds, on training examples."""
        plan, editable = self.plan(run.room), run.task.editable
        seeds = run.admit([Proposal(run.initial.replace(editable, seed), operator="seed") for seed in self.seeds])
        starts = list(dict.fromkeys([run.initial, *seeds]))
        drawn = run.rng("examples").sample(run.train, plan.examples)
        if plan.fresh is None:
            self._published(run, plan, starts, drawn)
        else:
            self._planned(run, plan, plan.fresh, starts, drawn)

    def _planned(
        self, run: Run, plan: OPROPlan, planned: Fresh, starts: Sequence[Prompt], drawn: Sequence[Example]
    ) -> None:
        """Small steps on fresh examples; the history is of those that went on."""
        search = GenerationalSelection(run, drawn, planned, 30 if self.stop.idle is None else self.stop.idle)
        known = {wording(run.task, prompt, key) for prompt in starts}
        went_on: list[Prompt] = list(starts)
        # A start that stands alone has nobody to be held against, and is seen with the first instructions.
        elite = search.survivors([run.initial], starts[1:]) if len(starts) > 1 else [run.initial]
        stale = step = 0
        while search.open and stale != self.stop.patience:
            worth = run.worths(drawn)
            history = {prompt: worth[prompt] for prompt in went_on}
            shown = telling(run, history, self.show.threshold, plan.memory)
            meta = self._meta(run, history, shown, drawn)
            fresh = self._propose(run, plan, meta, step, shown, known)
            before, elite = elite, search.survivors(elite, fresh)
            stale = stale + 1 if elite[0] in before else 0
            # Of equals the newest stand last in the history; a new beginning forgets it.
            older = [] if search.begun_again else [prompt for prompt in went_on if prompt not in elite]
            went_on = [*older, *reversed(elite)]
            step += 1

    def _published(self, run: Run, plan: OPROPlan, starts: Sequence[Prompt], drawn: Sequence[Example]) -> None:
        """The paper's loop: every instruction on the same examples, the best of all in the history."""
        held, scored = self._split(run, drawn)
        run.rank_by(drawn)
        history = run.evaluate(starts, scored).means()
        run.evaluate(starts, held)
        # The code forgets its seeds: one that is written again is scored again, and shown twice.
        known = {wording(run.task, prompt, key) for prompt in starts}
        idle = stale = 0
        for step in range(plan.rounds):
            shown = telling(run, history, self.show.threshold, plan.memory)
            meta = self._meta(run, history, shown, scored)
            fresh = self._propose(run, plan, meta, step, shown, known)
            before = max(history.values())
            history |= run.evaluate(fresh, scored).means()
            idle = 0 if fresh else idle + 1
            stale = 0 if max(history.values()) > before else stale + 1
            ended = step + 1 == plan.rounds or idle == self.stop.idle or stale == self.stop.patience
            best = best_last(history, plan.memory)
            if step % self.validation.every == 0 or ended:
                # Those that were among the best before cost nothing here.
                run.evaluate(best, held)
            pool = dict.fromkeys([*shown, *fresh])
            run.record([Estimate(prompt, history[prompt], len(scored)) for prompt in pool], best[::-1])
            if ended:
                break

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a whole search over `train` training examples, without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a whole search in that room; replies without tags are asked for twice."""
        plan = self.plan(room)
        if plan.fresh is not None:
            calls = 2 * plan.fresh.bound * plan.breadth
            return UpperBounds(plan.fresh.evaluations, calls, calls * self.propose.sampling.max_tokens)
        held = self._held(plan.examples)
        prompts = 1 + len(self.seeds) + plan.rounds * plan.breadth
        # One more for the last step, whatever its number.
        looks = len(range(0, plan.rounds, self.validation.every)) + 1
        validated = min(prompts, 1 + len(self.seeds) + looks * plan.memory)
        calls = 2 * plan.rounds * plan.breadth
        evaluations = prompts * (plan.examples - held) + validated * held
        return UpperBounds(evaluations, calls, calls * self.propose.sampling.max_tokens)

    def _held(self, count: int) -> int:
        """How many of `count` examples are held out."""
        return math.ceil(self.validation.share * count) if count >= SPLIT_FROM else 0

    def _split(self, run: Run, drawn: Sequence[Example]) -> tuple[Sequence[Example], Sequence[Example]]:
        """The examples held out for the best, and those that every instruction is scored on."""
        count = self._held(len(drawn))
        if self.validation.share and not count:
            seen = counted(len(drawn), "example is", "examples are")
            run.warn(f"{seen} too few to hold some out; the share is used from {SPLIT_FROM} on")
        return drawn[:count], drawn[count:]

    def _meta(self, run: Run, history: Trajectory, shown: Sequence[Prompt], scored: Sequence[Example]) -> str:
        """The request for one new instruction; its exemplars are of those that all are `scored` on."""
        task, editable = run.task, run.task.editable
        inputs = inputs_inside(run)
        examples = exemplars(run, self.show.choice, self.show.exemplars, shown, list(history), scored)
        whole = whole_points({prompt: history[prompt] for prompt in shown}, in_unit(history))
        # The score alone tells better from worse: the proposer is never shown why (paper).
        entries = [f"text:\n{prompt[editable]}\nscore:\n{whole[prompt]}" for prompt in shown]
        blocks = [block(HISTORY_HEAD, entries)]
        if examples:
            blocks.append(block(EXEMPLARS, [show_place(run, example) for example in examples]))
        # The examples show what stands beside the instruction; without them it is told.
        told = Prompt(((editable, ""),)) if examples else run.initial
        return META.render(
            {
                "where": WHERE if examples else "",
                "task": show_task(task, told),
                "evidence": "".join(blocks if self.show.order == "history-first" else blocks[::-1]),
                "keep": KEEP_PLACES.replace("{places}", ", ".join(f"{{{name}}}" for name in inputs)) if inputs else "",
            }
        )

    def _propose(
        self, run: Run, plan: OPROPlan, meta: str, step: int, shown: Sequence[Prompt], known: set[str]
    ) -> list[Prompt]:
        """New instructions that can be used and were never read before; whatever is read is `known` from then on."""
        propose, start = self.propose, run.initial[run.task.editable]
        first, last = propose.sampling.temperature, propose.end_temperature
        # a + (b - a) t / steps (code).
        temperature = first if last is None else first + (last - first) * min(1.0, step / plan.rounds)
        sampling = replace(propose.sampling, temperature=temperature)
        found = list[Proposal]()
        sampling = sized(sampling, run.count_tokens(start))
        # Independent samples of one request (paper): equal requests are counted draws.
        for text in ask_whole(run, [meta] * plan.breadth, TAG, sampling, _WHO, parents=[start] * plan.breadth):
            if text is None:
                continue
            polished = polish(tidy(text, start))
            prompt = run.base.replace(run.task.editable, polished)
            why = self._why_not(run, prompt, start, known)
            # Whether of use or not: written again, it would be refused for the same reason.
            known.add(wording(run.task, prompt, key))
            if why is not None:
                run.reject(f"{_WHO}: {why}")
            else:
                # The best of those shown comes first: its line is the one that worth is handed down.
                found.append(Proposal(prompt, tuple(reversed(shown)), _WHO, f"step {step}, shown {len(shown)}"))
        return run.admit(found)

    def _why_not(self, run: Run, prompt: Prompt, start: str, known: Collection[str]) -> str | None:
        """Why a text is no new instruction, in a few words; None where it is one."""
        text = prompt[run.task.editable]
        if not key(text):
            return "empty"
        if wording(run.task, prompt, key) in known:
            return "seen before"
        if self.propose.digits == "refused" and re.search(r"\d", text):
            return "holds a digit"
        # Characters, as in the code.
        most = edit_limit(start, self.propose.longest, len)
        own, labels = texts_beside_prompt(run.task, run.initial), run.task.labels
        return unusable(text, start, most=most, tags=TAGS, count_tokens=len, form=FORM, own=own, labels=labels)
