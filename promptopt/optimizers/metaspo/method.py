"""MetaSPO: a system prompt for several tasks and user prompts for it, improved in turn.

Source   Choi, Baek, Hwang 2025, System Prompt Optimization with Meta-Learning, arXiv:2505.09666, and its code.
Parts    Of several tasks: the system prompt, and the user prompt of each task, which its own examples alone show. Of
         one task the first editable part is the system prompt, each other one a user prompt.
Inner    loop, for each user prompt: c_u times failures of the best one are analysed and it is rewritten (two calls);
         the k best stay, their parents among them.
Outer    loop: c_s times, always from the incumbent, failures of each task are pooled, analysed, and the system prompt
         is rewritten (two calls; the failures are not repeated, so that they do not get in); each new one is scored
         with every user prompt that stayed, and takes the incumbent's place on a strictly higher mean.
Modes    without user prompts every round is an outer loop, and there are twice as many; where the system prompt stays
         (adaptation at test time) every round is an inner loop, from each user prompt that stayed.
Cost     n evaluations of its task for each user prompt, n * (user prompts kept) of each task for each system prompt, n
         of each task for the best ones together; 2 (c_u parts + c_s) calls of the proposer a round.
Departs  a reply without tags is asked for once more, and what cannot be used is dropped, where the code takes the
         error's text for a prompt; of two blocks the last counts, for models draft first; means are over tasks, not
         over prompts; without failures nothing is asked, and a round of that kind is the last; a request shows the
         prompts once and not again with every failure; one draw of training examples is used by all rounds, as in the
         code, but the final choice is on dev.
Left out the paper's two other writers, from pairs of input and output and by evolution, which it found worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from promptopt.arguments import told
from promptopt.errors import BudgetSpent, ConfigError
from promptopt.optimizers.metaspo.search import SystemPromptSearch
from promptopt.optimizers.metaspo.settings import OnTaskError
from promptopt.protocols import Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import SPARE, Preset
from promptopt.tasks.parts import with_user_prompts
from promptopt.text import counted
from promptopt.types import Room, Sampling, UpperBounds

SAMPLING = Sampling(temperature=1.0, max_tokens=1024)
PAPER_ROUNDS, PAPER_USERS, PAPER_SYSTEMS, PAPER_EXAMPLES = 3, 3, 9, 50
"""I, c_u, c_s and n of the paper."""
OUTER_ROUNDS, ADAPTING_ROUNDS = 2 * PAPER_ROUNDS, 1 + 6
"""Rounds of the code's other two modes: the outer loop alone; and adaptation, one from the start and six from all."""
BUDGET_EXAMPLES, FEWEST_ROUND = 40, 8
"""Examples of all tasks under a budget, at most and at least; of several tasks 4 each at least. Ours."""


@dataclass(frozen=True, slots=True)
class MetaSPOPlan:
    """Concrete numbers: rounds, new user prompts of each part and new system prompts in one; examples of all tasks."""

    rounds: int
    users: int
    systems: int
    examples: int

    def describe(self) -> str:
        """Half a sentence."""
        users = f"{counted(self.users, 'user prompt')} of each part" if self.users else ""
        systems = counted(self.systems, "system prompt") if self.systems else ""
        each = " and ".join(said for said in (users, systems) if said)
        return f"{counted(self.rounds, 'round')} of {each}, on {counted(self.examples, 'example')}"


@told
@dataclass(frozen=True, slots=True)
class MetaSPO:
    """System and user prompts are analysed by their failures and rewritten, in two loops."""

    name: ClassVar[str] = "metaspo"

    preset: Preset = "budget"
    """What fills in the settings that are not given."""
    rounds: int | None = None
    """Rounds. None: by the budget; without one the paper's I = 3, 2 I of the outer loop alone, 7 of adaptation."""
    users: int = PAPER_USERS
    """c_u, rewrites of a user prompt in a round; the paper's."""
    systems: int | None = None
    """c_s, rewrites of the system prompt in a round. None: 4 under a budget (ours), 9 without one (the paper's)."""
    kept: int = 3
    """k, user prompts that stay of each part; the paper's."""
    examples: int | None = None
    """n, training examples of each task. None: by the budget 40 of all together at most (ours), 50 without one."""
    user_failures: int = 3
    """Shown where a user prompt is analysed; the paper's."""
    system_failures: int = 2
    """Of each task, shown where the system prompt is analysed; the paper's."""
    frozen_system: bool = False
    """Adapt to a task: keep the system prompt, improve the user prompts alone (the paper's test-time adaptation)."""
    outer_only: bool = False
    """Keep the user prompts of several tasks, improve the system prompt alone (the paper's ablation)."""
    on_task_error: OnTaskError = "stop"
    """What follows where a task's metric fails. `skip_task`: a loop compares prompts on the others alone. Ours."""
    longest: int = 800
    """Tokens a text may have; one that is longer already may grow by a quarter. Ours."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked: the paper's temperature."""

    def __post_init__(self) -> None:
        counts = ("rounds", "users", "systems", "kept", "examples", "user_failures", "system_failures", "longest")
        within(self, **dict.fromkeys(counts, (1, math.inf)))
        if self.frozen_system and self.outer_only:
            raise ConfigError("frozen_system keeps the system prompt and outer_only all others; set one of them")

    def recast(self, task: Task) -> Task:
        """Several tasks with their user prompts as parts to be edited; any other task as it is."""
        return task if self.outer_only else with_user_prompts(task)

    def plan(self, room: Room) -> MetaSPOPlan:
        """By the budget where there is one."""
        cells = None if self.preset == "paper" else room.cells()
        most = (PAPER_SYSTEMS if cells is None else 4) if self.systems is None else self.systems
        users, systems = self.users if self._parts(room) else 0, 0 if self._adapts(room) else most
        if self.examples is not None or cells is None:
            # n is of each task, and the plan speaks of all of them together.
            examples = (PAPER_EXAMPLES if self.examples is None else self.examples) * room.tasks
        else:
            examples = BUDGET_EXAMPLES
        examples = min(examples, room.train)
        if cells is None:
            usual = ADAPTING_ROUNDS if not systems else PAPER_ROUNDS if users else OUTER_ROUNDS
            return MetaSPOPlan(usual if self.rounds is None else self.rounds, users, systems, examples)
        each = self._round(room, users, systems)
        fewest = max(FEWEST_ROUND, FEWEST_ROUND * room.tasks // 2)
        # Halved until the start and two rounds can be paid: the second is the first that builds on what was found.
        while self.examples is None and examples > fewest and cells < examples * (1 + 2 * each):
            examples = max(fewest, examples // 2)
        afforded = max(1, int((cells - examples) / (examples * each)))
        return MetaSPOPlan(afforded if self.rounds is None else self.rounds, users, systems, examples)

    def _most_rounds(self, room: Room) -> int:
        """Rounds at most: further ones under a budget, where texts were dropped or are equal. What is set stays."""
        by_budget = self.preset == "budget" and room.cells() is not None
        return self.plan(room).rounds * (SPARE if by_budget and self.rounds is None else 1)

    def _parts(self, room: Room) -> int:
        """The user prompts there are: all editable parts but the system prompt, which may be no editable one."""
        if room.users == room.parts:
            return room.parts
        return max(1, room.parts - 1) if self.frozen_system else room.parts - 1

    def _adapts(self, room: Room) -> bool:
        """Whether the system prompt stays: by the setting, or as none of the editable parts is one."""
        return self.frozen_system or room.users == room.parts

    def _round(self, room: Room, users: int, systems: int) -> float:
        """What a round takes, in evaluations of all examples: each task scores its own user prompts alone."""
        parts = self._parts(room) / room.tasks
        others = min(self.kept, 1 + users) - 1
        # Where the system prompt stays, every prompt that stayed is a parent.
        inner = parts * users * (1 if systems else self.kept)
        return inner + systems * (1 + parts * others) + (1 if parts and room.tasks > 1 else 0)

    def least(self, room: Room) -> int:
        """The start, and one round of the outer loop or, where the system prompt stays, of the inner one."""
        plan = self.plan(room)
        return plan.examples * (1 + (plan.systems if plan.systems else plan.users))

    def optimize(self, run: Run) -> None:
        """Search until the rounds are done or nothing fails any more."""
        plan = self.plan(run.room)
        search = SystemPromptSearch(self, run, plan)
        try:
            for number in range(self._most_rounds(run.room)):
                left = run.evaluations_left()
                if number >= plan.rounds and left is not None and left < plan.examples:
                    break
                failed = search.inner() if search.users else False
                if search.system is not None:
                    # Not `or`: the system prompt is improved whatever the user prompts came to.
                    failed |= search.outer(further=number >= plan.rounds)
                search.record()
                if not failed:
                    # Nothing was asked, so the next round would be this one again.
                    run.warn(
                        "every training example that the search compares prompts on is answered right, so there was "
                        "nothing to learn from and the search ended; allow more evaluations, or set examples"
                    )
                    break
        except BudgetSpent:
            # What was finished of a round takes part in the final choice.
            search.rank()
            raise

    def upper_bounds(self, train: int) -> UpperBounds:
        """Without a budget, for one user prompt beside the system prompt."""
        return self.upper_bounds_in(Room.uncapped(train, parts=2))

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """In that room."""
        plan = self.plan(room)
        rounds, most = self._most_rounds(room), room.cells()
        cells = math.ceil(plan.examples * (1 + rounds * self._round(room, plan.users, plan.systems)))
        cells = cells if most is None else min(cells, most)
        # Analysis and rewrite, each asked for once more where it comes without tags.
        written = self._parts(room) * plan.users * (1 if plan.systems else self.kept) + plan.systems
        asked = 4 * rounds * written
        return UpperBounds(cells, asked, asked * self.sampling.max_tokens)
