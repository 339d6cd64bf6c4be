"""Whether a prompt's demonstrations leave room for the input and the reply in a model's context."""

from __future__ import annotations

from collections.abc import Callable

from promptopt.protocols import Bounded, Model, Task, Tokenizer
from promptopt.tasks.contract import contract_in
from promptopt.tasks.parts import editables_of
from promptopt.text import counted
from promptopt.types import Prompt

PER_MESSAGE = 8
"""Tokens that a chat template writes around a message, at most: 5 in Qwen2.5's and in Llama 3's."""


def broken_by(task: Task, prompt: Prompt, model: Model, count_tokens: Callable[[str], int]) -> str | None:
    """Which rule of the task's a candidate breaks, in a few words; that it has to fit the model's context is one."""
    broken = task.broken_by(prompt, count_tokens)
    if broken is None and crowded(task, prompt, model) is not None:
        broken = "demonstrations do not fit the model's context"
    return broken


def start_over_cap(task: Task, start: Prompt, count_tokens: Callable[[str], int]) -> str:
    """A sentence where the start is longer than the contract lets a prompt be; empty where it is not.

    No error: whoever wants a shorter prompt sets such a cap.
    """
    for part in editables_of(task):
        most = contract_in(task).most_tokens(part)
        tokens = 0 if most is None else count_tokens(start[part])
        if most is not None and tokens > most:
            return (
                f"the start has {counted(tokens, 'token')}, and the contract lets no prompt have more than {most:,}: "
                f"only shorter ones are tried, and where none of them is better the start is kept, which breaks it"
            )
    return ""


def crowded(task: Task, prompt: Prompt, model: Model) -> str | None:
    """What is wrong, as a sentence, where the demonstrations do not fit beside the longest input and reply; else None.

    None too for a prompt without demonstrations, and for a model whose context or tokens are unknown. Inputs are those
    of train and dev. Templates are counted by rule, so a prompt that nearly fills the context may be refused.
    """
    if not prompt.demos or not isinstance(model, Bounded) or not isinstance(model, Tokenizer):
        return None
    examples = (*task.train, *task.dev)
    if not examples:
        return None
    longest = max(examples, key=lambda example: sum(len(value) for _, value in example.fields))
    content, _ = task.render(prompt, longest)
    texts = [content] if isinstance(content, str) else [message.content for message in content]
    beside = PER_MESSAGE * len(texts) + task.sampling.max_tokens
    # A token has at least one octet, so most prompts are let through without being tokenized.
    if beside + sum(len(text.encode("utf-8", "replace")) for text in texts) <= model.context:
        return None
    needed = beside + sum(map(model.count_tokens, texts))
    if needed <= model.context:
        return None
    return (
        f"the prompt's {counted(len(prompt.demos), 'demonstration')}, the longest input and reply need about "
        f"{counted(needed, 'token')}, "
        f"and {model.name!r} holds {model.context:,}; show fewer, or use a model with a longer context"
    )
