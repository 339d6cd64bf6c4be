"""Stand-ins for a run's models, at once answering, by which a dry run finds out what a search will take."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from promptopt.models.tokens import estimate_tokens
from promptopt.tasks.task import Task
from promptopt.text import words
from promptopt.types import Content, Example, Likelihoods, Reply, Request, ScoreRequest, TokenLogProbs, tool_names

LONG_REPLY = 64
"""A cap on reply tokens from which on a model is taken to reason before it answers, and to use half of the cap."""
LONGEST_THOUGHT = 512
"""Tokens of that, at most: a cap of thousands is there to be safe, and is hardly ever used."""
REPEATS = 0.25
"""How often a proposer writes what it has read. Ours, by how often searches in the arena ask in vain."""
GROWTH = 8
"""Clauses that prompts grow by before more of them do harm. Ours: between the arena's proposer and terse ones."""
CROWDING = 0.03
"""What each clause beyond that costs. Ours, as in the arena: three words of one hundredth each."""
DEMO, DEMOS = 0.02, 2
"""What an example shown is worth, and how many of them are. Ours, as in the arena."""
WORDIER = 0.4
"""How often a phrase said otherwise has a clause more. Ours: as in the arena."""
STUBBORN = 0.12
"""Of how many examples no prompt helps. Ours: else a search of few finds one that gets all right, and is at its end."""
SHARPNESS = 6.0
"""How fast a label's probability moves with what a prompt is worth less how hard the example is. Ours, as in the
arena."""
LONGEST_PHRASE = 11
"""Words of a phrase said otherwise that was shorter. Ours: by what searches over phrases spend in the arena."""
_VERBS = ("Check", "Weigh", "Note", "Name", "Mind", "State", "Find", "Keep")
# Words of a token each with what stands around them, as prose has it: a longer one would cost less than it reads.
_GOOD, _IDLE = ("facts", "order", "cause", "scope", "tone"), ("dates", "names", "parts", "style", "place")
"""What helps, and what hurts a little: were all of it good, a longer prompt would always be a better one."""
_WORDS = (*_GOOD, *_IDLE)
_CLAUSE = re.compile(rf"\b(?:{'|'.join(_VERBS)}) the (?:{'|'.join(_WORDS)})\b")
_WORD = re.compile(r"\w+")
_END = re.compile(r"[.!?](?=\s|$)")
_SAME = re.compile(r"\bsame meaning\b")
_ADVICE = re.compile(r"\bdo not repeat the text\b")
_MERGE = re.compile(r"\bmerge two\b", re.IGNORECASE)
_TAG = re.compile(r"<\s*/?\s*([a-z_]+)\s*>", re.IGNORECASE)
_BLOCK = re.compile(r'"""\s*(.*?)\s*"""|^text:\n([^\n]+)$', re.DOTALL | re.MULTILINE)
_COUNT = re.compile(r"\b(\d{1,2})\s+(?:\w+\s+){0,2}?(?:ways|times|reasons|variants|variations|versions|paraphrases)\b")
_PHRASE = re.compile(r"\bphrase: ([^\n]+)", re.IGNORECASE)
_LIST = re.compile(r'\bJSON\b|\[\s*"')


@dataclass(slots=True)
class StandIn:
    """A model that answers by `answer`, and counts what it was asked."""

    name: str
    spec: str
    world: World
    answer: Callable[[Request], str]
    calls: int = 0
    read: int = 0
    written: int = 0
    scored: bool = True
    _known: dict[str, int] = field(default_factory=dict[str, int])

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Answer in order."""
        for index, request in enumerate(requests):
            if stopping():
                return
            text = self.answer(request)
            most = request.sampling.max_tokens
            # Only its length says that a model reasons before it answers.
            thought = min(LONGEST_THOUGHT, most // 2) if self.scored and most >= LONG_REPLY else 0
            used = min(most, self.count_tokens(text) + thought)
            read = self.count_tokens(flat(request.content))
            self._count(read, used)
            yield index, Reply(text, "stop", read, used, served=self.name)

    def can_score(self) -> bool:
        """Log-probabilities are made up as answers are."""
        return self.scored

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """A value a token, in order."""
        for index, request in enumerate(requests):
            if stopping():
                return
            text = flat(request.content)
            target, over = self.world.asked(text)
            found: list[TokenLogProbs] = []
            for each in request.continuations:
                pieces = each.split() or [each]
                total = -math.log1p(math.exp(-SHARPNESS * (over if each.strip() == target else -over)))
                found.append(TokenLogProbs(tuple(pieces), tuple(total / len(pieces) for _ in pieces)))
            read = self.count_tokens(text) + sum(self.count_tokens(each) for each in request.continuations)
            self._count(read, 0)
            yield index, Likelihoods(tuple(found), read, served=self.name)

    def count_tokens(self, text: str) -> int:
        """As near as can be told without the model."""
        # Prompts and inputs come again in every cell.
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = estimate_tokens(text, self.spec)
        return found

    def pieces(self, text: str) -> list[str]:
        """Words, which are about a token each."""
        return words(text)

    def _count(self, read: int, written: int) -> None:
        self.calls += 1
        self.read += read
        self.written += written


def flat(content: Content) -> str:
    """All that is read, as one text."""
    return content if isinstance(content, str) else "\n\n".join(message.content for message in content)


def _asked(example: Example) -> str:
    """What comes last of an example in what is read."""
    return example.messages[-1].content if example.messages else example.fields[-1][1]


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
IDLE = Climate(0.0, 0.0, 0.8, brevity=0.12)
"""Where nothing that a prompt says is of use: what only cuts is soon done. Ours."""
RID = 0.1
"""What cuts can gain in all. Ours: else a long start would be best cut to nothing."""


class World:
    """What is right, and how often a prompt gets it: a landscape that additions climb, and some cuts too."""

    def __init__(self, task: Task, climate: Climate = STEADY, *, judged: bool = False) -> None:
        """`judged`: replies are read by a judge, and hardly one is as another."""
        self._judged, self._climate = judged, climate
        self._calls = any(example.results for split in (task.train, task.dev, task.test) for example in split)
        splits = (task.train, task.dev, task.test)
        self.known = {_asked(example): example.target for split in splits for example in split}
        self.targets = sorted(set(self.known.values()))
        content, _ = task.render(task.initial, task.train[0])
        # What stands before the input: the words of the start, whose loss costs a prompt something.
        self._start = set(_WORD.findall(flat(content).partition(_asked(task.train[0]))[0]))
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
        return said if said else f"A reply of some words, number {int(1000 * hard)}."

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
        if head not in self._worth:
            climate, found = self._climate, _WORD.findall(head)
            there, added = set(found), sum(word in _WORDS for word in found)
            # By the word alone: a cut hurts in every prompt alike. Sorted, as a set has no order between processes.
            lost = [
                climate.loss if random.Random(word).random() < 0.9 else -0.02 for word in sorted(self._start - there)
            ]
            gained = climate.gain * sum(word in there for word in _GOOD) - 0.02 * sum(word in there for word in _IDLE)
            gained += DEMO * min(DEMOS, sum(value in head for value in self.known))
            gained -= CROWDING * max(0, added - GROWTH)
            # Never right on none or on all: a search would end for want of anything to learn from.
            worth = 0.5 + gained - max(-RID, sum(lost)) + 0.04 * random.Random(head).random()
            if climate.brevity:
                worth = 1.0 - climate.brevity * math.log1p(len(found))
            self._worth[head] = min(0.9, max(0.1, worth))
        return self._worth[head]


def judged(request: Request) -> str:
    """A judge's word on whatever it is shown, in the form asked for."""
    rng, schema = random.Random(flat(request.content)), json.loads(request.schema if request.schema else "{}")
    asked = schema.get("properties", {})
    said: dict[str, object] = {"reason": "It does part of what is asked for, and leaves out what would help most."}
    if "score" in asked:
        said["score"] = rng.choice(asked["score"]["enum"])
    if "better" in asked:
        said["better"] = rng.choice(asked["better"]["enum"])
    if "answers" in asked:
        said["answers"] = {place: rng.choice(["yes", "no"]) for place in asked["answers"]["required"]}
    return json.dumps(said)


def utterance(request: Request) -> str:
    """What a user says in any turn, by what was said: one who never ends takes all that a search can take."""
    number = random.Random(flat(request.content)).randrange(10**6)
    return f"I still wait for my order, number {number}, and would like to know when it comes."


@dataclass(frozen=True, slots=True)
class Proposer:
    """Writes a changed prompt in the form asked for: in the last tag that is named, as a JSON list, or marked."""

    start: str

    def __call__(self, request: Request) -> str:
        """A changed prompt, in the form asked for."""
        text = flat(request.content)
        rng = random.Random(f"{text}{request.seed}")
        tags = [tag.lower() for tag in _TAG.findall(text)]
        blocks = _rewritten(text)
        if "mask" in tags:
            first, _, rest = (blocks[-1] if blocks else self.start).partition(". ")
            return f"<prompt>\n{first}. <mask>{rest}</mask>\n</prompt>" if rest else f"<prompt>\n{first}\n</prompt>"
        asked = _COUNT.findall(text)
        count = int(asked[-1]) if asked else 1
        if not tags and _LIST.search(text):
            named = _PHRASE.findall(_BLOCK.sub("", text))
            phrase = named[-1].strip() if named else blocks[-1] if blocks else self.start
            return json.dumps([_paraphrased(phrase, rng) for _ in range(count if asked else 10)])
        tag = tags[-1] if tags else ""
        replies = [self._written(text, blocks if blocks else [self.start], rng) for _ in range(count)]
        return "\n".join(f"<{tag}>{reply}</{tag}>" if tag else reply for reply in replies)

    def _written(self, asked: str, read: Sequence[str], rng: random.Random) -> str:
        """What is asked for, made of what was read: only a rewrite makes it longer, and advice stands below it."""
        if _ADVICE.search(asked):
            return " ".join(f"{_clause(rng)}." for _ in range(rng.randint(1, 2)))
        if _SAME.search(asked):
            return _paraphrased(rng.choice(read), rng, longest=None)
        if _MERGE.search(asked):
            first, last = read[0].split(" "), read[-1].split(" ")
            merged = " ".join([*first[: (len(first) + 1) // 2], *last[len(last) // 2 :]])
            # What is in both halves is said once, and what one lacks is added: of two prompts more than half is kept.
            return _with(merged, _clause(rng), rng) if rng.random() < WORDIER else merged
        return _changed(rng.choice(read), rng)


def _rewritten(text: str) -> list[str]:
    """The texts that a request quotes to have them rewritten, each once, in order.

    Those that are named as the last of them is, but for a number: what is named otherwise is shown beside it, as the
    system prompt above a user prompt is.
    """
    found: list[tuple[str, str]] = []
    for each in _BLOCK.finditer(text):
        name = re.sub(r"\d+", "", text[: each.start()].rstrip().rpartition("\n")[2])
        if block := "".join(filter(None, each.groups())).strip():
            found.append((name, block))
    return list(dict.fromkeys(block for name, block in found if name == found[-1][0]))


def _clause(rng: random.Random) -> str:
    return f"{rng.choice(_VERBS)} the {rng.choice(_WORDS)}"


def _changed(text: str, rng: random.Random) -> str:
    """The text with a clause or two more, less, or exchanged; with none more once it has grown as rewrites do."""
    if rng.random() < REPEATS:
        return text
    for _ in range(rng.randint(1, 3)):
        clauses = list(_CLAUSE.finditer(text))
        change = rng.choice(("add", "add", "exchange", "drop")) if clauses else "add"
        if clauses and (change != "add" or len(clauses) >= GROWTH):
            lost = rng.choice(clauses)
            text = f"{text[: lost.start()].rstrip()}{text[lost.end() :].removeprefix('.')}"
        if change != "drop":
            text = _with(text, _clause(rng), rng)
    return text


def _with(text: str, clause: str, rng: random.Random) -> str:
    """The text with a clause behind any of its sentences."""
    ends = [match.end() for match in _END.finditer(text)]
    if not ends:
        return f"{text}. {clause}" if text.strip() else f"{clause}."
    place = rng.choice(ends)
    return f"{text[:place]} {clause}.{text[place:]}"


def _paraphrased(text: str, rng: random.Random, longest: int | None = LONGEST_PHRASE) -> str:
    """The text with a clause exchanged, or one more: where it is short, or `longest` None, has few clauses yet."""
    clauses, found = list(_CLAUSE.finditer(text)), list(_WORD.finditer(text))
    short = len(clauses) < GROWTH if longest is None else len(found) < longest
    if clauses:
        old = rng.choice(clauses)
        text = f"{text[: old.start()]}{_clause(rng)}{text[old.end() :]}"
    elif found and not short:
        old = rng.choice(found)
        text = f"{text[: old.start()]}{rng.choice(_WORDS)}{text[old.end() :]}"
    # What holds none of the clauses yet is said otherwise by one more.
    return _with(text, _clause(rng), rng) if short and (not clauses or rng.random() < WORDIER) else text
