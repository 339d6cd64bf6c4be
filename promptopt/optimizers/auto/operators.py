"""The operators: from the prompts that go on to one child each, by a request to the proposer or without one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from promptopt.operators.demos import (
    draw,
    evenly,
    showable,
    shows_demos,
    shows_turns,
    trimmed_reply,
    unlike,
    with_target,
)
from promptopt.operators.quotes import Quotes
from promptopt.operators.rewrite import again, rewrites
from promptopt.optimizers.auto.credit import Credit
from promptopt.optimizers.auto.fruitless import Fruitless
from promptopt.optimizers.auto.plan import first_turns
from promptopt.optimizers.auto.requests import FORM, Requests, scaled_points
from promptopt.run import Run
from promptopt.tasks.parts import wording
from promptopt.text import normalise
from promptopt.types import Example, Prompt, Proposal, Sampling

MISTAKES = 4
"""Mistakes that a request shows."""
REMEMBERED = 8
"""Prompts that a request shows with their scores. Ours; OPRO shows 20."""
GUESSED_FROM = 6
"""Inputs and outputs that an instruction is guessed from. Ours."""
SHOWABLE = 600
"""Characters of an input that can be shown six times; half of the training inputs must be that short. Ours."""
IN_TEXT, AS_TURNS = 4, 32
"""Demonstrations at most: in the text they only lengthen it, as turns of the conversation chat models learn from them.
Support-intent with a model of 0.5B: .20 without, .40 of 8, .48 of 16, .58 of 32."""
FIRST_SHOWN = 0.5
"""Share of the children of prompts without turns that begin with a first set, where every child is written twice. There
is no time to find out by the way that turns pay."""
LONGEST_TARGET, LONGEST_REPLY = 60, 256
"""Tokens of a right answer, and of a reply of the model's own, that is shown as a demonstration."""
Worths = Mapping[Prompt, float]
"""What each prompt that the search knows is worth, in the order they came up."""

_WHO = "proposer"
_SENTENCE_WITH_GAPS = re.compile(r"\s*[^\n]+?(?:[.!?]+(?=\s|$)|$)\s*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A request for a child: what makes it, of which parents, and the training examples it shows.

    `demos`: what the child of a crossing shows; others show what their parent does.
    """

    operator: str
    parents: tuple[Prompt, ...]
    request: str
    shown: tuple[Example, ...] = ()
    demos: tuple[Example, ...] = ()


class Operators:
    """What there is to draw from in this run, and the children it makes."""

    def __init__(
        self, run: Run, longest: int, most_demos: int | None, starts: Sequence[Prompt], *, writings: int = 1
    ) -> None:
        """`longest`: tokens of a new text. `most_demos`: demonstrations of a prompt; None: as many as pay in places.

        `starts`: the start in each layout that children may be read in. `writings`: calls that a written child comes
        of, each on what the one before it wrote.
        """
        self._run, self._longest, self._writings = run, longest, writings
        self._requests, self.fruitless = Requests(run, longest), Fruitless(run)
        self._known: dict[tuple[str, tuple[str, ...]], None] = {}
        self._most_demos = most_demos
        self._places: dict[str, tuple[int, bool]] = {}
        self._pool = self._showable(starts)
        if most_demos != 0 and not self._pool:
            run.warn(
                "auto shows no demonstrations: the layout has no place for them, or no right answer is short enough"
            )
        self._guesses = sorted(map(_example_length, run.train))[len(run.train) // 2] <= SHOWABLE
        if not self._guesses:
            run.warn("auto has no instruction guessed from examples alone: the inputs are too long to be shown")
        for start in starts:
            # A child that reads like a start is not new.
            self.remember(start)

    def applicable(self, elite: Sequence[Prompt], found: Iterable[Prompt]) -> list[str]:
        """The operators that can make a child of these prompts."""
        listed = {
            # A critic has nothing to say of a prompt that is right wherever it was seen.
            "critic": any(score.value < 1.0 for prompt in elite for _, score in self._run.seen(prompt)),
            "rewrite": True,
            "cross": len(elite) > 1,
            "history": len(self._different(found)) > 1,
            # From nothing: it finds another hill while nothing is known, and only costs on the way up of one.
            "guess": self._guesses and len({prompt.in_layout("").id for prompt in elite}) == 1,
            "prune": any(len(pieces(prompt[self._run.task.editable])) > 1 for prompt in elite),
            "demo": bool(self._pool) and any(self._place(prompt)[0] for prompt in elite),
        }
        return self.fruitless.left([operator for operator, applies in listed.items() if applies])

    def children(
        self,
        credit: Credit,
        count: int,
        elite: Sequence[Prompt],
        worth: Worths,
    ) -> list[Proposal]:
        """Up to `count` new children, in the order drawn; all requests go out together.

        Those that break their contract, repeat an earlier prompt or quote the examples they were shown are missing.
        """
        rng, among = self._run.rng("operators"), self.applicable(elite, worth)
        drawn: list[Proposal | ChildRequest] = []
        for _ in range(count if among else 0):
            operator = credit.draw(rng, among)
            # Weights k, k - 1, ... 1: of two the better is a parent twice as often.
            parent = rng.choices(elite, range(len(elite), 0, -1))[0]
            made = self._made(operator, parent, elite, worth)
            if made is not None:
                drawn.append(made)
        # In one batch, and back in the order drawn: `remember` takes the first of two equal children.
        written = iter(self._written([each for each in drawn if isinstance(each, ChildRequest)]))
        found: list[Proposal] = []
        for each in drawn:
            child = next(written) if isinstance(each, ChildRequest) else each
            new = child is not None and self.remember(child.prompt)
            self.fruitless.note(each.operator, new)
            if child is None:
                # Only a written one can be missing here: its call was paid for. A repeat is no failure of its operator;
                # taken for one, it cost 0.04 of the gain on planted tasks.
                credit.note(each.operator, False)
            elif new:
                found.append(child)
        return found

    def remember(self, prompt: Prompt) -> bool:
        """Whether the prompt says something new, but for white space and case; it is no more from here on."""
        key = wording(self._run.task, prompt).casefold(), (prompt.layout, *(demo.id for demo in prompt.demos))
        if key in self._known:
            self._run.reject("seen before")
            return False
        self._known[key] = None
        return True

    def _made(
        self,
        operator: str,
        parent: Prompt,
        elite: Sequence[Prompt],
        worth: Worths,
    ) -> Proposal | ChildRequest | None:
        """A child, the request for one, or None where the operator has no use for this parent."""
        run, requests = self._run, self._requests
        match operator:
            case "critic":
                wrong = [(example, score) for example, score in run.seen(parent) if score.value < 1.0]
                shown = run.rng("mistakes").sample(wrong, min(MISTAKES, len(wrong)))
                if not shown:
                    return ChildRequest("rewrite", (parent,), requests.rewrite(parent))
                return ChildRequest(
                    operator, (parent,), requests.critic(parent, shown), tuple(each for each, _ in shown)
                )
            case "cross":
                other = next(prompt for prompt in elite if prompt != parent)
                # Two that differ in their demonstrations alone are one text, and there is nothing to merge.
                if len(self._different([parent, other])) == 1:
                    return ChildRequest("rewrite", (parent,), requests.rewrite(parent))
                both = unlike([*parent.demos, *other.demos])
                demos = draw(run.rng("demonstrations"), both, min(len(both) // 2, self._place(parent)[0]))
                return ChildRequest(operator, (parent, other), requests.cross(parent, other), demos=tuple(demos))
            case "history":
                # The best eight, backwards: the best stands last, as in OPRO.
                best = self._different(sorted(worth, key=lambda prompt: -worth[prompt]))[REMEMBERED - 1 :: -1]
                scored = list(zip(best, scaled_points([worth[prompt] for prompt in best]), strict=True))
                return ChildRequest(operator, (parent,), requests.history(parent, scored))
            case "guess":
                examples = draw(run.rng("guess"), run.train, GUESSED_FROM)
                # The start is not shown, so that another idea may come; it is the parent for what else a prompt holds.
                return ChildRequest(operator, (run.base,), requests.guess(run.base, examples), tuple(examples))
            case "prune":
                return self._pruned(parent)
            case "demo":
                return self._demonstrated(parent)
            case _:
                return ChildRequest(operator, (parent,), requests.rewrite(parent))

    def _different(self, prompts: Iterable[Prompt]) -> list[Prompt]:
        """The first of every text: prompts that differ in their demonstrations alone read alike in a request."""
        texts: dict[str, Prompt] = {}
        for prompt in prompts:
            texts.setdefault(normalise(prompt[self._run.task.editable]), prompt)
        return list(texts.values())

    def _written(self, asked: Sequence[ChildRequest]) -> list[Proposal | None]:
        """The children of requests, in order; None for no use."""
        run, editable = self._run, self._run.task.editable
        parents = [parent for each in asked for parent in each.parents]
        texts = self._rewritten([(each.parents[0], each.request) for each in asked], parents)
        found: list[Proposal | None] = []
        for each, prompt in zip(asked, texts, strict=True):
            if prompt is None:
                found.append(None)
                continue
            # Of this request's examples alone: no others can have been quoted.
            guard = Quotes(each.shown, run.task.labels, run.initial)
            if each.shown and guard.new_in(prompt[editable], each.parents[0][editable]):
                run.reject(f"{each.operator}: quotes an example")
                found.append(None)
                continue
            if each.operator == "cross":
                # Other children keep what their parent shows; this one has two parents.
                prompt = prompt.with_demos(each.demos)
            found.append(Proposal(prompt, each.parents, each.operator))
        for _ in range(self._writings - 1):
            found = [None if each is None else self._with_first_turns(each) for each in self._written_again(found)]
        return found

    def _written_again(self, made: Sequence[Proposal | None]) -> list[Proposal | None]:
        """The children put in yet other words, where that gives what can be used; else as they are."""
        drafts = [None if each is None else each.prompt for each in made]
        written = again(
            drafts, lambda some: self._rewritten([(each, self._requests.rewrite(each)) for each in some], some)
        )
        return [
            None if each is None or prompt is None else replace(each, prompt=prompt)
            for each, prompt in zip(made, written, strict=True)
        ]

    def _rewritten(self, asked: Sequence[tuple[Prompt, str]], shown: Sequence[Prompt]) -> list[Prompt | None]:
        """For each (parent, request) what was written; None for no use. `shown`: all prompts in the requests."""
        if not asked:
            return []
        run = self._run
        longest = max(run.count_tokens(prompt[run.task.editable]) for prompt in shown)
        # A critique stands before the text, and a text may grow; more would only pay for rambling.
        sampling = Sampling(temperature=1.0, max_tokens=longest * 3 // 2 + 256)
        return rewrites(run, asked, sampling, who=_WHO, longest=self._longest, form=FORM)

    def _pruned(self, parent: Prompt) -> Proposal | None:
        """One sentence or list item less, whichever."""
        editable = self._run.task.editable
        parts = pieces(parent[editable])
        if len(parts) < 2:
            return None
        left_out = parts.pop(self._run.rng("prune").randrange(len(parts)))
        prompt = parent.replace(editable, "".join(parts).strip())
        return Proposal(prompt, (parent,), "prune", f"without {left_out.strip()!r}")

    def _place(self, prompt: Prompt) -> tuple[int, bool]:
        """How many demonstrations the layout of `prompt` may show, and whether as turns of the conversation."""
        task, layout = self._run.task, prompt.layout
        # Once a layout: to find out takes a rendering.
        if layout not in self._places:
            turns = shows_demos(task, layout) and shows_turns(task, layout)
            most = (AS_TURNS if turns else IN_TEXT) if self._most_demos is None else self._most_demos
            self._places[layout] = most if shows_demos(task, layout) else 0, turns
        return self._places[layout]

    def _showable(self, starts: Sequence[Prompt]) -> list[Example]:
        """The half of the training examples that demonstrations come from: what is shown cannot be scored on."""
        run = self._run
        if not any(self._place(start)[0] for start in starts):
            return []
        half = draw(run.rng("demonstrations"), run.train, len(run.train) // 2)
        return [each for each in half if each.target and run.count_tokens(each.target) <= LONGEST_TARGET]

    def _demonstrated(self, parent: Prompt) -> Proposal | None:
        """One demonstration more (half of the time), another one, or one less; as turns, twice or half as many."""
        rng, demos = self._run.rng("demonstrations"), list(parent.demos)
        most, turns = self._place(parent)
        if not most:
            return None
        # By inputs: shown with the model's own reply it is the same example still.
        unused = [example for example in self._pool if example.fields not in [demo.fields for demo in demos]]
        action = rng.choice(("add", "add", "exchange", "drop")) if demos else "add"
        # What cannot be done becomes the nearest that can, so that the draw is not lost.
        if action == "add" and (len(demos) >= most or not unused):
            action = "exchange"
        if action == "exchange" and not unused:
            action = "drop"
        if action == "add":
            more = min(self._step(len(demos), turns), most - len(demos))
            demos += self._added(parent, evenly(rng, unused, demos, more))
        elif action == "exchange":
            demos.pop(rng.randrange(len(demos)))
            demos += self._shown(parent, evenly(rng, unused, demos, 1))
        else:
            kept = len(demos) // 2 if turns else len(demos) - 1
            # As turns the first half stays: about what was there before the last doubling.
            demos = demos[: max(0, kept)] if turns else rng.sample(demos, kept)
        prompt = parent.with_demos(demos)
        return None if prompt == parent else Proposal(prompt, (parent,), "demo", f"{action}: {len(demos)} shown")

    def _added(self, parent: Prompt, examples: Sequence[Example]) -> list[Example]:
        """Those of `examples` that are shown beside what `parent` shows, as they are shown."""
        added = self._shown(parent, examples)
        # A large set of long inputs would be refused whole. Half of it is as even over the answers.
        while len(added) > 1 and self._run.crowded(parent.with_demos([*parent.demos, *added])) is not None:
            added = added[: len(added) // 2]
        return added

    def _with_first_turns(self, child: Proposal) -> Proposal:
        """The child, half of the time with a first set, where demonstrations stand as turns and it has none."""
        (most, turns), rng = self._place(child.prompt), self._run.rng("demonstrations")
        if child.prompt.demos or not (most and turns) or rng.random() >= FIRST_SHOWN:
            return child
        examples = evenly(rng, self._pool, (), min(self._step(0, turns), most))
        # The parent's own replies are at hand; the child has none yet.
        return replace(child, prompt=child.prompt.with_demos(self._added(child.parents[0].with_demos(()), examples)))

    def _step(self, shown: int, turns: bool) -> int:
        """How many demonstrations come to those that are shown."""
        if not turns or shown:
            return max(1, shown) if turns else 1
        return first_turns(self._run.task.labels) * self._run.rng("demonstrations").choice((1, 2, 4))

    def _shown(self, parent: Prompt, examples: Sequence[Example]) -> list[Example]:
        """With the model's own reply where that was right and says more than the answer, else with the bare target."""
        run = self._run
        own = {example.id: score for example, score in run.seen(parent) if score.value >= 1.0 and score.parsed}
        found: list[Example] = []
        for example in examples:
            reply = trimmed_reply(own[example.id]) if example.id in own else ""
            worth_showing = reply and reply != example.target and run.count_tokens(reply) <= LONGEST_REPLY
            found.append(Example(example.fields, reply) if worth_showing else with_target(example))
        return showable(run, found)


def pieces(text: str) -> list[str]:
    """The sentences and list items of a text, which joined give it back."""
    return [found for found in _SENTENCE_WITH_GAPS.findall(text) if found.strip()]


def _example_length(example: Example) -> int:
    return sum(len(value) for _, value in example.fields)
