"""SIMBA: several runs on each input; where they differ, the good one becomes a demonstration, or both a rule.

Source   `dspy.SIMBA` of DSPy 3.4.1 (code only, no paper): stochastic introspective mini-batch ascent.
Calls    a step: n b draws of the task model at temperature 1, and b for each of up to n + 1 candidates; one call of the
         proposer for each candidate that is a rule. In the end up to n + 1 winners on V examples each.
Scales   with S evaluations: n is 3 below 1,000 and 6 above, b so that there are eight steps, 32 at most; then more
         steps, until S is spent, the last ones smaller; V = S / 10 for all winners together. 500 are eight steps of 3
         runs on 6 examples. Below 36: steps of two runs, and no V. No cap, or `preset=paper`: the code's constants.
Departs  a strategy that declines makes no candidate, and a step without any is idle (code: a copy, which is scored);
         the start has the mean of its own runs (code: 0 for ever); draws are new in every step; winners are scored on
         examples that no step saw (code: on all of train, those of the steps among them); demonstrations belong to the
         whole prompt, and show what went in and what came out; advice comes in tags, and advice that quotes the
         input, or makes the text too long, is dropped and counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.operators.bootstrapping import teacher_of
from promptopt.operators.cells_left import require_cells
from promptopt.operators.demos import fitting, shows_demos, trimmed_reply
from promptopt.operators.drafts import edit_limit, texts_beside_prompt, unusable
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import show_task
from promptopt.operators.replies import tidy, unthought
from promptopt.operators.suggestions import suggestions
from promptopt.optimizers.simba.contrast import Bucket, buckets, dropped, percentile, positions, softmax_draw
from promptopt.optimizers.simba.plan import MINIBATCH, SMALLEST, SIMBAPlan, rounds_plan
from promptopt.optimizers.simba.requests import ADVICE, FORM, show_input, show_run, show_texts
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import SPARE, Preset
from promptopt.tasks.parts import editables_of, focused
from promptopt.types import Estimate, Example, Message, Prompt, Proposal, Room, Sampling, Score, UpperBounds

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
DRY = 3
"""Steps in a row without a candidate that end the search, where they had a `MINIBATCH` of the code together. Ours."""


@told
@dataclass(frozen=True, slots=True)
class SIMBA:
    """Rules and demonstrations from the contrast of runs."""

    name: ClassVar[str] = "simba"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    rounds: int | None = None
    """Steps. None: until the budget is spent; code: 8."""
    minibatch: int | None = None
    """b, examples of a step. None: by the budget; code: 32."""
    candidates: int | None = None
    """n, runs of each example, and one less than the candidates of a step. None: by the budget; code: 6."""
    demos: int = 4
    """m, about as many demonstrations as a prompt keeps; 0: rules alone. Code."""
    sharpness: float = 0.2
    """The temperature of the softmax by which programs are drawn. Code."""
    heat: float = 1.0
    """The temperature of the runs. Code."""
    longest: int = 800
    """Tokens that a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked. Ours."""

    def __post_init__(self) -> None:
        within(self, rounds=(0, math.inf), minibatch=(1, math.inf), candidates=(1, math.inf), demos=(0, math.inf))
        within(self, sharpness=(1e-3, math.inf), heat=(0.0, 2.0), longest=(1, math.inf))

    def plan(self, room: Room) -> SIMBAPlan:
        """By the budget where there is one, else by the code's numbers."""
        return rounds_plan(room, self.rounds, self.minibatch, self.candidates, by_budget=self.preset == "budget")

    def least(self, room: Room) -> int:
        """Three steps, and the end."""
        cells = room.cells()
        # Not by the smaller steps of what is too little: allowing as much as those take would bring larger ones.
        plan = self.plan(room if cells is None or cells >= SMALLEST else Room(SMALLEST, None, 1, room.train, room.dev))
        return 3 * (2 * plan.candidates + 1) * plan.minibatch + (plan.candidates + 1) * plan.held

    def optimize(self, run: Run) -> None:
        """Search, from the task's start prompt, on training examples only."""
        plan = self.plan(run.room)
        drawn = run.rng("split").sample(run.train, len(run.train))
        held, rest = drawn[: plan.held], drawn[plan.held :]
        order = list[Example]()
        quotes = Quotes(rest, run.task.labels, run.initial)
        most = self.demos if shows_demos(run.task) else 0
        means: dict[Prompt, float] = {}
        winners, idle = [run.initial], 0
        # Most steps take less than they may: by its budget the search goes on while that pays for more.
        for number in range(self._most_steps(run.room)):
            size = self._size(run, plan, len(rest), len(winners))
            if not size:
                break
            # What is left of an epoch and fills no step is left out.
            if len(order) < size:
                order = run.rng("order").sample(rest, len(rest))
            batch, order = order[:size], order[size:]
            runs = self._runs(run, plan, batch, means, number)
            if run.initial not in means:
                # Without the teacher's: the mean is what the start makes of the task model.
                skipped = int(teacher_of(run) == "teacher" and plan.candidates > 1)
                own = [score.value for scores in runs for score in scores[skipped:]]
                means[run.initial] = math.fsum(own) / len(own)
            made = self._candidates(run, plan, buckets(batch, runs), means, quotes, most)
            scored = run.evaluate(made, batch).means() if made else {}
            means |= scored
            idle = 0 if made else idle + 1
            if scored:
                # Though each was scored on other examples: the end compares them all on the same.
                winners.append(max(scored, key=scored.__getitem__))
            known = [Estimate(prompt, mean, size) for prompt, mean in scored.items()]
            run.record([*known, Estimate(run.initial, means[run.initial], size)], [winners[-1]])
            # A few small steps without one are luck.
            if idle >= DRY and idle * size >= MINIBATCH:
                run.warn(f"the runs on one input did not differ in {idle} steps in a row, so the search ended early")
                break
        self._end(run, plan, winners, held)

    def _by_budget(self, room: Room) -> bool:
        return self.preset == "budget" and room.cells() is not None

    def _most_steps(self, room: Room) -> int:
        rounds = self.plan(room).rounds
        # A single step without a candidate leaves more than half of what it may take.
        return SPARE * max(rounds, 2) if self._by_budget(room) and self.rounds is None else rounds

    def _size(self, run: Run, plan: SIMBAPlan, examples: int, winners: int) -> int:
        """Examples of the next step; 0 where the budget pays for none beside the end."""
        size, left = min(plan.minibatch, examples), run.evaluations_left()
        if left is None:
            return size
        by_budget = self._by_budget(run.room)
        # By the budget as many as there can be by then.
        offered = min(winners, plan.candidates) + 1 if by_budget else plan.candidates + 1
        # Set aside from the first: winners can only be compared on what all of them were scored on.
        beside = left - offered * plan.held
        if plan.takes(size) <= beside:
            return size
        # With a larger budget the step would be a whole one.
        run.follow_budget()
        if not by_budget or self.minibatch is not None:
            return 0
        return next((less for less in range(size - 1, plan.fewest - 1, -1) if plan.takes(less) <= beside), 0)

    def _runs(
        self, run: Run, plan: SIMBAPlan, batch: Sequence[Example], means: dict[Prompt, float], number: int
    ) -> list[list[Score]]:
        """For each example n runs of programs drawn by their means, at a temperature, no draw made twice."""
        view = sorted(means, key=lambda prompt: -means[prompt])[: plan.candidates] if means else [run.initial]
        # The start may be drawn in every step (code).
        if run.initial not in view:
            view = [*view[: plan.candidates - 1], run.initial]
        # Before its first runs the start has no mean, and is alone.
        rng, worth = run.rng("runs"), [means.get(prompt, 0.0) for prompt in view]
        require_cells(run, plan.candidates * len(batch), "another step")
        found: list[list[Score]] = [[] for _ in batch]
        role = teacher_of(run)
        heat = self.heat if role == "task" else None
        for model in range(plan.candidates):
            drawn = [view[softmax_draw(rng, worth, self.sharpness)] for _ in batch]
            # Programs that were drawn together run together: an engine has few batches instead of many.
            for prompt in dict.fromkeys(drawn):
                places = [place for place, own in enumerate(drawn) if own == prompt]
                # 0 and 1 are the draws of the search's own scores and of the final choice.
                draw = number * plan.candidates + model + 2
                asked = [batch[place] for place in places]
                scores = run.rescore(prompt, asked, self.heat if model else heat, draw, role if model == 0 else "task")
                for place, score in zip(places, scores, strict=True):
                    found[place].append(score)
        return found

    def _candidates(
        self,
        run: Run,
        plan: SIMBAPlan,
        found: Sequence[Bucket],
        means: dict[Prompt, float],
        quotes: Quotes,
        most: int,
    ) -> list[Prompt]:
        """Up to n + 1 new prompts, from the examples whose runs differ most on."""
        values = [score.value for bucket in found for score in bucket.runs]
        low, high = percentile(values, 0.1), percentile(values, 0.9)
        rng, made = run.rng("candidates"), dict[Prompt, None]()
        view = sorted(means, key=lambda prompt: -means[prompt])[: plan.candidates]
        if run.initial not in view:
            view = [*view[: plan.candidates - 1], run.initial]
        for bucket in found:
            if len(made) > plan.candidates:
                break
            source = view[softmax_draw(rng, [means[prompt] for prompt in view], self.sharpness)]
            # Some go before one may come (code), or a prompt would fill up with them.
            thinned = source.with_demos(dropped(rng, source.demos, most)) if source.demos else source
            strategy = rng.choice(("demonstration", "rule")) if most else "rule"
            if strategy == "demonstration":
                prompt, note = self._with_demo(run, thinned, bucket, low), "demonstration"
            else:
                prompt, note = self._with_rule(run, thinned, bucket, low, high, quotes), "rule"
            # What an earlier step scored has its mean, by which it may be drawn.
            if prompt is not None and prompt not in means and run.admit([Proposal(prompt, (source,), note)]):
                made[prompt] = None
        return list(made)

    def _with_demo(self, run: Run, source: Prompt, bucket: Bucket, low: float) -> Prompt | None:
        """The source with the best run as one demonstration more; None where that is among the worst runs of all."""
        best = bucket.runs[0]
        if best.value <= low or not best.parsed or not trimmed_reply(best):
            return None
        demo = Example(bucket.example.fields, trimmed_reply(best))
        # A reply to an input that is shown already takes the place of the one before.
        kept = [each for each in source.demos if each.fields != demo.fields]
        return source.with_demos(fitting(run, source, [*kept, demo]))

    def _with_rule(
        self, run: Run, source: Prompt, bucket: Bucket, low: float, high: float, quotes: Quotes
    ) -> Prompt | None:
        """The source with advice below its texts; None where the runs show nothing, or nothing usable was written."""
        best, worst = bucket.runs[0], bucket.runs[-1]
        if best.value <= low or worst.value >= high:
            return None
        # No text had a part in what a program worked out by itself, so advice on one could change nothing.
        if not (best.asked or worst.asked):
            return None
        # No contrast: the runs are told of as bad ones. (In the code as good ones where they are above `high`; but then
        # the test before has ended it.)
        better = best if best.value > worst.value else None
        # A text that neither run used has no part in what sets them apart.
        used = {call.part: None for score in (best, worst) for call in score.trace}
        names = [part for part in editables_of(run.task) if not used or part in used]
        request = ADVICE.render(
            {
                "task": show_task(run.task, source),
                "texts": show_texts([(name, source[name]) for name in names]),
                "example": show_input(bucket.example),
                "better": show_run(better),
                "worse": show_run(worst),
                "names": ", ".join(names),
            }
        )
        for text in (request, f"{request}\n\nOnly write names and values, in the form shown."):
            [reply] = run.generate([(Message("user", text),)], self.sampling)
            advice = {} if reply.finish != "stop" else suggestions(unthought(reply, "name", "value").text, names)
            if advice:
                return self._advised(run, source, advice, names, quotes)
            run.reject("adviser: no advice" if reply.finish == "stop" else f"adviser: {reply.finish}")
        return None

    def _advised(
        self, run: Run, source: Prompt, advice: dict[str, object], names: Sequence[str], quotes: Quotes
    ) -> Prompt | None:
        prompt = source
        for name, value in advice.items():
            why, text = "unknown text", ""
            if name in names and isinstance(value, str):
                section = source[name]
                added = tidy(value, section)
                # Below the text, which stays: advice is added, and nothing is rewritten (code).
                text = f"{section}\n\n{added}" if section.strip() else added
                most = edit_limit(section, self.longest, run.count_tokens)
                own = texts_beside_prompt(focused(run.task, name), source)
                why = (
                    "empty"
                    if not added
                    else unusable(
                        text,
                        section,
                        most=most,
                        tags=("name", "value"),
                        count_tokens=run.count_tokens,
                        form=FORM,
                        own=own,
                    )
                )
                if why is None and quotes.new_in(text, section):
                    why = "quotes an example"
            if why is None:
                prompt = prompt.replace(name, text)
            else:
                run.reject(f"adviser: {why}")
        return None if prompt == source else prompt

    def _end(self, run: Run, plan: SIMBAPlan, winners: Sequence[Prompt], held: Sequence[Example]) -> None:
        """Winners spread over the steps, the start among them, on examples that no step saw; ties to the earlier."""
        if not held:
            return
        places = positions(len(winners) - 1, plan.candidates)
        chosen = list(dict.fromkeys(winners[place] for place in places))
        means = run.evaluate(chosen, held).means()
        order = sorted(means, key=lambda prompt: -means[prompt])
        # Steps have other examples each, so what was scored in them alone does not compare.
        run.rank_by(held, order, others=False)
        run.record([Estimate(prompt, means[prompt], len(held)) for prompt in order], order[:1])

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds on a search over `train` training examples without a cap; as in `upper_bounds_in`."""
        return self.upper_bounds_in(Room.uncapped(train))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds on a search in that room; replies off their form are asked for twice."""
        plan, cells, rounds = self.plan(room), room.cells(), self._most_steps(room)
        evaluations = rounds * (2 * plan.candidates + 1) * plan.minibatch + (plan.candidates + 1) * plan.held
        # An example whose advice is of no use makes way for the next.
        calls = 2 * rounds * plan.minibatch
        evaluations = evaluations if cells is None else min(cells, evaluations)
        return UpperBounds(evaluations, calls, calls * self.sampling.max_tokens)
