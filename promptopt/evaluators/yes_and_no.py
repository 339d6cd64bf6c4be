"""Yes and no as models write them: words that mean one thing in every language that they are of, and marks."""

from __future__ import annotations

_YES = """
    yes yeah yep true y 1 ✓ ✔ ✅
    ja jawohl oui sí sì si sim tak да 是 是的 はい 예 네 evet igen ναι نعم כן हाँ हां
"""
_NO = """
    no nope false n 0 ✗ ✘ ❌
    nein nee nej nei non não nao nie нет ні 否 不是 いいえ 아니요 아니오 hayır nem όχι لا לא नहीं
"""
YES, NO = frozenset(_YES.split()), frozenset(_NO.split())
