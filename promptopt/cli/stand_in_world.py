"""The world of a dry run's stand-ins: what is right, how often a prompt gets it, and of what words it is made."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Request, texts_sent, tool_names

GROWTH = 8
"""Clauses that prompts grow by before more of them do harm. Ours: between the arena's proposer and terse ones."""
CROWDING = 0.03
"""What each clause beyond that costs. Ours, as in the arena: three words of one hundredth each."""
DEMO, DEMOS = 0.02, 2
"""What an example shown is worth, and how many of them are. Ours, as in the arena."""
STUBBORN = 0.12
"""Of how many examples no prompt helps. Ours: else a search of few finds one that gets all right, and is at its end."""
VERBS = ("Check", "Weigh", "Note", "Name", "Mind", "State", "Find", "Keep")
# Words of a token each with what stands around them, as prose has it: a longer one would cost less than it reads.
_GOOD, _IDLE = ("facts", "order", "cause", "scope", "tone"), ("dates", "names", "parts", "style", "place")
"""What helps, and what hurts a little: were all of it good, a longer prompt would always be a better one."""
ADDED_WORDS = (*_GOOD, *_IDLE)
"""What stands behind a verb of `VERBS` in the clauses that a proposer adds."""
_DSPY_FIELD = re.compile(r"`\[\[ ## (\w+) ## \]\]`")
"""A field that DSPy asks a model for, in the form of its `ChatAdapter`."""
_COMPLETED = "completed"
"""What DSPy has a reply end in."""
_WORKING = "This follows from what is asked, step by step: first what it is about, then what that means for the answer."
"""What stands in every field but the last, as the reasoning of a `ChainOfThought` does. Ours: about its length."""
WORD = re.compile(r"\w+")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")


def flat(content: Content) -> str:
    """All that is read, as one text."""
    return content if isinstance(content, str) else "\n\n".join(message.content for message in content)


def read_in(content: Content) -> str:
    """As `flat`, with all else that is charged for: calls, and the schemas of tools."""
    return "\n\n".join(texts_sent(content))


def _last_input(example: Example) -> str:
    """What comes last of an example in what is read."""
    return example.messages[-1].content if example.messages else example.fields[-1][1]


def in_fields(text: str, said: str) -> str:
    """The reply, in the fields that a request of DSPy's asks for: a program reads no other. Else as it is."""
    fields = [name for name in dict.fromkeys(_DSPY_FIELD.findall(text)) if name != _COMPLETED]
    values = [_WORKING] * (len(fields) - 1) + [said]
    told = [f"[[ ## {name} ## ]]\n{value}" for name, value in zip(fields, values, strict=False)]
    return "\n\n".join([*told, f"[[ ## {_COMPLETED} ## ]]"]) if fields else said


def room(start: str) -> int:
    """Clauses that a prompt grows by: fewer the more sentences the start has, and half of `GROWTH` at least."""
    return max(GROWTH // 2, GROWTH + 1 - len(SENTENCE.findall(start)))


@dataclass(frozen=True, slots=True)
class Climate:
    """How much prompts differ: what a good word gains, what a lost one costs, and how alike prompts are right.

    `loss`: of most words of the start; of the others, and of all where it is below 0, losing one gains a little.
    `common`: of how many examples how hard they are is the same for all prompts. `brevity`: where it is above 0, a
    prompt is worth what it leaves out, and nothing else: that loses so much by each e-fold of its words.
    """

    gain: float
    loss: float
    common: float
    brevity: float = 0.0


STEADY, LOOSE = Climate(0.08, 0.12, 0.8), Climate(0.05, -0.02, 0.2)
"""Two ends of what tasks are like: every word counts and prompts agree, or few do and luck decides. Ours."""
NOTHING_HELPS = Climate(0.0, 0.0, 0.8, brevity=0.12)
"""Where nothing that a prompt says is of use: what only cuts is soon done. Ours."""
NEEDED = 0.6
"""Of the words of a start, the share that `Climate.loss` is of. Ours."""
RID = 0.2
"""What cuts can gain in all. Ours: else a long start would be best cut to nothing."""


class World:
    """What is right, and how often a prompt gets it: a landscape that additions climb, and some cuts too."""

    def __init__(self, task: Task, climate: Climate = STEADY, *, judged: bool = False) -> None:
        """`judged`: replies are read by a judge, and hardly one is as another."""
        self._judged, self._climate = judged, climate
        self._calls = any(example.results for split in (task.train, task.dev, task.test) for example in split)
        splits = (task.train, task.dev, task.test)
        self.known = {_last_input(example): example.target for split in splits for example in split}
        self.targets = sorted(set(self.known.values()))
        content, _ = task.render(task.initial, task.train[0])
        # What stands before the input: the words of the start, whose loss costs a prompt something.
        self._start = set(WORD.findall(flat(content).partition(_last_input(task.train[0]))[0]))
        self._most = room(task.initial[task.editable])
        self._worth: dict[str, float] = {}

    def asked(self, text: str) -> tuple[str, float]:
        """The right answer to what `text` asks, and by how much the prompt is better than the example is hard."""
        value, share = self._read(text)
        # As in `answer`: by the example, or prompts that are worth the same would never differ.
        return self.known.get(value, ""), share - self._hardness(value, text)

    def _read(self, text: str) -> tuple[str, float]:
        """The input that `text` asks about, and how likely a right answer is. It comes last, after demonstrations."""
        place, value = max(((text.rfind(value), value) for value in self.known), default=(-1, ""))
        return value if place >= 0 else "", self._share(text[: max(0, place)])

    def answer(self, request: Request) -> str:
        """Right in that share of all examples, most of them the same for all prompts."""
        text = flat(request.content)
        if self._calls and not isinstance(request.content, str) and request.content[-1].role == "user":
            # In a conversation with a played user a tool is called in each turn.
            names = tool_names(request.content[0].tools)
            return f'<tool_call>{{"name": "{names[0]}", "arguments": {{}}}}</tool_call>' if names else "A reply."
        if self._judged:
            return f"A reply of some words, number {random.Random(text).randrange(10**6)}."
        value, share = self._read(text)
        target = self.known.get(value, "")
        hard = self._hardness(value, text)
        others = [each for each in self.targets if each != target]
        said = (
            target if (target and hard < share) or not others else random.Random(f"{text}{request.seed}").choice(others)
        )
        return in_fields(text, said if said else f"A reply of some words, number {int(1000 * hard)}.")

    def _hardness(self, value: str, text: str) -> float:
        """By the example, wherever it stands; by the whole request for those on which prompts differ by luck."""
        if not value:
            return random.Random(text[-40:]).random()
        own = random.Random(value)
        # Drawn first, so that it is the same examples whatever the prompt.
        if own.random() < STUBBORN:
            return 1.0
        return own.random() if own.random() < self._climate.common else random.Random(text).random()

    def _share(self, head: str) -> float:
        # The same prompt stands before every example.
        if head not in self._worth:
            climate, found = self._climate, WORD.findall(head)
            there = set(found)
            # By the word alone: a cut hurts in every prompt alike. Sorted, as a set has no order between processes.
            lost = [
                climate.loss if random.Random(word).random() < NEEDED else -0.02 for word in sorted(self._start - there)
            ]
            gained = climate.gain * sum(word in there for word in _GOOD) - 0.02 * sum(word in there for word in _IDLE)
            gained += DEMO * min(DEMOS, sum(value in head for value in self.known))
            gained -= CROWDING * max(0, sum(word in ADDED_WORDS for word in found) - self._most)
            # Never right on none or on all: a search would end for want of anything to learn from.
            worth = 0.5 + gained - max(-RID, sum(lost)) + 0.04 * random.Random(head).random()
            brief = 1.0 - climate.brevity * math.log1p(len(found))
            self._worth[head] = min(0.9, max(0.1, brief if climate.brevity else worth))
        return self._worth[head]
