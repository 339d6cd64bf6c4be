"""Stand-ins for a run's models, at once answering, by which a dry run finds out what a search will take."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptopt.cli.stand_in_world import ADDED_WORDS, SENTENCE, VERBS, WORD, World, flat, read_in, room
from promptopt.models.prices import Price
from promptopt.models.stopping import until_stopped
from promptopt.models.tokens import estimate_tokens
from promptopt.text import words
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest, TokenLogProbs

LONG_REPLY = 64
"""A cap on reply tokens from which on a model is taken to reason before it answers, and to use half
of the cap. Ours."""
LONGEST_THOUGHT = 512
"""Tokens of that, at most: a cap of thousands is there to be safe, and is hardly ever used."""
REPEATS = 0.15
"""How often a proposer writes what it has read. Ours, by how often searches in the arena ask in vain."""
WORDIER = 0.4
"""How often a phrase said otherwise has a clause more. Ours: as in the arena."""
SHARPNESS = 6.0
"""How fast a label's probability moves with a prompt's worth less an example's hardness. Ours, as in the arena."""
LONGEST_PHRASE = 11
"""Words of a phrase said otherwise that was shorter. Ours: by what searches over phrases spend in the arena."""
# Requests of our methods are told apart by their own words; tags are read whatever the method. First what stand-ins
# wrote themselves, which a later change exchanges or drops.
_CLAUSE = re.compile(rf"\b(?:{'|'.join(VERBS)}) the (?:{'|'.join(ADDED_WORDS)})\b")
_SENTENCE_STOP = re.compile(r"[.!?](?=\s|$)")
# Paraphrases of APO, EvoPrompt, CAPO and SPRIG keep the meaning, and so about the length.
_SAME = re.compile(r"\bsame meaning\b")
# SIMBA's advice stands below the prompt, and replaces nothing of it.
_ADVICE = re.compile(r"\bdo not repeat the text\b")
# CAPO's and `auto`'s crossover makes one text of two.
_MERGE = re.compile(r"\bmerge two\b", re.IGNORECASE)
_ANY_TAG = re.compile(r"<\s*/?\s*([a-z_]+)\s*>", re.IGNORECASE)
# Prompts are quoted in three marks, and by OPRO behind `text:`.
_QUOTED_PROMPT = re.compile(r'"""\s*(.*?)\s*"""|^text:\n([^\n]+)$', re.DOTALL | re.MULTILINE)
_COUNT = re.compile(r"\b(\d{1,2})\s+(?:\w+\s+){0,2}?(?:ways|times|reasons|variants|variations|versions|paraphrases)\b")
# Plum has single phrases paraphrased, as a JSON list, as SPRIG has its components.
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
    token_price: Price | None = None
    """What its tokens cost, as those of the model that it stands for."""
    _known: dict[str, int] = field(default_factory=dict[str, int])

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Answer in order."""
        for index, request in until_stopped(requests, stopping):
            text = self.answer(request)
            most = request.sampling.max_tokens
            # Only its length says that a model reasons before it answers. In fields it does so in one of them, and its
            # cap is what an LM is given that has none.
            thinks = self.scored and most >= LONG_REPLY and not text.startswith("[[ ## ")
            thought = min(LONGEST_THOUGHT, most // 2) if thinks else 0
            used = min(most, self.count_tokens(text) + thought)
            read = self.count_tokens(read_in(request.content))
            self._count(read, used)
            yield index, Reply(text, "stop", read, used, served=self.name)

    def can_score(self) -> bool:
        """Log-probabilities are made up as answers are."""
        return self.scored

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """A value a token, in order."""
        for index, request in until_stopped(requests, stopping):
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


def price_each(models: Sequence[StandIn], judges: Sequence[StandIn], prices: Mapping[str, Price | None]) -> None:
    """Have each take what the model of its role does; all judges are of one."""
    for each in models:
        each.token_price = prices.get(each.name)
    for each in judges:
        each.token_price = prices.get("judge")


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
        tags = [tag.lower() for tag in _ANY_TAG.findall(text)]
        blocks = _rewritten(text)
        if "mask" in tags:
            first, _, rest = (blocks[-1] if blocks else self.start).partition(". ")
            return f"<prompt>\n{first}. <mask>{rest}</mask>\n</prompt>" if rest else f"<prompt>\n{first}\n</prompt>"
        asked = _COUNT.findall(text)
        count = int(asked[-1]) if asked else 1
        if not tags and _LIST.search(text):
            named = _PHRASE.findall(_QUOTED_PROMPT.sub("", text))
            phrase = named[-1].strip() if named else blocks[-1] if blocks else self.start
            opens = phrase.rstrip(" .!?") not in " ".join(SENTENCE.findall(self.start)[1:])
            return json.dumps([_paraphrased(phrase, rng, opens=opens) for _ in range(count if asked else 10)])
        tag = tags[-1] if tags else ""
        replies = [self._written(text, blocks if blocks else [self.start], rng) for _ in range(count)]
        return "\n".join(f"<{tag}>{reply}</{tag}>" if tag else reply for reply in replies)

    def _written(self, asked: str, read: Sequence[str], rng: random.Random) -> str:
        """What is asked for, made of what was read: only a rewrite makes it longer, and advice stands below it."""
        if _ADVICE.search(asked):
            return " ".join(f"{_clause(rng)}." for _ in range(rng.randint(1, 2)))
        if _SAME.search(asked):
            return _paraphrased(rng.choice(read), rng, most=room(self.start))
        if _MERGE.search(asked):
            first, last = read[0].split(" "), read[-1].split(" ")
            merged = " ".join([*first[: (len(first) + 1) // 2], *last[len(last) // 2 :]])
            # What is in both halves is said once, and what one lacks is added: of two prompts more than half is kept.
            return _with(merged, _clause(rng), rng) if rng.random() < WORDIER else merged
        return _changed(rng.choice(read), rng, room(self.start))


def _rewritten(text: str) -> list[str]:
    """The texts that a request quotes to have them rewritten, each once, in order.

    Those that are named as the last of them is, but for a number: what is named otherwise is shown beside it, as the
    system prompt above a user prompt is.
    """
    found: list[tuple[str, str]] = []
    for each in _QUOTED_PROMPT.finditer(text):
        name = re.sub(r"\d+", "", text[: each.start()].rstrip().rpartition("\n")[2])
        if block := "".join(filter(None, each.groups())).strip():
            found.append((name, block))
    return list(dict.fromkeys(block for name, block in found if name == found[-1][0]))


def _clause(rng: random.Random) -> str:
    return f"{rng.choice(VERBS)} the {rng.choice(ADDED_WORDS)}"


def _changed(text: str, rng: random.Random, most: int) -> str:
    """The text with a clause or two more, less, or exchanged; with none more once it has `most`."""
    if rng.random() < REPEATS:
        return text
    for _ in range(rng.randint(1, 3)):
        clauses = list(_CLAUSE.finditer(text))
        change = rng.choice(("add", "add", "exchange", "drop")) if clauses else "add"
        if clauses and (change != "add" or len(clauses) >= most):
            # All but the first sentence can go, which says what the task is, and those that hold a slot.
            others = [each for each in SENTENCE.finditer(text) if each.start() and "{" not in each.group()]
            lost = rng.choice(others if others and change != "add" else clauses)
            text = f"{text[: lost.start()].rstrip()}{text[lost.end() :].removeprefix('.')}"
        if change != "drop":
            text = _with(text, _clause(rng), rng)
    return text


def _with(text: str, clause: str, rng: random.Random) -> str:
    """The text with a clause behind any of its sentences."""
    ends = [match.end() for match in _SENTENCE_STOP.finditer(text)]
    if not ends:
        return f"{text}. {clause}" if text.strip() else f"{clause}."
    place = rng.choice(ends)
    return f"{text[:place]} {clause}.{text[place:]}"


def _paraphrased(text: str, rng: random.Random, most: int | None = None, *, opens: bool = True) -> str:
    """The text with a clause exchanged, or one more: where it has fewer than `most`; None: where it is short.

    `opens`: it is of the first sentence, which says what the task is, and has all to gain. What stands further below
    is as long when it is said otherwise, but for now and then.
    """
    clauses, found = list(_CLAUSE.finditer(text)), list(WORD.finditer(text))
    short = len(found) < LONGEST_PHRASE if most is None else len(clauses) < most
    if clauses:
        old = rng.choice(clauses)
        text = f"{text[: old.start()]}{_clause(rng)}{text[old.end() :]}"
    elif found and not (short and opens):
        old = rng.choice(found)
        text = f"{text[: old.start()]}{rng.choice(ADDED_WORDS)}{text[old.end() :]}"
    # What holds none of the clauses yet is said otherwise by one more.
    grows = short and ((opens and not clauses) or rng.random() < WORDIER)
    return _with(text, _clause(rng), rng) if grows else text
