"""The scan of a prompt before it is used: what it took from data, and whom it speaks to besides the model.

Findings are what a prompt holds and the one it comes from does not: what a user wrote is the user's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from promptopt.evaluators.leak import find_leaks
from promptopt.outcome.injections import hidden, injections
from promptopt.protocols import Task
from promptopt.tasks.contract import contract_in
from promptopt.tasks.parts import editables_of
from promptopt.tasks.personal import is_personal, pattern_of, personal_in
from promptopt.types import Example, Prompt

_TITLE_PATTERN = (
    "mr|mrs|ms|miss|dr|prof|herrn?|frau|monsieur|madame|mme|señora?|sra?|signora?|sig|mevrouw|meneer|pani?|fru|herra"
    "|rouva"
)


def findings_in(prompt: Prompt, start: Prompt, task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
    """The findings in all editable parts of `prompt`, but for what `start` or the contract's `may_contain` holds."""
    contract = contract_in(task)
    return tuple(
        each
        for part in editables_of(task)
        for each in findings(
            prompt[part], "\n".join((start[part], *contract.allowed_in(part))), examples, task.labels
        )
    )  # fmt: skip


def findings(text: str, before: str, examples: Sequence[Example], labels: Collection[str] = ()) -> tuple[str, ...]:
    """A sentence for each thing that `text` holds and `before` does not; empty where all is well.

    `examples`: those that the search could see. Eight words in a row of an input or a target; personal data and keys;
    names of customers; words that turn the model, or speak to a judge; characters that nobody sees.
    """
    found = find_leaks(text, examples, labels, before=before)
    mine = set(personal_in(before))
    kinds = dict.fromkeys(kind for kind, value in personal_in(text) if (kind, value) not in mine)
    found += [f"holds what looks like personal data or a secret ({kind})" for kind in kinds]
    found += _personal_values(text, before, examples)
    found += [*injections(text, before), *hidden(text, before)]
    return tuple(found)


def _personal_values(text: str, before: str, examples: Sequence[Example]) -> list[str]:
    """Values of variables that are personal by their name: whoever the prompt talks to next is another customer."""
    seen: dict[str, str] = {}
    for example in examples:
        for name, value in example.fields:
            # Two letters or digits stand in any text by chance.
            if is_personal(name) and len(value.strip()) > 2:
                seen.setdefault(value.strip(), name)
    # A line break, or a space of another width, parts a name as well.
    text, before = (" ".join(_in_plain_letters(each).split()) for each in (text, before))
    said: list[str] = []
    for value, name in seen.items():
        patterns: list[re.Pattern[str] | None] = []
        named = "name" in name.casefold()
        for spelt in dict.fromkeys(map(_in_plain_letters, (value, *([value.translate(_UMLAUTS)] if named else ())))):
            patterns += [pattern_of(" ".join(spelt.split())), _other_spellings(spelt) if named else None]
        if any(each.search(text) and not each.search(before) for each in patterns if each is not None):
            said.append(f"holds the {name} of a customer")
    return list(dict.fromkeys(said))


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa", "ø": "oe"})
_BARE_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "æ": "ae", "’": "'", "ʼ": "'", "‘": "'"}
)


def _in_plain_letters(text: str) -> str:
    """Latin letters without their marks and one kind of apostrophe: a name is written either way."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFD", text.translate(_BARE_LETTERS))
    return unicodedata.normalize("NFC", _LATIN_MARK.sub(r"\1", apart))


_LATIN_MARK = re.compile("([A-Za-z])[\u0300-\u036f]+")


def _other_spellings(name: str) -> re.Pattern[str] | None:
    """What finds a name of several words turned round (`Gruber, Ann`), hyphened, or its last word behind a title."""
    words = [re.escape(word) for word in name.split()]
    if len(words) < 2 or not all(word[0].isalpha() for word in name.split()):
        return None
    turned = rf"{words[-1]},? {'[ -]'.join(words[:-1])}"
    # Behind another word, for `A.` begins an item of a list, too.
    initial = rf"(?<=\w )(?-i:{words[0][0]}\. {words[-1]})"
    return re.compile(
        rf"(?<!\w)(?:{turned}|{'-'.join(words)}|(?:{_TITLE_PATTERN})\.? {words[-1]}|{initial})(?!\w)", re.IGNORECASE
    )
