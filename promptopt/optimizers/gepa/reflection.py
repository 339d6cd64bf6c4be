"""From a parent and what it scored on a minibatch to a child: its texts rewritten by the reflector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.drafts import placeholders, words_allowed
from promptopt.operators.quotes import Quotes
from promptopt.operators.reflect import Mistake, show_task
from promptopt.operators.rewrite import revisions
from promptopt.operators.traces import records_of
from promptopt.optimizers.gepa.pool import CandidatePool
from promptopt.optimizers.gepa.requests import FORM, KEEP_PLACES, REFLECTOR, show_records
from promptopt.run import Run
from promptopt.tasks.parts import editables_of, focused
from promptopt.types import Example, Prompt, Proposal, Sampling, Score


@dataclass(frozen=True, slots=True)
class Rollout:
    """A parent by its number, its minibatch, and what it scored there."""

    parent: int
    slice: tuple[Example, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """A rewritten prompt, and the rollout of its parent that it is held against."""

    prompt: Prompt
    rollout: Rollout


class Reflector:
    """Writes children of the pool's prompts."""

    def __init__(
        self, run: Run, pool: CandidatePool, quotes: Quotes, *, every: bool, longest: int, sampling: Sampling
    ) -> None:
        """`every`: each child has all its texts rewritten, else one. `longest`: tokens that a text may have."""
        self._run, self._pool, self._quotes = run, pool, quotes
        self._every, self._longest, self._sampling = every, longest, sampling

    def children(self, rollouts: Sequence[Rollout]) -> list[Child]:
        """A child for each parent of which a usable text was written; all texts are asked for at once."""
        asked: list[tuple[Rollout, str, str]] = []
        for rollout in rollouts:
            for part in self._parts(rollout.parent):
                records = records_of(part, rollout.slice, rollout.scores)
                # A text that took no part in any of these cells has nothing to answer for.
                if records:
                    request = self._request(self._pool.prompts[rollout.parent], part, records)
                    asked.append((rollout, part, request))
        texts = revisions(
            self._run,
            [(self._pool.prompts[rollout.parent], part, request) for rollout, part, request in asked],
            self._sampling,
            who="reflector",
            longest=self._longest,
            quotes=self._quotes,
            form=FORM,
        )
        children: dict[Prompt, Child] = {}
        for rollout in rollouts:
            parent = prompt = self._pool.prompts[rollout.parent]
            changed: list[str] = []
            for (of, part, _), text in zip(asked, texts, strict=True):
                if of is rollout and text is not None:
                    prompt, changed = prompt.replace(part, text), [*changed, part]
            # The code knows duplicates within an iteration only, and would score this one on all V again.
            if prompt in self._pool.prompts and changed:
                self._run.reject("reflector: in the pool already")
            elif changed and self._run.admit([Proposal(prompt, (parent,), "reflector", ", ".join(changed))]):
                # Where two parents come to one text, it is held against the first.
                children.setdefault(prompt, Child(prompt, rollout))
        return list(children.values())

    def _parts(self, parent: int) -> tuple[str, ...]:
        """The texts that are rewritten; the parent's pointer moves on, whatever comes of it."""
        parts = editables_of(self._run.task)
        if self._every:
            return parts
        place = self._pool.pointers[parent]
        self._pool.pointers[parent] = (place + 1) % len(parts)
        return (parts[place],)

    def _request(self, parent: Prompt, part: str, records: Sequence[Mistake]) -> str:
        section = parent[part]
        kept = placeholders(section)
        return REFLECTOR.render(
            {
                "task": show_task(focused(self._run.task, part), parent),
                "section": section,
                "records": show_records(part, records),
                "keep": f"{KEEP_PLACES}{', '.join(kept)}." if kept else "",
                "words": str(words_allowed(self._run.task, part, section, self._longest, self._run.count_tokens)),
            }
        )
