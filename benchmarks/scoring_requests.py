"""What `benchmarks.scoring` has scored: one instruction, and examples of it."""

from __future__ import annotations

from promptopt.types import ScoreRequest

RULES = [
    "Read what a customer of a shop for garden tools wrote, and say how the customer feels about it.",
    "Go by what is written, not by what one would expect of such a customer.",
    "A customer who praises the tool but complains of its price is not happy.",
    "A customer who had trouble, was helped, and says thank you is happy in the end.",
    "Irony counts as what is meant by it: great, broken again, is a complaint.",
    "Where the message only asks a question, think of how it is asked.",
    "Short answers are best, and nothing needs to be explained.",
    "Do not let the name of the product or the length of the message decide.",
    "Words in capital letters are louder, and not always angrier.",
]
THINGS = ("spade", "rake", "hose", "ladder", "lawn mower", "hedge trimmer", "wheelbarrow", "watering can")
SAID = ("came two days late and", "is what I wanted, though", "broke in my hands, but", "looks cheap; still,")
ENDS = ("I would order it again.", "I want my money back.", "my neighbour likes it.", "nobody answers me.")
LABELS = (" good", " bad")
TARGET = " a customer who is not happy now."


def requests(count: int, rules: int, continuations: tuple[str, ...], turn: int = 0) -> list[ScoreRequest]:
    """`count` examples after one instruction of so many times the rules; each turn has an instruction of its own."""
    instruction = f"Shop {turn}. " + " ".join(RULES * rules) + "\n\n"
    found: list[ScoreRequest] = []
    for number in range(count):
        thing, said, end = THINGS[number % 8], SAID[number // 8 % 4], ENDS[number // 32 % 4]
        text = f"{instruction}Message {number}: the {thing} {said} {end}\nFeeling:"
        found.append(ScoreRequest(text, continuations, shared=len(instruction)))
    return found
