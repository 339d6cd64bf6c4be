"""A scripted proposer for planted tasks that keeps the reply contract of every method.

It knows no method: it reads the prompts or phrases that a request quotes, and the form that the request asks for (the
last tag it names, JSON, marks around parts), and answers with a changed combination of what it read. It stands for a
model of middling skill. It learns nothing from mistakes, reasons or losses unless it is told to, so that no method
gains by what it shows; what it does use is a history in the order of its scores, where later prompts are drawn more
often.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.search_landscape import NOUNS, STEM, VERBS
from promptopt.types import Request

SKILL = 0.4
"""Close to chance: of the words of a planted task 6 to 10 in 18 can help."""
COMMENTS = ("reason", "reasons", "critique", "feedback", "gradient", "analysis")
"""Tags that hold a remark on a prompt, and no prompt."""
CHANGES = ("add", "add", "exchange", "drop", "move")
"""What a rewrite does to a prompt, each as likely as it is often here."""
FURTHER = 0.5
"""The probability that one more change follows a change."""
VARIANTS = 10
"""Phrases in a list, where the request names no number."""

_TAG = re.compile(r"<\s*/?\s*([a-z_]+)\s*>", re.IGNORECASE)
_BLOCK = re.compile(r'"""\s*(.*?)\s*"""', re.DOTALL)
_KNOWN = re.compile(rf"\b(?:riddle|{'|'.join(NOUNS)})\b", re.IGNORECASE)
_NOUN = re.compile(rf"\b(?:(\w+) the )?({'|'.join(NOUNS)})\b", re.IGNORECASE)
_NUMBERS = {word: number for number, word in enumerate(("one", "two", "three", "four", "five", "six"), 1)}
_COUNT = re.compile(
    rf"\b(\d{{1,2}}|{'|'.join(_NUMBERS)})\s+(?:(?:different|distinct|new|other)\s+)*"
    r"(?:ways|times|reasons|variants|variations|versions|paraphrases)\b",
    re.IGNORECASE,
)
_PARTS = re.compile(r"at most (\d+) parts")
_PHRASE = re.compile(r'(?:phrase: |")([^"\n]+)', re.IGNORECASE)
_LIST = re.compile(r'\bJSON\b|\[\s*"')
_SCORED = re.compile(r"\bscores?\b", re.IGNORECASE)
_MISTAKES = re.compile(r"\b(?:mistakes?|wrong|Answer given)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.]+\.")


@dataclass(frozen=True, slots=True)
class Proposer:
    """Answers any request; a function of the request and its draw.

    `good`: the words that can help. `skill`: the probability that a word it adds is one of them. `informed`: the same
    where the request shows mistakes; equal by default.
    """

    good: tuple[str, ...]
    skill: float = SKILL
    informed: float | None = None

    def __call__(self, request: Request) -> str:
        """The reply, in the form asked for."""
        content = request.content
        text = content if isinstance(content, str) else "\n\n".join(message.content for message in content)
        rng = random.Random(f"{text}{request.seed}")
        tags = [tag.lower() for tag in _TAG.findall(text)]
        if "mask" in tags:
            return marked(text)
        skill = self.informed if self.informed is not None and _MISTAKES.search(text) else self.skill
        if not tags and _LIST.search(text):
            return self._phrases(text, rng, skill)
        tag, count = tags[-1] if tags else "", asked_for(text, 1)
        read = prompts_in(text)
        write: Callable[[], str] = lambda: self._prompt(read, text, rng, skill)  # noqa: E731
        if tag in COMMENTS:
            write = lambda: f"The text does not say enough ({rng.randrange(10_000)})."  # noqa: E731
        replies = [write() for _ in range(count)]
        return "\n".join(f"<{tag}>{reply}</{tag}>" if tag else reply for reply in replies)

    def _prompt(self, read: Sequence[str], text: str, rng: random.Random, skill: float) -> str:
        """One new prompt from those that were read; from nothing, where none was."""
        if not read:
            return written(self._changed([], rng, skill), rng)
        chosen = list(read)
        if len(read) > 2:
            # A history stands in the order of its scores, the best last.
            weights = range(1, len(read) + 1) if _SCORED.search(text) else [1] * len(read)
            chosen = rng.choices(read, weights, k=2)
        first, second = clauses(chosen[0]), clauses(chosen[-1])
        shared = {noun for _, noun in first} & {noun for _, noun in second}
        joined = [clause for clause in first if clause[1] in shared or rng.random() < 0.5]
        joined += [clause for clause in second if clause[1] not in shared and rng.random() < 0.5]
        return written(self._changed(joined, rng, skill), rng)

    def _phrases(self, text: str, rng: random.Random, skill: float) -> str:
        """Variants of the quoted phrase: a clause that says the same or another thing, or one more beside it."""
        phrase = phrase_in(text)
        begin = STEM.rstrip(".") if re.search(r"\briddle\b", phrase, re.IGNORECASE) else ""
        found: list[str] = []
        for _ in range(asked_for(text, VARIANTS)):
            said = [begin] * bool(begin)
            said += [f"{rng.choice(VERBS)} the {noun}" for _, noun in self._changed(clauses(phrase), rng, skill)]
            # It stays a phrase: of two clauses at most, and of one in the place of a word.
            found.append(". ".join(said[: 2 if " " in phrase else 1]) if said else phrase)
        return json.dumps(found)

    def _changed(self, present: Sequence[tuple[str, str]], rng: random.Random, skill: float) -> list[tuple[str, str]]:
        """The clauses after one change or more."""
        found = list(present)
        while True:
            change = rng.choice(CHANGES) if found else "add"
            if change in ("drop", "exchange"):
                found.pop(rng.randrange(len(found)))
            if change in ("add", "exchange"):
                found.insert(rng.randint(0, len(found)), (rng.choice(VERBS), self._word(found, rng, skill)))
            if change == "move":
                moved = found.pop(rng.randrange(len(found)))
                found.insert(rng.randint(0, len(found)), moved)
            if rng.random() >= FURTHER:
                return found

    def _word(self, present: Sequence[tuple[str, str]], rng: random.Random, skill: float) -> str:
        taken = [noun for _, noun in present]
        good = [noun for noun in self.good if noun not in taken]
        other = [noun for noun in NOUNS if noun not in taken and noun not in self.good]
        wanted = good if rng.random() < skill else other
        return rng.choice(wanted or good or other or list(NOUNS))


def prompts_in(text: str) -> list[str]:
    """The prompts that a request quotes, each once, in order: blocks between triple quotes, else lines."""
    blocks = [block for block in _BLOCK.findall(text) if _KNOWN.search(block)]
    lines = [line for line in text.splitlines() if _KNOWN.search(line)]
    return list(dict.fromkeys(" ".join(found.split()) for found in (blocks if blocks else lines)))


def phrase_in(text: str) -> str:
    """The phrase that is to be said in other words: quoted or named, apart from the text that it stands in."""
    named = [found for found in _PHRASE.findall(_BLOCK.sub("", text)) if _KNOWN.search(found)]
    return (named or _BLOCK.findall(text) or [STEM])[-1].strip().rstrip(".")


def clauses(text: str) -> list[tuple[str, str]]:
    """(verb, noun) of every word that counts, each noun once, in order."""
    found: dict[str, str] = {}
    for verb, noun in _NOUN.findall(text):
        found.setdefault(noun.lower(), verb if verb in VERBS else VERBS[0])
    return [(verb, noun) for noun, verb in found.items()]


def written(found: Sequence[tuple[str, str]], rng: random.Random) -> str:
    """A prompt of these clauses. Now and then it is put another way, as rewrites are."""
    return " ".join(
        [STEM, *(f"{rng.choice(VERBS) if rng.random() < 0.2 else verb} the {noun}." for verb, noun in found)]
    )


def asked_for(text: str, default: int) -> int:
    """How many texts a request asks for, by the last number it names for them."""
    found = _COUNT.findall(text)
    return default if not found else _NUMBERS.get(found[-1].lower()) or int(found[-1])


def marked(text: str) -> str:
    """The last quoted prompt, copied, with marks around its sentences but the first."""
    prompt, most = _BLOCK.findall(text)[-1], _PARTS.search(text)
    left = int(most.group(1)) if most else 1

    def mark(match: re.Match[str]) -> str:
        nonlocal left
        sentence = match.group()
        if match.start() == 0 or left == 0:
            return sentence
        left -= 1
        said = sentence.lstrip()
        return f"{sentence[: len(sentence) - len(said)]}<mask>{said}</mask>"

    return f"<prompt>\n{_SENTENCE.sub(mark, prompt)}\n</prompt>"
