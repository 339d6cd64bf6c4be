"""The texts whose log-probability is asked for: which they are, how they attach to what is read, what comes of them.

All numbers are nats, natural logarithms of probabilities; NaN means that the model gave none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from promptopt.errors import EvaluatorError
from promptopt.protocols import Task
from promptopt.text import shorten
from promptopt.types import Cell, Content, Example, Likelihoods, Prompt, ScoreRequest, TokenLogProbs
from promptopt.types.masks import Spans, holds_mask, literal_masks, masks_covered

TEXT_CHARACTERS = 120
"""Characters of a scored text in a sentence."""

TOO_LONG = "the prompt and the target are too long for the model's context"


def right_answers(example: Example) -> tuple[str, ...]:
    """The target and its aliases, each once."""
    return tuple(dict.fromkeys((example.target, *example.accepted)))


def taught(example: Example) -> tuple[str, ...]:
    """What a loss is taken on: the worked solution where there is one, else every right answer."""
    return (example.solution,) if example.solution else right_answers(example)


def attached(texts: Iterable[str], content: Content) -> tuple[str, ...]:
    """`texts` as they go on after `content`.

    A chat template ends where the reply begins, so a text stands as it is. A plain text that does not end in white
    space leaves the separating space to what follows: most vocabularies hold " yes" as one token. An empty text
    stays empty, so that no bare space is scored in its place.
    """
    if isinstance(content, str) and not content[-1:].isspace():
        return tuple(f" {text}" if text and not text[0].isspace() else text for text in texts)
    return tuple(texts)


def scored_after(
    task: Task, prompt: Prompt, example: Example, texts: Iterable[str], ends: bool = False
) -> ScoreRequest:
    """`texts` after what the model reads of an example under a prompt."""
    content, shared = task.render(prompt, example)
    literal = _literal(task, prompt, example, content) if holds_mask(content) else ()
    return ScoreRequest(content, attached(texts, content), shared, ends, literal)


def _literal(task: Task, prompt: Prompt, example: Example, content: Content) -> Spans:
    """Where masks stand that are not the layout's own.

    A layout without one may have it in its start prompt, which can lay the input out itself: there a prompt keeps it.
    """
    start, shown = dict(task.initial.texts), _inert_example(example)
    demos = tuple(map(_inert_example, prompt.demos))
    bare = replace(prompt, texts=tuple((part, masks_covered(text)) for part, text in prompt.texts), demos=demos)
    if (bare, shown) == (prompt, example):
        return ()
    inert, _ = task.render(bare, shown)
    if not holds_mask(inert) and any(map(holds_mask, start.values())):
        kept = tuple((part, text if holds_mask(start.get(part, "")) else bare[part]) for part, text in prompt.texts)
        inert, _ = task.render(replace(bare, texts=kept), shown)
    return literal_masks(content, inert)


def _inert_example(example: Example) -> Example:
    """The same example, with nothing in it that reads like a mask."""
    return replace(
        example,
        fields=tuple((name, masks_covered(text)) for name, text in example.fields),
        target=masks_covered(example.target),
        solution=masks_covered(example.solution),
        messages=tuple(replace(message, content=masks_covered(message.content)) for message in example.messages),
    )


def check_tokens(cell: Cell, texts: Sequence[str], found: Likelihoods, ends: bool) -> None:
    """Raise EvaluatorError where one of `texts` has no tokens: that is a mistake in the data, not a score."""
    for text, scored in zip(texts, found.continuations, strict=True):
        if len(scored.tokens) <= ends:
            raise EvaluatorError(
                f"the text {text!r} has no tokens, so there is no probability to score; give the example an answer "
                f"with at least one visible character, or leave the example out",
                prompt_id=cell.prompt.id,
                example_id=cell.example.id,
            )


def check_apart(cell: Cell, texts: Sequence[str], owners: Sequence[str], found: Likelihoods) -> None:
    """Raise EvaluatorError where texts of two labels are the same tokens: they tie whatever is read.

    `owners`: the label that each of `texts` stands for.
    """
    known: dict[TokenLogProbs, int] = {}
    for place, scored in enumerate(found.continuations):
        # By their values too: what is shown of a token may be less than what tells it from another.
        other = known.setdefault(scored, place)
        if owners[other] != owners[place] and math.isfinite(scored.total):
            raise EvaluatorError(
                f"{texts[other].strip()!r} and {texts[place].strip()!r} are the same tokens to the model "
                f"({' '.join(map(repr, scored.tokens))}), so nothing tells the labels apart; give them words that it "
                f"knows, as --set evaluator.verbalizers={owners[other]}:WORD,{owners[place]}:WORD",
                prompt_id=cell.prompt.id,
                example_id=cell.example.id,
            )


def log_likelihood(scored: TokenLogProbs) -> float:
    """The log-probability of the whole text: -inf where a token has probability 0, NaN where one has none."""
    if any(math.isnan(value) or value == math.inf for value in scored.logprobs):
        return math.nan
    return scored.total


def log_sum_exp(values: Iterable[float]) -> float:
    """The log of the sum of exp(value), without overflow; -inf of nothing, NaN where a value is NaN."""
    given = list(values)
    highest = max(given, default=-math.inf)
    if any(map(math.isnan, given)):
        return math.nan
    if highest == -math.inf:
        return highest
    return highest + math.log(math.fsum(math.exp(value - highest) for value in given))


def extensions(texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """For each text the places of those others that begin with it ("1" and "10")."""
    return tuple(
        tuple(place for place, other in enumerate(texts) if other != text and other.startswith(text)) for text in texts
    )


def exclusive(scored: Sequence[TokenLogProbs], longer: Sequence[Sequence[int]]) -> list[float]:
    """The log-probability of each text without those other texts that only go on from it.

    A text is never less probable than its own continuation, so "1" would win over "10" whatever the model means; what
    is compared is "1" and not "10". The results are probabilities of disjoint events, so they may be added up. Texts
    that are not continued by others keep their log-likelihood. `longer`: as `extensions` gives it.
    """
    found = [log_likelihood(each) for each in scored]
    if not any(longer):
        return found
    # The longest first, so that what is taken off a text has had its own continuations taken off already.
    for place in sorted(range(len(scored)), key=lambda place: len(scored[place].tokens), reverse=True):
        tokens = scored[place].tokens
        inside = [found[other] for other in longer[place] if scored[other].tokens[: len(tokens)] == tokens]
        found[place] = _log_difference(found[place], log_sum_exp(inside))
    return found


def _log_difference(whole: float, part: float) -> float:
    """log(exp(whole) - exp(part)); -inf where rounding makes the part the greater one."""
    if part == -math.inf or math.isnan(whole):
        return whole
    return -math.inf if part >= whole else whole + math.log1p(-math.exp(part - whole))


def any_of(texts: Sequence[str], scored: Sequence[TokenLogProbs]) -> float:
    """The log-probability that the reply begins with one of `texts`, at most 0."""
    total = log_sum_exp(exclusive(scored, extensions(texts))) if len(texts) > 1 else log_likelihood(scored[0])
    # Where tokens do not show that one text goes on from another, both are counted, and rounding counts too.
    return 0.0 if total > 0.0 else total


def no_probability(text: str) -> str:
    """A sentence for a text that has a token of NaN or -inf."""
    shown = shorten(text, TEXT_CHARACTERS)
    return f"the model gives no finite log-probability for {shown!r}, so the prompt cannot be used"
