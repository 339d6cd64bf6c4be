"""Searches by OptoPrime with a scripted proposer, and replies in its form."""

from __future__ import annotations

import random

from promptopt.optimizers.optoprime.method import OptoPrime
from promptopt.types import Request
from tests.optimizers.graph_searches import WORDS, section_of, text_of

ONE = OptoPrime(rounds=1, minibatch=3)


def named(value: str, name: str = "instruction") -> str:
    return f"It lacks a word.\n<name>{name}</name>\n<value>\n{value}\n</value>"


def author(request: Request) -> str:
    text = text_of(request)
    return named(f"{section_of(text)} {random.Random(f'{text}{request.seed}').choice(WORDS)}")
