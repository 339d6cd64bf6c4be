"""Several replies for one step of OptoPrime, as in the code's `OptoPrimeMulti`: how they come about, which is taken.

Names and defaults of the techniques: `OptoPrimeMulti` of `microsoft/Trace` and `AgentOpt/OpenTrace`; `scored` is what
the `search` trainer of theirs does, on the minibatch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.operators.reflect import FIELD, ask
from promptopt.operators.replies import Form, unthought
from promptopt.operators.suggestions import UNCHANGED, suggestions
from promptopt.optimizers.optoprime.problem import EXPECTED, HISTORY_HEAD, PROBLEM
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.text import Pattern, shorten
from promptopt.types import Message, Sampling

GenerationTechnique = Literal["temperature_variation", "self_refinement", "iterative_alternatives", "multi_experts"]
SelectionTechnique = Literal["scored", "best_of_n", "moa", "majority", "last_of_n"]

HOTTEST = 2.0
"""The highest temperature that a model is asked at."""
REPLY_DIFFERENCE = 0.2
"""Replies of one group differ by less than this share of their words (code: of their characters)."""
WHO = "optimizer"
EXPERTS = ("prompt engineer", "critical reviewer", "expert of the subject", "teacher", "editor")
"""Who answers where fewer experts are named than replies wanted. Ours."""

# Tags and no JSON, as the quotes and line breaks of prompts break it.
VALUES = "<name>...</name>\n<value>\n...\n</value>"
REMINDER = f"\n\nYour last reply held no value that could be read. Write it in this form, and nothing else:\n{VALUES}"
REFINE = Pattern(
    "{request}\n\n#Previous answer\n{previous}\n\nRefine the previous answer to this problem. Keep to the same form.",
    ("request", "previous"),
)
ALTERNATIVE = Pattern(
    "{request}\n\n#Previous answers\n{previous}\n\nWrite an answer that differs from all of these in what it changes, "
    "not in its words alone. Keep to the same form.",
    ("request", "previous"),
)
EXPERT = Pattern(
    "You are asked as this expert: {expert}. Give your strongest answer.\n\n{request}", ("expert", "request")
)
NAME_EXPERTS = Pattern(
    "{request}\n\nDo not answer that. Name {count} experts whose views on this problem would complement each other, "
    "each in a few words, as <expert>...</expert>.",
    ("request", "count"),
)
BEST_OF_N = Pattern(
    "{request}\n\n#Answers so far\n{previous}\n\nYou are an expert judge of such answers. Choose the most promising "
    "one, or put a better one together from them, and write it in the same form.",
    ("request", "previous"),
)
MOA = Pattern(
    "{request}\n\n#Answers so far\n{previous}\n\nYou are an expert in making one stronger answer out of several. Write "
    "it in the same form.",
    ("request", "previous"),
)
FORM = Form(PROBLEM, EXPECTED, HISTORY_HEAD, REMINDER, REFINE, ALTERNATIVE, EXPERT, NAME_EXPERTS, BEST_OF_N, MOA)


@dataclass(frozen=True, slots=True)
class Multi:
    """Several replies for one step."""

    num_responses: int = 1
    """Replies of a step; 1: OptoPrime by itself. Code: 3."""
    generation_technique: GenerationTechnique = "temperature_variation"
    """`temperature_variation`: from the highest temperature down to the lowest; `self_refinement`: each refines the one
    before; `iterative_alternatives`: each is to differ from all before; `multi_experts`: each as another expert.
    Code."""
    selection_technique: SelectionTechnique = "scored"
    """`scored`: all are run on the minibatch, and the best mean goes on; `best_of_n`, `moa`: a further call chooses
    one, or puts one together; `majority`: the middle of the largest group of like ones; `last_of_n`. Code:
    `best_of_n`."""
    temperature_min_max: tuple[float, float] = (0.0, 1.0)
    """Of the replies; all but `temperature_variation` ask at the lowest (code: at 0, which is its default). Code."""
    experts_list: tuple[str, ...] = ()
    """Who answers as `multi_experts`; none: the model names them, one more call a step. Code."""

    def __post_init__(self) -> None:
        within(self, num_responses=(1, math.inf))
        low, high = self.temperature_min_max
        if not 0.0 <= low <= high <= HOTTEST:
            raise ConfigError(
                f"the setting 'temperature_min_max' is {self.temperature_min_max!r}; set it to two numbers from 0 to "
                f"{HOTTEST:g}, the lower one first"
            )

    @property
    def scored(self) -> int:
        """New texts that are run in a step, at most."""
        return self.num_responses if self.selection_technique == "scored" else 1

    @property
    def calls(self) -> int:
        """Calls of a step for replies, for who writes them and for the choice, each of them asked once."""
        if self.num_responses == 1:
            return 1
        naming = self.generation_technique == "multi_experts" and not self.experts_list
        return self.num_responses + int(naming) + int(self.selection_technique in ("best_of_n", "moa"))


# One by default: on sixteen planted tasks no way of asking for several gained clearly more.
ONE = Multi()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a reply suggests: its reasons, and values by name as they stand there; none: nothing is to change."""

    reasons: str
    values: Mapping[str, object]

    def show(self) -> str:
        """As a reply: the reasons, cut, and the values whole."""
        values = "".join(f"<name>{name}</name>\n<value>\n{value}\n</value>\n" for name, value in self.values.items())
        return f"{shorten(self.reasons, FIELD)}\n{values}"


def ask_one(run: Run, request: str, names: Sequence[str], sampling: Sampling) -> Draft | None:
    """One reply, with one reminder of the form; None where nothing can be read of it."""
    # With a reminder: at temperature 0 the same request would get the same reply.
    for text in (request, request + REMINDER):
        [reply] = run.generate([(Message("user", text),)], sampling)
        reply = unthought(reply, "name", "value")
        # A reminder of the form mends no reply that was cut or refused.
        if reply.finish != "stop":
            run.reject(f"{WHO}: {'cut at length' if reply.finish == 'length' else reply.finish}")
            return None
        found = suggestions(reply.text, names)
        if found or UNCHANGED.search(reply.text):
            return Draft(reply.text.partition("<")[0].strip(), found)
        run.reject(f"{WHO}: no value")
    return None


def drafts(
    run: Run, request: str, names: Sequence[str], sampling: Sampling, multi: Multi, warmer: float
) -> list[Draft]:
    """What could be read of the replies of one step, in the order they were asked. `warmer`: added to temperatures."""
    count, technique = multi.num_responses, multi.generation_technique
    if count == 1:
        return _readable_drafts([ask_one(run, request, names, _at(sampling, sampling.temperature + warmer))])
    low, high = multi.temperature_min_max
    cool = _at(sampling, low + warmer)
    if technique == "temperature_variation":
        heats = [high - place * (high - low) / (count - 1) for place in range(count)]
        return _readable_drafts([ask_one(run, request, names, _at(sampling, heat + warmer)) for heat in heats])
    if technique == "multi_experts":
        texts = [EXPERT.render({"expert": each, "request": request}) for each in _experts(run, request, multi, cool)]
        return _readable_drafts([ask_one(run, text, names, cool) for text in texts])
    # One after the other, as each is shown what came before.
    found: list[Draft] = []
    for _ in range(count):
        text = request
        if found:
            refine = technique == "self_refinement"
            pattern, before = (REFINE, found[-1:]) if refine else (ALTERNATIVE, found)
            text = pattern.render({"request": request, "previous": _numbered_answers(before)})
        found += _readable_drafts([ask_one(run, text, names, cool)])
    return found


def put_together(
    run: Run, request: str, names: Sequence[str], found: Sequence[Draft], sampling: Sampling, multi: Multi
) -> Draft | None:
    """The model's own choice among drafts, or what it makes of them; None where nothing can be read of it."""
    pattern = MOA if multi.selection_technique == "moa" else BEST_OF_N
    text = pattern.render({"request": request, "previous": _numbered_answers(found)})
    return ask_one(run, text, names, _at(sampling, 0.0))


def medoid(texts: Sequence[str]) -> int:
    """The place of the text in the middle of the largest group; of equal ones the earlier.

    What stands there most often, if twice at least. Else groups are joined while all of two differ by less than
    `REPLY_DIFFERENCE`, the closest first (complete linkage).
    """
    counts = Counter(texts)
    most = max(texts, key=counts.__getitem__)
    if counts[most] > 1:
        return texts.index(most)
    words = [text.split() for text in texts]
    # By words, and none of them left out: by characters a text of 4,000 takes minutes, or its common letters are junk.
    apart = [[1 - SequenceMatcher(None, one, other, autojunk=False).ratio() for other in words] for one in words]
    groups = [[place] for place in range(len(texts))]
    while len(groups) > 1:
        width, one, other = min(
            (max(apart[left][right] for left in groups[one] for right in groups[other]), one, other)
            for other in range(len(groups))
            for one in range(other)
        )
        if width >= REPLY_DIFFERENCE:
            break
        groups[one] += groups.pop(other)
    largest = max(groups, key=len)
    return min(sorted(largest), key=lambda place: math.fsum(apart[place][other] for other in largest))


def _experts(run: Run, request: str, multi: Multi, sampling: Sampling) -> list[str]:
    """One for each reply: those that are named, else those that the model names, then general ones."""
    count, named = multi.num_responses, list(multi.experts_list)
    if not named:
        text = NAME_EXPERTS.render({"request": request, "count": str(count)})
        [named] = ask(run, [text], "expert", count, sampling, "experts")
    return [*named[:count], *(EXPERTS[place % len(EXPERTS)] for place in range(len(named), count))]


def _numbered_answers(found: Sequence[Draft]) -> str:
    return "\n".join(f"Answer {number}:\n{draft.show()}" for number, draft in enumerate(found, 1))


def _at(sampling: Sampling, temperature: float) -> Sampling:
    # Warmed up step after step, it would pass what models accept.
    return replace(sampling, temperature=min(HOTTEST, temperature))


def _readable_drafts(found: Sequence[Draft | None]) -> list[Draft]:
    return [draft for draft in found if draft is not None]
