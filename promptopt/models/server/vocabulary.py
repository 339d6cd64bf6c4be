"""The texts of tokens, from how a vocabulary writes them: bytes in disguise, or ▁ for a space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def token_texts(pieces: Sequence[str | bytes], text: str) -> tuple[str, ...] | None:
    """The text of each of `pieces`, which together spell `text`; None where they cannot be read so.

    `pieces`: bytes, or strings of a byte-level vocabulary (GPT-2's alphabet: Ġ for a space) or of SentencePiece (▁ for
    a space, <0x0A> for a byte). What stands before the text (a BOS, a space that the tokenizer adds) is let pass. Bytes
    that are only a part of a character read as U+FFFD.
    """
    for read in (_from_alphabet, _from_sentencepiece):
        found = [piece if isinstance(piece, bytes) else read(piece) for piece in pieces]
        if found and b"".join(found).endswith(text.encode()):
            return tuple(piece.decode("utf-8", "replace") for piece in found)
    return None


def _from_alphabet(piece: str) -> bytes:
    # Markers are written as they are, in whatever letters.
    alphabet = _alphabet()
    return b"".join(bytes([alphabet[letter]]) if letter in alphabet else letter.encode() for letter in piece)


def _from_sentencepiece(piece: str) -> bytes:
    byte = _BYTE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte is not None else piece.replace("▁", " ").encode()


@cache
def _alphabet() -> dict[str, int]:
    """The letters that stand for bytes in GPT-2's vocabulary: themselves where visible, else 256 and up, in order."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + place): byte for place, byte in enumerate(hidden)}
