"""The grounded proposer: a summary of the data, descriptions of program and part, demonstrations, and a tip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.grounded import TIPS, proposal_request
from promptopt.operators.quotes import Quotes
from promptopt.operators.recorded_calls import show_solved
from promptopt.operators.reflect import FIELD, ask_whole, show_example
from promptopt.operators.rewrite import revisions
from promptopt.optimizers.mipro.requests import (
    CODE,
    COMPLETE,
    CONDENSE,
    DATA,
    DESCRIBE,
    FORM,
    LAID_OUT,
    MODULE,
    NONE_SOLVED,
    OBSERVE,
    OBSERVE_MORE,
    PART,
    PROGRAM,
    ROLE,
    SOLVED,
    TAG,
)
from promptopt.run import Run
from promptopt.tasks.parts import editables_of, focused
from promptopt.text import shorten
from promptopt.types import Example, ProgramText, Sampling

DEMOS = 3
"""Demonstrations that are shown for a proposal (code)."""
FURTHER = 9
"""Batches of examples that are looked at after the first, at most (code)."""
_CODE = frozenset("=()[]")
"""What tells a line of code from one of a docstring, which an instruction may well repeat."""
SOURCE = 8 * FIELD
"""Characters of a program's source that are shown. Ours: the code shows all, whatever the proposer's context."""
SATED = 5
"""Answers that there is nothing new after which no more are looked at (code)."""


def summary_of(run: Run, shown: Sequence[Example], batch: int, sampling: Sampling) -> str:
    """What the proposer makes of the data, in two or three sentences; empty, and said, where that is nothing."""
    batches = [shown[begin : begin + batch] for begin in range(0, len(shown), batch)]
    observed = _asked_summary(run, OBSERVE.render({"examples": _shown_examples(batches[0])}), sampling)
    if observed is None:
        run.warn("the proposer wrote nothing on the data, so instructions are proposed without a summary of them")
        return ""
    sated = 0
    for more in batches[1 : 1 + FURTHER]:
        said = _asked_summary(
            run, OBSERVE_MORE.render({"examples": _shown_examples(more), "observed": observed}), sampling
        )
        if said is None:
            break
        if COMPLETE.match(said):
            # In all, not in a row (code).
            sated += 1
            if sated == SATED:
                break
        else:
            observed = f"{observed}\n{said}"
    condensed = _asked_summary(run, CONDENSE.render({"observed": observed}), sampling)
    return shorten(observed, FIELD) if condensed is None else condensed


def _asked_summary(run: Run, request: str, sampling: Sampling) -> str | None:
    return ask_whole(run, [request], TAG, sampling, "summary")[0]


def _shown_examples(examples: Sequence[Example]) -> str:
    return "\n\n".join(show_example(example) for example in examples)


def _solved(demos: Sequence[Example], part: str) -> str:
    """What was solved, of a program the calls of the part alone (code); empty where there are none."""
    found = [text for demo in demos if (text := show_solved(demo, part))]
    return "\n\n".join([SOLVED, *found, ""]) if found else ""


def demos_for(number: int, sets: Sequence[Sequence[Example]]) -> list[Example]:
    """Up to three demonstrations that the teacher wrote, for proposal `number`: from its set on, then from the first.

    `sets`: those of each set. Proposal 0 has none.
    """
    if number == 0:
        return []
    order = [*sets[number:], *sets[:number]]
    return list(dict.fromkeys(demo for each in order for demo in each))[:DEMOS]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a proposer is told beside solved examples.

    `summary`: of the data; empty for none. `program`: what is shown of the program; None: nothing is said of it.
    `example`: one that the program is described by; None: the proposer does not describe it first.
    """

    summary: str = ""
    program: ProgramText | None = None
    example: Example | None = None


def instructions_for(
    run: Run,
    part: str,
    count: int,
    sets: Sequence[Sequence[Example]],
    quotes: Quotes,
    *,
    known: Grounds,
    longest: int,
    sampling: Sampling,
) -> list[str]:
    """The start's text of the part, and up to `count` - 1 new ones that differ from it and from each other."""
    task, section = focused(run.task, part), run.initial[part]
    shown = [demos_for(number, sets) for number in range(1, count)]
    tips = [run.rng("tips").choice(TIPS) for _ in shown]
    grounds = _grounds(run, part, known, shown, sampling)
    asked: list[tuple[str, str]] = []
    for demos, tip, ground in zip(shown, tips, grounds, strict=True):
        request = proposal_request(
            task,
            run.initial,
            run.count_tokens,
            examples=_solved(demos, part) or NONE_SOLVED,
            tip=tip,
            longest=longest,
            grounds=f"{DATA}{known.summary}\n\n{ground}" if known.summary else ground,
        )
        asked.append((part, request))
    requests = [(run.initial, part, request) for part, request in asked]
    written = revisions(run, requests, sampling, who="proposer", longest=longest, quotes=quotes, form=FORM)
    written = [_no_code(run, text, known.program) for text in written]
    # In the code the start's text takes the place of proposal 0, which is paid for and thrown away.
    return list(dict.fromkeys([section, *(text for text in written if text is not None)]))


def _grounds(run: Run, part: str, known: Grounds, shown: Sequence[Sequence[Example]], sampling: Sampling) -> list[str]:
    """For each proposal what is shown of the program, and what the proposer says of it and of the part in it."""
    code = f"{CODE}\n\n{shorten(known.program.source, SOURCE)}\n\n" if known.program and known.program.source else ""
    form = "" if known.program is None else known.program.modules.get(part, "")
    module = f"{MODULE}{form}.\n\n" if form else ""
    if known.example is None:
        return [f"{code}{module}"] * len(shown)
    program = _program(run, known.example, code)
    requests = [DESCRIBE.render({"program": program, "demos": _solved(demos, part)}) for demos in shown]
    described = ask_whole(run, requests, TAG, sampling, "program")
    of_part = {"part": part, "section": run.initial[part], "module": module}
    requests = [
        ROLE.render({"program": program, "described": "-" if said is None else said, **of_part}) for said in described
    ]
    roles = ask_whole(run, requests, TAG, sampling, "part")
    # In the code's order. What was not said is left out, and counted.
    return [
        code + (f"{PROGRAM}{program_said}\n\n" if program_said else "") + module + (f"{PART}{role}\n\n" if role else "")
        for program_said, role in zip(described, roles, strict=True)
    ]


def _program(run: Run, example: Example, code: str) -> str:
    """The program's source; where there is none, what the task model reads of an example under the start.

    The names of the texts that may change stand below.
    """
    names = f"(texts: {', '.join(editables_of(run.task))})"
    if code:
        return f"{code.rstrip()}\n{names}"
    content, _ = run.task.render(run.initial.with_demos(()), example)
    read = content if isinstance(content, str) else "\n".join(f"{each.role}: {each.content}" for each in content)
    return f"{LAID_OUT}\n\n{shorten(read, 4 * FIELD)}\n{names}"


def _no_code(run: Run, text: str | None, program: ProgramText | None) -> str | None:
    """The text, or None and counted where a line of it is one of the program's code."""
    if text is None or program is None:
        return text
    code = {line.strip() for line in program.source.splitlines() if not _CODE.isdisjoint(line)}
    code |= set(program.modules.values())
    if any(line.strip() in code for line in text.splitlines()):
        run.reject("proposer: repeats the program")
        return None
    return text
