"""Neighbours of a prompt: its editable part with one phrase, or a few, deleted, swapped, substituted or put back.

Source   Pan et al. 2024, Plum, arXiv:2311.08364; Prasad et al. 2023, GrIPS, arXiv:2203.07281. That attempts are bounded
         and repeats left out is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.optimizers.plum.edits import Bank, PhraseEdit, active, apply, draw_edit, settle, substitute
from promptopt.optimizers.plum.paraphrases import SAMPLING, Paraphraser
from promptopt.optimizers.plum.phrases import RULES, Chunker, Phrases, RuleChunker, cut_phrases, frozen_texts, protected
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.tasks.parts import editables_of
from promptopt.types import Prompt, Proposal, Sampling

EDITS_TRIED = 5
"""Edits tried for each neighbour wanted, at most. Ours."""


@dataclass(frozen=True, slots=True)
class Editing:
    """How a prompt becomes its neighbours."""

    neighbours: int | None = None
    """m, neighbours an iteration; None: by the budget. The paper's command lines: 10; its code's default: 5."""
    chain: int = 1
    """l, edits that lie between a prompt and its neighbour. Paper, code."""
    chunker: Chunker = RULES
    """What cuts the prompt; `edit.chunker.level` is phrase (paper), word, sentence or span."""
    paraphrases: int = 10
    """Variants asked for each phrase, of which one is drawn. Code."""
    sampling: Sampling = SAMPLING
    """How the proposer is asked for them. Ours."""

    def __post_init__(self) -> None:
        within(self, chain=(1, math.inf), paraphrases=(1, math.inf))
        within(self, neighbours=(1, math.inf))


EDITING = Editing()
FEWEST_PHRASES = 3
"""Editable phrases below which words are deleted and swapped: two leave next to nothing to choose from. Ours."""
WORD_CHUNKER = RuleChunker("word")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A prompt, and the edits that made it of another one."""

    prompt: Prompt
    edits: tuple[PhraseEdit, ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    text: str
    bank: Bank
    edits: tuple[PhraseEdit, ...] = ()


class Editor:
    """Edits prompts of one run: cuts them, draws the edits, has phrases paraphrased, and admits what can be used."""

    def __init__(self, run: Run, settings: Editing, *, renewed: bool = False) -> None:
        """Draws from the run's streams "edits" and "chunks". `renewed`: as of `Paraphraser`."""
        self._run, self._settings = run, settings
        self._frozen = frozen_texts(run.task)
        self._kept = {part: self._protected(run.initial[part]) for part in editables_of(run.task)}
        self._paraphraser = Paraphraser(run, settings.paraphrases, settings.sampling, renewed=renewed)
        self._failed: dict[str, None] = {}
        # On a fixed set a prompt that comes up again is free; on fresh examples it would be looked at anew.
        self._seen: dict[tuple[tuple[str, str], ...], None] | None = {} if renewed else None

    def neighbours(self, base: Prompt, bank: Bank, wanted: int) -> list[Neighbour]:
        """Up to `wanted` different neighbours of `base`, each from an edit of its own, within 5 attempts for each."""
        self._failed.clear()
        found: dict[Prompt, Neighbour] = {}
        # The code draws until it has enough: for ever, where it takes a prompt in another script for an empty one.
        left = EDITS_TRIED * wanted
        while len(found) < wanted and left:
            count = min(wanted - len(found), left)
            left -= count
            for draft in self._drafts(base[self._run.task.editable], bank, count):
                operator = "+".join(dict.fromkeys(edit.kind for edit in draft.edits))
                note = "; ".join(edit.describe() for edit in draft.edits)
                prompt = self.admit(draft.text, (base,), operator, note)
                if prompt is not None:
                    found.setdefault(prompt, Neighbour(prompt, draft.edits))
        self.explain(bool(found))
        return list(found.values())

    def cut(self, text: str) -> Phrases:
        """The phrases of a text, or its words where they are too few."""
        return self._finer(self._phrases(text))

    def carry_out(self, drawn: Sequence[tuple[Phrases, PhraseEdit]]) -> list[tuple[str, PhraseEdit] | None]:
        """Make the edits, each of its own phrases; None where a phrase has no paraphrase. Asks for all of them at once.

        Gives each text with its edit, which now says what was put in.
        """
        rng = self._run.rng("edits")
        wanted = [(edit.old, phrases.sentence(edit.at[0])) for phrases, edit in drawn if edit.kind == "sub"]
        variants = iter(self._paraphraser.variants(wanted))
        made: list[tuple[str, PhraseEdit] | None] = []
        for phrases, edit in drawn:
            known = substitute(edit, next(variants) if edit.kind == "sub" else (), rng)
            if isinstance(known, str):
                self.fail(known)
                made.append(None)
            else:
                made.append((apply(phrases, known), known))
        return made

    def admit(self, text: str, parents: Sequence[Prompt], operator: str, note: str) -> Prompt | None:
        """The first parent with `text` as its editable part, made a candidate; None where it cannot be one."""
        editable = self._run.task.editable
        prompt = parents[0].replace(editable, text)
        if prompt in parents:
            self.fail(f"{operator}: changes nothing")
        elif not any(map(str.isalpha, text)):
            self.fail(f"{operator}: no letter left")
        # As lists: nothing protected is lost, repeated, or in another place among the others.
        elif self._protected(text) != self._kept[editable]:
            self.fail(f"{operator}: protected text changed")
        else:
            if self._seen is not None:
                if prompt.texts in self._seen:
                    self.fail(f"{operator}: seen before")
                    return None
                self._seen[prompt.texts] = None
            if self._run.admit([Proposal(prompt, tuple(parents), operator, note)]):
                return prompt
            self._failed[f"{operator}: the task's contract"] = None
        return None

    def fail(self, reason: str) -> None:
        """Count an edit that came to nothing."""
        self._run.reject(reason)
        self._failed[reason] = None

    def explain(self, succeeded: bool) -> None:
        """Close a batch of edits: where none of them could be used, tell the user why."""
        if not succeeded and self._failed:
            self._run.warn(f"a prompt had no neighbour that could be used ({', '.join(self._failed)})")
        self._failed.clear()

    def _drafts(self, text: str, bank: Bank, count: int) -> list[_Draft]:
        """The texts after `count` chains of edits; the text is cut anew after every edit."""
        drafts = [_Draft(text, bank)] * count
        for _ in range(self._settings.chain):
            cuts: dict[str, tuple[Phrases, Phrases]] = {}
            drawn: list[tuple[_Draft, Phrases, PhraseEdit]] = []
            for draft in drafts:
                # Once a text: a chunker that draws cuts it alike for all drafts of this step.
                if draft.text not in cuts:
                    phrases = self._phrases(draft.text)
                    cuts[draft.text] = phrases, self._finer(phrases)
                found = self._drawn(*cuts[draft.text], draft.bank)
                if isinstance(found, str):
                    self.fail(found)
                else:
                    drawn.append((draft, *found))
            made = self.carry_out([(phrases, edit) for _, phrases, edit in drawn])
            drafts = [
                # What this chain deletes is not in the bank before the neighbour is accepted.
                _Draft(done[0], settle(draft.bank, [done[1]] if done[1].kind == "add" else []), (*draft.edits, done[1]))
                for (draft, _, _), done in zip(drawn, made, strict=True)
                if done is not None
            ]
        return drafts

    def _phrases(self, text: str) -> Phrases:
        """The phrases of a text; by rule, and with a warning, where the chunker fails on it."""
        chunker, rng = self._settings.chunker, self._run.rng("chunks")
        try:
            return cut_phrases(text, chunker, rng, self._frozen)
        except Exception as cause:  # noqa: BLE001 - a chunker is anybody's code, often a parser
            name, what = type(chunker).__name__, f"{type(cause).__name__}: {cause}"
            self._run.warn(f"the chunker {name} failed on a prompt, which was cut by rule instead ({what})")
            return cut_phrases(text, RULES, rng, self._frozen)

    def _finer(self, phrases: Phrases) -> Phrases:
        chunker = self._settings.chunker
        # A chunker that was set to another level, or is the user's own, is taken at its word.
        few = len(phrases.editable) < FEWEST_PHRASES and isinstance(chunker, RuleChunker) and chunker.level == "phrase"
        return cut_phrases(phrases.text, WORD_CHUNKER, self._run.rng("chunks"), self._frozen) if few else phrases

    def _drawn(self, phrases: Phrases, finer: Phrases, bank: Bank) -> tuple[Phrases, PhraseEdit] | str:
        """An edit and what it is made in, or why there is none: a phrase is paraphrased whole, also where it is cut."""
        rng = self._run.rng("edits")
        edit, source = draw_edit(finer, active(bank), bank, rng), finer
        if isinstance(edit, PhraseEdit) and edit.kind == "sub" and finer is not phrases:
            edit, source = draw_edit(phrases, ("sub",), bank, rng), phrases
        return edit if isinstance(edit, str) else (source, edit)

    def _protected(self, text: str) -> list[str]:
        return [text[start:end] for start, end in protected(text, self._frozen)]
