"""Options that a reply judges one by one, joins or denies in other scripts, or names after weighing them."""

from __future__ import annotations

import pytest

from promptopt.evaluators.options import choice

READ = {
    # A verdict in words for each.
    "A) Incorrect\nB) Incorrect\nC) Correct\nD) Incorrect": "(C)",
    "A: False\nB: True\nC: False": "(B)",
    "| Option | Verdict |\n|---|---|\n| A | wrong |\n| B | correct |": "(B)",
    '{"A": "wrong", "B": "right"}': "(B)",
    "A) True\nB) True\nC) False": None,
    "A) Wrong\nB) Correct": "(B)",
    # The options themselves, said again; and what only begins as a verdict does.
    "A) True\nB) False\nI choose B": "(B)",
    "A) True\nB) False\n\n**B**": None,
    "A. True\nB. False": None,
    # Options give no reasons.
    "A) True because water boils.\nB) False because it does not.": "(A)",
    "A) Correct - the sky is blue.\nB) Incorrect - the sea is not.": "(A)",
    "A. Right hand\nB. Wrong side\nC": None,
    # Where the false one is asked for, the answer is what is announced.
    "A) True\nB) False\nC) False\nAnswer: C": "(C)",
    '{"A": 0.1, "B": 0.7, "C": 0.2}': None,
    # What joins and denies where words have no spaces.
    "答案是B和C": None,
    "答案是B或者是C": None,
    "答案是(B)以及(C)": None,
    "正解はBとCです": None,
    "B 또는 C": None,
    "الجواب هو B أو C": None,
    "我选择A，因为B不对。": "(A)",
    "答案是C，不是B。": "(C)",
    "應該選擇 D，而不是 C": "(D)",
    "正解はBで、Aは誤りです。": "(B)",
    "BではなくCです": "(C)",
    "B가 아니라 C": "(C)",
    "答案是B，C也正确。": None,
    "B是错的，D是对的": "(D)",
    "A正确，B错误。": "(A)",
    "本题选B，A、C错误。": "(B)",
    "我选B不选C": "(B)",
    "B不是答案": None,
    "Aは誤りで、Bが正しい": "(B)",
    "B、C正确": None,
    # A line of its own below sentences; certainty beside the letter.
    "Could be (B). Option A is wrong.\n\nC": "(C)",
    "Both (A) and (B) fit.\nC\nD": None,
    "Definitely C": "(C)",
    "Probably B.": "(B)",
    "B only": "(B)",
    "D fits best.": "(D)",
    "A makes the most sense.": "(A)",
    "B works best here.": "(B)",
    "B fits all criteria.": "(B)",
    "A only": "(A)",
    "A only because the others are false.": "(A)",
    "B fits well.": "(B)",
    "Only B fits the data.": "(B)",
    "C fits all of the clues.": "(C)",
    "B fits perfectly with the passage.": "(B)",
    "B makes the most sense in this context.": "(B)",
    "D makes the most sense given the clues.": "(D)",
    "B makes the most sense here, but the rest cannot be ruled out.": None,
    "B fits well, but C may too.": None,
    # A concession takes nothing back.
    "B makes the most sense, although C is close.": "(B)",
    "B fits best, though A is close.": "(B)",
    "B fits, though not perfectly.": "(B)",
    # What these verbs say of a thing that a letter names, or take back.
    "Machine B works for 3 hours.": None,
    "Company B works with supplier C.": None,
    "The key B fits the lock.": None,
    "B matches nothing.": None,
    "A makes sense, but B is better.": None,
    "I only see the first part, so I cannot tell.": None,
    "The answer is I only": None,
    "Here is my thought process: (B) or (A)? Here is my response: C": "(C)",
    "<label>C</label>": "(C)",
    # Marks of question and answer, and numerals.
    "Q: Which one?\nA: B": "(B)",
    "Q: Which? A": None,
    "Statement I is true.": None,
    "Answer: I and II": None,
    "Answer: I": "(I)",
}


@pytest.mark.parametrize("reply", READ)
def test_the_option_that_is_meant_is_read(reply: str) -> None:
    assert choice(reply) == READ[reply]
