"""Methods that edit what is there, where nothing is."""

from __future__ import annotations

from collections.abc import Iterable

from promptopt.errors import ConfigError


def refuse_empty(texts: Iterable[str], does: str) -> None:
    """Raise ConfigError where no text has a word in it. `does`: what the method does to texts, as "rewords"."""
    if not any(text.strip() for text in texts):
        raise ConfigError(
            f"the prompt is empty, and this method {does} what is there; begin with a sentence, or use a method that "
            f"writes prompts, such as `auto` or `sprig`"
        )
