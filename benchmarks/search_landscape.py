"""Planted tasks for searches: the true accuracy is a known function of the prompt, and the best one there is too.

A prompt is worth what its words are worth: some help, some hurt, most do nothing; some help in company only, some spoil
each other, some must stand in order, demonstrations help a little, and every word beyond a limit hurts. A word counts
alone as it does in its sentence, so a prompt can be rewritten, cut into phrases, or pruned word by word. Which word
plays which part is drawn anew for every seed.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist

from promptopt.models.scripted import Scripted
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Content, Example, Prompt, Reply, Request, Token

NOUNS: tuple[str, ...] = (
    "lantern", "pebble", "harbour", "saddle", "orchard", "violin", "kettle", "anchor", "marsh", "thistle", "gravel",
    "cobweb", "ribbon", "candle", "meadow", "pillow", "bucket", "feather",
)  # fmt: skip
"""Words that no request of a method holds of its own accord."""
VERBS = ("Mind", "Heed", "Weigh", "Recall")
"""What stands before a noun; it makes texts differ that are worth the same."""
STEM = "Settle the riddle."
LABELS = ("no", "yes")
LAYOUT = Layout(
    "text", text="{instruction}\n\n{demos}Q: {question}\nA:", demo="Q: {question}\nA: {target}\n\n"
)  # fmt: skip
CHAT = Layout("chat", messages=(("user", "{instruction}\n\n{demos}Q: {question}\nA:"),), demos=Turns())
"""Where demonstrations count as turns."""
MOST_TURNS = 32
DEMO_WORDS = 4
SHARPNESS = 6.0
"""How fast the probability of the right label moves with accuracy minus difficulty, for evaluators that read it."""
LOWEST, HIGHEST = 0.02, 0.98

_QUESTION = re.compile(r"q\d+")
_WORD = re.compile(r"\w+")
_DEMO = re.compile(r"\bQ: q\d+\s+A:\s+(?:no|yes)\b")
_CUE = re.compile(r"\s*(?:Q:?)?\s*$")


class Reporting(Scripted):
    """A scripted model that reports the alternatives of what it generates."""

    def reports_alternatives(self) -> bool:
        """It does."""
        return True


@dataclass(frozen=True, slots=True)
class Kind:
    """What a planted task is made of: a row of the table below.

    `helping`: words with a worth of their own; all together, and with the pairs, they are worth `total`. `allies`:
    pairs whose words help only together. `rivals`: pairs of helping words that spoil each other. `ordered`: pairs of
    helping words that gain when the first stands before the second. `clutter`: the start holds all that hurts, all that
    does nothing, and three words that help. `common`: the share of examples whose difficulty all prompts share.
    `scale`: what every worth is multiplied by. `harmful`: every word that does not help hurts. `needle`: two words that
    hurt a little, and together are worth more than anything else; the proposer does not know them. `skill`: the
    proposer's; None: as the run says. `turns`: what 32 demonstrations as turns of a chat are worth, fewer as the
    logarithm of their number; None: they stand in the text. `own`: the deviation of what a text is worth by itself,
    whatever its words are, so that no child inherits it.
    """

    helping: int = 8
    allies: int = 0
    rivals: int = 0
    ordered: int = 0
    clutter: bool = False
    common: float = 0.8
    total: float = 0.5
    scale: float = 1.0
    harmful: bool = False
    needle: bool = False
    skill: float | None = None
    turns: float | None = None
    own: float = 0.0


KINDS: Mapping[str, Kind] = {
    "additive": Kind(),
    "interacting": Kind(helping=6, allies=2, rivals=1, ordered=1),
    "cluttered": Kind(clutter=True),
    "noisy": Kind(common=0.2),
}
CHECKS: Mapping[str, Kind] = {
    "needle": Kind(scale=0.6, needle=True),
    "harmful": Kind(harmful=True, skill=0.15),
    "weak": Kind(scale=0.4, common=0.5),
    # As searches with small models are: rewrites lie within 0.06 of their start, mostly by luck, and demonstrations are
    # worth much or nothing (benchmarks/results/search-real.md).
    "taught": Kind(scale=0.3, turns=0.38, own=0.06),
    "untaught": Kind(scale=0.3, turns=0.0, own=0.06),
}
"""Tasks of other structure, to be named on the command line: no default was chosen on them, and none may be."""
BASE, ROOM, CROWDING = 0.35, 36, 0.01
HARM = 0.04
ALLIED = 0.12
SPOILT = 0.12
ORDERED = 0.05
NEEDLE, NEEDLE_ALONE = 0.29, -0.02
DEMO, DEMOS = 0.02, 2


@dataclass(frozen=True, slots=True)
class Landscape:
    """The truth about every text.

    `worth`: of a word by itself. `together`: what two words are worth more (or less) than each alone. `before`:
    what it is worth that one stands before another. `hidden`: words that help together, which no proposer knows.
    Every word beyond ROOM costs CROWDING, but not in a chat; each of up to DEMOS intact demonstrations gives DEMO.
    `turns`, `own`: as of `Kind`.
    """

    name: str
    worth: Mapping[str, float]
    together: Mapping[tuple[str, str], float]
    before: Mapping[tuple[str, str], float]
    start: str
    common: float
    hidden: tuple[str, ...] = ()
    turns: float | None = None
    own: float = 0.0

    def accuracy(self, text: str) -> float:
        """The true accuracy of a prompt: everything the model reads before the question."""
        words = [word.lower() for word in _WORD.findall(text)]
        place: dict[str, int] = {}
        for index, word in enumerate(words):
            place.setdefault(word, index)
        value = BASE + math.fsum(gain for word, gain in self.worth.items() if word in place)
        value += math.fsum(gain for pair, gain in self.together.items() if all(word in place for word in pair))
        for (first, then), gain in self.before.items():
            if first in place and then in place and place[first] < place[then]:
                value += gain
        shown = len(_DEMO.findall(text))
        if self.turns is None:
            value += DEMO * min(DEMOS, shown) - CROWDING * max(0, len(words) - ROOM)
        else:
            value += self.turns * math.log1p(min(MOST_TURNS, shown)) / math.log1p(MOST_TURNS)
        said = " ".join(text.split())
        if self.own and said != self.start:
            value += self.own * NormalDist().inv_cdf(min(1 - 1e-6, max(1e-6, uniform("own", self.name, said))))
        return min(HIGHEST, max(LOWEST, value))

    @property
    def good(self) -> tuple[str, ...]:
        """The words that can help, alone or in company."""
        allied = {word for pair, gain in self.together.items() if gain > 0 for word in pair}
        helping = [noun for noun in NOUNS if self.worth.get(noun, 0.0) > 0 or noun in allied]
        return tuple(noun for noun in helping if noun not in self.hidden)

    def best_text(self, within: str | None = None) -> str:
        """A prompt of the highest accuracy there is, found by trying every set of words that can help.

        What a text is worth by itself is left out; where demonstrations are turns, as many are shown as count.

        `within`: only words of that text, in its order.
        """
        firsts = [word for pair in self.before for word in pair]
        useful = (*self.good, *self.hidden)
        order = sorted(useful, key=lambda word: firsts.index(word) if word in firsts else len(firsts))
        if within is not None:
            order = [word for word in _WORD.findall(within) if word in useful]
        shown = range(DEMOS if self.turns is None else MOST_TURNS)
        demos = "".join(f"Q: q{number}\nA: yes\n\n" for number in shown)
        texts = (
            f"{instruction([*chosen])}\n\n{demos}" for count in range(len(order) + 1)
            for chosen in combinations(order, count)
        )  # fmt: skip
        return max(texts, key=replace(self, own=0.0).accuracy)

    def task(self, *, train: int = 120, dev: int = 40, test: int = 2) -> Task:
        """Numbered questions with the answer yes or no, half and half."""
        first = int(uniform(self.name) * 10**6) * 1000
        examples = [
            Example.of(LABELS[number % 2], question=f"q{first + number}") for number in range(train + dev + test)
        ]
        return Task.from_examples(
            examples, prompt=self.start, name=self.name, labels=LABELS, metric="exact",
            layout=LAYOUT if self.turns is None else CHAT,
            description="Riddles with the answer yes or no.", splits=Splits(train, dev, test),
        )  # fmt: skip

    def model(self, nuisance: float | None = None) -> Scripted:
        """Answers with exactly the accuracy of the prompt, and gives the labels probabilities that say the same.

        `nuisance`: it reports them with what it generates too, and each prompt moves those of its right labels by a
        number of nats of that deviation, which says nothing of its accuracy. None: it reports none.
        """

        @lru_cache(maxsize=4096)
        def known(prompt: str) -> float:
            return self.accuracy(prompt)

        def margin(content: Content) -> tuple[str, float]:
            """The right answer, and by how much the prompt's accuracy exceeds the difficulty of the question."""
            prompt, question = split(content)
            shared = uniform("shared", question) < self.common
            difficulty = uniform("difficulty", question) if shared else uniform("difficulty", question, prompt)
            return LABELS[int(question[1:]) % 2], known(prompt) - difficulty

        def answer(request: Request) -> str | Reply:
            right, over = margin(request.content)
            wrong = next(label for label in LABELS if label != right)
            said = right if over > 0 else wrong
            if nuisance is None or not request.logprobs:
                return said
            moved = nuisance * NormalDist().inv_cdf(uniform("moved", split(request.content)[0]))
            odds = -math.log1p(math.exp(-SHARPNESS * over - moved)), -math.log1p(math.exp(SHARPNESS * over + moved))
            top = tuple(sorted(zip((right, wrong), odds, strict=True), key=lambda pair: -pair[1]))
            return Reply(said, tokens=(Token(said, dict(top)[said], top),))

        def scores(content: Content, continuation: str) -> list[float]:
            right, over = margin(content)
            sign = 1 if continuation.strip() == right else -1
            return [-math.log1p(math.exp(-sign * SHARPNESS * over))]

        made = Scripted if nuisance is None else Reporting
        return made(answer, name=self.name, scores=scores)

    def truth(self, task: Task, prompt: Prompt) -> float:
        """The true accuracy of a prompt of `task`, or of one that holds the question's slot itself."""
        text = prompt[task.editable]
        if "{question}" in text:
            return self.accuracy(_CUE.sub("", text.partition("{question}")[0]))
        return self.accuracy(split(task.render(prompt, Example.of(question="q0"))[0])[0])


def split(content: Content) -> tuple[str, str]:
    """(prompt, question) of what the task model reads: the last question is the one that is asked."""
    text = content if isinstance(content, str) else "\n\n".join(message.content for message in content)
    found = list(_QUESTION.finditer(text))[-1]
    return _CUE.sub("", text[: found.start()]), found.group()


def instruction(nouns: list[str], verb: str = VERBS[0]) -> str:
    """The stem and a sentence a noun."""
    return " ".join([STEM, *(f"{verb} the {noun}." for noun in nouns)])


def plant(kind: str, seed: int) -> Landscape:
    """The landscape of that kind and seed. Raises KeyError for an unknown kind."""
    made, rng = {**KINDS, **CHECKS}[kind], random.Random(f"{kind}/{seed}")
    nouns = list(NOUNS)
    rng.shuffle(nouns)
    helping, nouns = nouns[: made.helping], nouns[made.helping :]
    allied, nouns = nouns[: 2 * made.allies], nouns[2 * made.allies :]
    hurting, idle = nouns[:4], nouns[4:]
    shares = [rng.uniform(1.0, 4.0) for _ in helping]
    left = made.total - ALLIED * made.allies - ORDERED * made.ordered
    worth = {noun: left * share / sum(shares) for noun, share in zip(helping, shares, strict=True)}
    worth = {noun: made.scale * gain for noun, gain in worth.items()}
    worth |= dict.fromkeys([*hurting, *(idle if made.harmful else ())], -HARM)
    together = dict.fromkeys(zip(allied[::2], allied[1::2], strict=True), ALLIED)
    paired = helping[: 2 * made.rivals]
    together |= dict.fromkeys(zip(paired[::2], paired[1::2], strict=True), -SPOILT)
    rest = helping[2 * made.rivals :][: 2 * made.ordered]
    before = dict.fromkeys(zip(rest[::2], rest[1::2], strict=True), ORDERED)
    shown: list[str] = []
    if made.clutter:
        shown = [*hurting, *idle, *helping[:3]]
        rng.shuffle(shown)
    hidden = tuple(idle[:2]) if made.needle else ()
    if made.needle:
        worth |= dict.fromkeys(hidden, NEEDLE_ALONE)
        together[idle[0], idle[1]] = NEEDLE
    start = instruction(shown)
    return Landscape(f"{kind}-{seed}", worth, together, before, start, made.common, hidden, made.turns, made.own)
