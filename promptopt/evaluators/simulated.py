"""Simulated users: a model plays the user of each scenario against the prompt, and the conversation is scored.

All conversations go on in lockstep, a turn at a time: the messages of all users are asked for as one batch, then the
replies of the task model. Every call goes through the run's door, so a conversation is metered, replayed and resumed
as any other cell is. Both prompts of a pair meet the same scenario, played greedily.

A failure of the one who plays is none of the prompt's: where it says nothing, twice, or a judge finds that the user did
not keep to the scenario, the conversation has no score, is left out of the pairs and counted.

Where tools are on offer, each reply that calls some is answered by what the scenario says that they give
(`evaluators.tools`), and the task model is asked again, as often in a turn as `calls` says.

Cost     at most two calls of the user's model a turn and one of the task model, one more for each reply that calls
         tools, and of the judge one for whether the user kept to the scenario (two where it cannot be read), beside
         those of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from promptopt.errors import BudgetSpent, ConfigError, CutShort
from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.judge_reply import answers_in
from promptopt.evaluators.judging import (
    DRAWN,
    FIRST_CELLS,
    MOST_UNREAD,
    OFF_SCALE,
    consult,
    options_of,
    said_in,
    unusable,
)
from promptopt.evaluators.panel import Panel
from promptopt.evaluators.persona import LOOP, SAMPLING, VERSION, loops, persona_request, utterance_in
from promptopt.evaluators.persona_check import check_request
from promptopt.evaluators.rubric import Rubric
from promptopt.evaluators.talk_figures import joined
from promptopt.evaluators.talks import Talk, assistant_said, replies_of, scenario_in, scene, so_far, unplayed
from promptopt.evaluators.tools import CALL_CHARACTERS, Answered, answered, heard
from promptopt.evaluators.weighted import Weighted
from promptopt.protocols import Ask, Role, Task
from promptopt.text import counted, shorten
from promptopt.types import HISTORY, Cell, Message, Reply, Request, Sampling, Score, transcript

TURNS = 4
"""Messages of the user at most, where nobody says."""
CALLS_A_TURN = 4
"""Replies of a turn that call tools at most, where nobody says: ours; who looks something up and acts on it needs 2."""
MOST_DRAWS = 20
"""Times that a scenario is played at most: each costs what the first does. Ours."""
APART = 100
"""Between the numbers of two draws of a scenario: as many repetitions of a cell find room there."""
COHORT = 64
"""Conversations that go on side by side: what a server is asked at once by default. Those before are scored already
where a limit cuts the next ones."""
METRIC = "metric"
DRIFTED = "the simulated user did not keep to the scenario"
"""How the feedback begins on a conversation that is left out for what its user said."""
FAILED = "the simulated user failed"
"""The same, where it could not be played to its end."""
UNSURE = "whether the simulated user kept to the scenario could not be read"
"""The same, where the judge did not say."""
_GRADERS: Mapping[str, Any] = {"rubric": Rubric, "checklist": Checklist, "panel": Panel, "weighted": Weighted}
_Grader = Rubric | Checklist | Panel | Weighted


def remedy(score: Score) -> str:
    """What to do where no example has a score, by what failed on one of them."""
    if score.judged:
        return "see that its targets fit the model's context, and that the model is whole"
    if score.feedback.startswith((FAILED, DRIFTED)):
        return "have another model play the users (--user-model), or correct the scenarios"
    if OFF_SCALE in score.feedback:
        return "give the rubric the scale that the judge goes by (low, high), or name another judge"
    return "name another judge, one that answers in the form it is asked for"


@dataclass(frozen=True, slots=True)
class Simulated:
    """The score of a whole conversation with a played user.

    `task`: its examples are scenarios (`tasks.reading.scenarios`). An assistant that says nothing in a turn ends the
    conversation at 0. Raises ConfigError where the conversation cannot be scored like this.
    """

    task: Task
    turns: int = TURNS
    """Messages of the user at most."""
    by: str = "rubric"
    """What scores the conversation: rubric, checklist, panel, weighted, or the task's metric, which is given what the
    assistant said in all turns, and the conversation as the example's messages."""
    user_model: str = ""
    """Who plays, where the run names nobody; empty: the proposer."""
    calls: int = CALLS_A_TURN
    """Replies of the assistant in one turn that call tools at most; one more ends the conversation at 0."""
    draws: int = 1
    """How often each scenario is played; a user who is played several times is sampled."""
    passes: float = 1.0
    """The score from which on a conversation has passed, where each scenario is played several times."""
    grader: _Grader | None = field(init=False, repr=False, compare=False)
    _left_out: dict[str, str] = field(default_factory=dict[str, str], init=False, repr=False, compare=False)
    _unfit: list[str] = field(default_factory=list[str], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ConfigError(f"a simulated user with {self.turns} turns says nothing; give 1 or more")
        if self.calls < 1:
            raise ConfigError(f"a turn with {self.calls} calls of tools gets no result of any; give 1 or more")
        if not 1 <= self.draws <= MOST_DRAWS or not 0.0 < self.passes <= 1.0:
            raise ConfigError(
                f"each scenario is played {self.draws} times and passes from {self.passes:g} on; give draws from 1 "
                f"to {MOST_DRAWS}, and passes above 0 and up to 1"
            )
        if self.by not in (*_GRADERS, METRIC):
            raise ConfigError(
                f"a simulated conversation cannot be scored by {self.by!r}; name one of {', '.join(_GRADERS)} under "
                f"[judge], or a metric and no [judge]"
            )
        made = _GRADERS[self.by].for_task(self.task) if self.by in _GRADERS else None
        object.__setattr__(self, "grader", made)

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what the task says of its simulation. Raises ConfigError for what does not fit together."""
        return cls(task, **options_of(task, "simulated"))

    @property
    def judges(self) -> tuple[Role, ...]:
        """Who says what a conversation is worth; nobody, where a metric does."""
        return () if self.grader is None else self.grader.judges

    @property
    def judge_calls(self) -> int:
        """Those of the score, and whether the user kept to the scenario."""
        return self.draws * (2 + (0 if self.grader is None else self.grader.judge_calls))

    @property
    def calls_per_cell(self) -> int:
        """Two of the user's model and one of the task model a turn, those after calls of tools, and the judge's."""
        return self.draws * (3 + (self.calls if self._offers else 0)) * self.turns + self.judge_calls

    @property
    def _sampling(self) -> Sampling:
        """How users are played: greedily once, and else drawn."""
        return SAMPLING if self.draws == 1 else replace(SAMPLING, temperature=DRAWN)

    @property
    def _offers(self) -> bool:
        """Whether there are tools."""
        return any(example.tools for split in (self.task.train, self.task.dev, self.task.test) for example in split)

    @property
    def questions(self) -> tuple[str, ...]:
        """What the judge goes by."""
        return () if self.grader is None else self.grader.questions

    def fingerprint(self) -> Mapping[str, Any]:
        """How the user is played, and what scores the conversation."""
        scored = Generation.for_task(self.task) if self.grader is None else self.grader
        # Only where there are tools: what was measured before there were any is the same measure still.
        tools = {"calls": self.calls} if self._offers else {}
        # What is played once is what it was before more could be.
        drawn = {"draws": self.draws} if self.draws > 1 else {}
        return {"evaluator": "simulated", "turns": self.turns, "played": VERSION, "by": dict(scored.fingerprint()),
                **tools, **drawn}  # fmt: skip

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises CutShort with what was scored where a limit cuts the batch.

        Raises ConfigError for examples that are no scenarios.
        """
        if any(HISTORY not in dict(cell.example.fields) for cell in cells):
            raise ConfigError(
                "a simulated user needs scenarios, and the task's examples are none; make them with "
                "promptopt.tasks.scenario(goal, …), or give the task file a [simulation]"
            )
        scores: list[Score] = []
        together = max(1, COHORT // self.draws)
        for begin in range(0, len(cells), together):
            talks = [unplayed(each) for cell in cells[begin : begin + together] for each in self._draws_of(cell)]
            try:
                found = self._played(talks, ask)
                rows = [found[at : at + self.draws] for at in range(0, len(found), self.draws)]
                scores += found if self.draws == 1 else [joined(row, self.passes) for row in rows]
            except BudgetSpent as spent:
                raise CutShort(str(spent), dict(enumerate(scores))) from spent
        return scores

    def _draws_of(self, cell: Cell) -> list[Cell]:
        """The cell as often as its scenario is played; what is drawn anew for a repetition lies far from a draw."""
        return [replace(cell, repetition=cell.repetition + APART * draw) for draw in range(self.draws)]

    def _played(self, talks: Sequence[Talk], ask: Ask) -> list[Score]:
        for _ in range(self.turns):
            self._hear([talk for talk in talks if not talk.over], ask)
            self._answer([talk for talk in talks if not talk.over], ask)
            # The user's last message still gets an answer.
            for talk in talks:
                talk.over = talk.over or talk.ends
        # Before the grade: what is left out needs none.
        self._check([talk for talk in talks if talk.score is None], ask)
        self._grade([talk for talk in talks if talk.score is None], ask)
        played = [(talk.cell.example.id, talk.score) for talk in talks if talk.score is not None]
        for scenario, score in played:
            self._watch(scenario, score, ask)
        return [score for _, score in played]

    def _hear(self, talks: Sequence[Talk], ask: Ask) -> None:
        """Every user's next message; asked for once more where there is none."""
        # A scenario with an opening has the user's first message already.
        waiting = [talk for talk in talks if not talk.messages or talk.messages[-1].role != "user"]
        for again in (False, True):
            requests = [
                persona_request(scenario_in(talk.cell), heard(talk.messages), again=again, sampling=self._sampling)
                for talk in waiting
            ]
            left: list[Talk] = []
            for talk, reply in zip(waiting, replies_of(waiting, requests, ask, "user"), strict=True):
                said = utterance_in(reply, talk.messages[-1].content if talk.messages else "")
                # Whoever ends before a word was said has not played.
                problem = said.problem if said.text or talk.messages or said.problem else "it ended before it began"
                if problem and again:
                    talk.settle(Score(0.0, parsed=False, feedback=f"{FAILED}: {problem}", judged=False))
                elif problem:
                    left.append(talk)
                else:
                    talk.messages += [Message("user", said.text)] if said.text else []
                    talk.ends, talk.over = said.ends, not said.text
            waiting = left

    def _answer(self, talks: Sequence[Talk], ask: Ask) -> None:
        """The task model's reply to every user; where it calls tools, once more after what they gave."""
        # Once more than tools may be called: the last time it has to answer.
        for called in range(self.calls + 1):
            requests: list[Request] = []
            for talk in talks:
                content, shared = self.task.render(talk.cell.prompt, so_far(talk))
                requests.append(Request(content, self.task.sampling, shared=shared))
            waiting: list[Talk] = []
            for talk, reply in zip(talks, replies_of(talks, requests, ask, "task"), strict=True):
                useless = unusable(reply)
                found = answered(talk.cell.example, reply, talk.called) if talk.cell.example.tools else None
                if useless is not None:
                    talk.settle(replace(useless, feedback=f"turn {talk.turn}: {useless.feedback}"))
                elif found is None:
                    talk.messages.append(Message("assistant", said_in(reply.written)))
                elif called == self.calls:
                    self._stop(talk, found, ask)
                else:
                    self._tell(talk, found, ask)
                    waiting.append(talk)
            talks = waiting

    def _tell(self, talk: Talk, found: Answered, ask: Ask) -> None:
        """Give the assistant what its tools say, and say once for each tool that the data has no result for it."""
        talk.problems += [f"turn {talk.turn}: {problem}" for problem in found.problems]
        talk.messages += found.messages
        for call in found.unfit:
            if call.name not in self._unfit:
                self._unfit.append(call.name)
                ask.warn(
                    f"the assistant called {shorten(call.written, CALL_CHARACTERS)}, and the scenario has no result "
                    f"for it, so it was told that there is none; write one, or one of {call.name} without `with` for "
                    f"all others"
                )

    def _stop(self, talk: Talk, found: Answered, ask: Ask) -> None:
        """End a conversation in which the assistant calls tools, and never answers."""
        talk.messages.append(found.messages[0])
        why = f"turn {talk.turn}: it called tools {counted(self.calls, 'time')}, called them again, and did not answer"
        talk.settle(Score(0.0, parsed=False, feedback="; ".join([why, *talk.problems])))
        ask.warn(
            f"the assistant called tools in more than {counted(self.calls, 'reply', 'replies')} of one turn, which "
            f"ends a conversation at 0; see what the results lack, or allow more ([simulation] calls)"
        )

    def _check(self, talks: Sequence[Talk], ask: Ask) -> None:
        """Leave out the conversations whose users did not keep to their scenario."""
        requests = [check_request(scenario_in(talk.cell), heard(talk.messages)) for talk in talks]
        words = consult(requests, lambda reply: answers_in(reply.text, 1), ask, "judge")
        for talk, word in zip(talks, words, strict=True):
            if word.read == [True]:
                continue
            why = f"{DRIFTED}: {word.reason}".removesuffix(": ")
            if word.read is None:
                why = f"{UNSURE}: {word.problem}"
            talk.settle(Score(0.0, parsed=False, feedback=why, judged=False))

    def _grade(self, talks: Sequence[Talk], ask: Ask) -> None:
        if self.grader is None:
            judge = Generation.for_task(self.task)
            scores = [
                judge.judge(replace(talk.cell, example=so_far(talk)), Reply(assistant_said(talk))) for talk in talks
            ]
        else:
            shown = [(scene(talk.cell.example), transcript(talk.messages)) for talk in talks]
            scores = self.grader.grade(shown, ask) if shown else []
        for talk, score in zip(talks, scores, strict=True):
            open_still = f"the user had not come to an end after {counted(self.turns, 'turn')}"
            again = f"the user said one thing {LOOP} times or more" if loops(heard(talk.messages)) else ""
            if again:
                ask.warn(
                    f"in a simulated conversation {again}, whatever was replied; have another model play the users"
                )
            said = [score.feedback, *talk.problems, again, "" if talk.ends or score.value >= 1.0 else open_still]
            talk.settle(replace(score, feedback="; ".join(each for each in said if each)))

    def _watch(self, scenario: str, score: Score, ask: Ask) -> None:
        """Say once, of the first scenarios, how many are left out for their users."""
        # Each once: a step plays one scenario under many prompts, and its user fails alike under all.
        if scenario in self._left_out or len(self._left_out) == FIRST_CELLS:
            return
        lost = not score.judged and score.feedback.startswith((DRIFTED, FAILED))
        self._left_out[scenario] = score.feedback if lost else ""
        failed = [why for why in self._left_out.values() if why]
        if len(self._left_out) == FIRST_CELLS and len(failed) > MOST_UNREAD * FIRST_CELLS:
            ask.warn(
                f"{len(failed)} of the first {FIRST_CELLS} simulated conversations are left out for what their users "
                f"said (such as: {failed[0]}); name another model with --user-model, or make the scenarios plainer"
            )
