"""What servers write when they refuse one request for good: too long for the context, or filtered.

Each has its own words, so sentences are read and not codes alone. What is found here counts as one request's outcome;
what is not ends the run, or is tried again. A word such as "context window" by itself says nothing: a setting may be
called so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from promptopt.types import Finish

_LENGTHS = (
    r"(context (size|length|window|limit)|(model|prompt|input|sequence|token) length|length of the (messages|prompt)"
    r"|\b(?<!max_)tokens\b|token (count|limit)|`inputs`|max_(model_len|seq_len|input_len|input_length|total_tokens)"
    r"|max_position_embeddings)"
)
_EXCEEDS = (
    r"(exceed(s|ed|ing)?\b|too (long|large|many|big)|(longer|larger|greater|more) than|overflow"
    r"|supports? (only )?up to|must be (<=|≤|less than)|must have less than|cannot be longer|over the (limit|maximum)"
    r"|reduce the (length|number|size)|does not fit|doesn't fit|超长|超出|超过)"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context_window_exceeded|string_above_max_length|ContextWindowExceeded"
    r"|maximum (context|prompt|input|model) length (is|of) \d|(prompt|input)s?( is| are)? too (long|large)|Prompt 超长"
    r"|\btokens\b[^.!?\n]{0,40}\b(limit|maximum)( is| of) \d|\blength (of )?\d+ ?> ?\d|(larger|longer) than the context"
    r"|maximum (allowed |permitted )?(prompt|input)( size)? (is|of) \d"
    r"|max_(completion_)?tokens must be at least 1, got (-\d|0)"
    r"|(长度|上下文|字数)[^。\n]{0,20}(超|过长)|超[^。\n]{0,20}(长度|上下文|字数)|输入过长|(입력|컨텍스트)[^.\n]{0,30}초과|コンテキスト[^。\n]{0,30}超"
    r"|range of input length should be|please reduce the length|expected maxLength: \d|string[_ ]too[_ ]long"
    r"|(exceeds?|over|above) (the )?max(imum)? length|max(imum)? input characters|input is too (large|long) to process"
    r"|dépasse la longueur maximale|(Eingabe|Prompt|Anfrage) ist zu lang|превышен\w*[^.!?\n]{0,60}(токен|контекст)"
    rf"|{_LENGTHS}[^!?\n]{{0,120}}{_EXCEEDS}|{_EXCEEDS}[^!?\n]{{0,120}}{_LENGTHS}",
    re.IGNORECASE,
)
_OVERRUN = r"(context (size|length|window|limit)|prompt|sequence length)"
_CONTEXT_OVERRUN = re.compile(
    rf"context_length_exceeded|exceed_context_size|{_OVERRUN}[^.!?\n]{{0,60}}{_EXCEEDS}"
    rf"|{_EXCEEDS}[^.!?\n]{{0,60}}{_OVERRUN}|max_(completion_)?tokens must be at least 1, got (-\d|0)"
    r"|context shift is disabled|input is too (large|long) to process",
    re.IGNORECASE,
)
"""What a status that may also be an outage has to say: fewer words will do."""
_TIME = re.compile(r"deadline|time(d)?[ -]?(out|limit)|quota|\brate\b|capacity|out of memory", re.IGNORECASE)
"""What else can be exceeded: such a request may be answered later."""
_RATE = re.compile(
    r"\brate[ _-]?limit|\bper[ _-](minute|second|hour|day)\b|\b[TR]P[MD]\b|too many requests|throttl", re.IGNORECASE
)
"""What some gateways say with 400: there are too many tokens, but not in this request."""
# `max_tokens is too large: 100000`
_REPLY = re.compile(
    r"max_(completion_|new_|output_)?tokens\W[^!?\n]{0,60}(too large|at most|less than|<=|exceed|greater)", re.I
)
_ABOUT_INPUT = re.compile(r"context|prompt|inputs?\b|messages", re.IGNORECASE)
"""Without a word of what is read, the reply alone is too long: a setting of the user's, and no fault of a request."""

_TEXT_NOUN = r"(inputs?|outputs?|prompts?|contents?|messages?|completion|texts?)"
_BAD = (
    # Not "model names are case-sensitive".
    r"(flagged|blocked|inappropriate|harmful|unsafe|(?<!case[- ])sensitive|prohibited|high[- ]risk|disallowed"
    r"|moderat\w+|violat\w+[^.!?\n]{0,40}(polic|guideline|terms|safety))"
)
_FILTERED = re.compile(
    r"content[_ -]?filter|content_policy|content policy|content management policy|invalid_prompt|content exists risk"
    r"|data_?inspection_?failed|inappropriate content|moderation_blocked|requires moderation|flagged_input"
    r"|\bNSFW\b|policy[_ ]violation|jailbreak|prompt[_ ](injection|shield)|llama[ _-]?guard|model[ _]armor|\btoxicity\b"
    r"|blocked (due to|for|by)[^.!?\n]{0,30}\bsafety|trust (&|and) safety|内容安全"
    r"|safety (system|check|filter|guidelines)|SAFETY_CHECK|responsible[ _]?ai|usage guidelines"
    r"|considered high risk|PROHIBITED_CONTENT|new_sensitive|sensitive_words|blocked by [^.!?\n]{0,20}guardrail"
    r"|guardrail[^.!?\n]{0,40}(blocked|intervened|triggered|violat)|violated[^.!?\n]{0,30}(guardrail|moderation)"
    r"|blocked entity|\bPII (was )?detected|request (was )?flagged|prohibited words"
    r"|content[_ ]?security|blocked due to security"
    r"|敏感(内容|词|信息)|违规内容|内容违规|不安全",
    re.IGNORECASE,
)
_LIKELY_FILTERED = re.compile(
    rf"usage polic|{_TEXT_NOUN}\b[^.!?\n]{{0,80}}\b{_BAD}|{_BAD}\b[^.!?\n]{{0,40}}\b{_TEXT_NOUN}", re.IGNORECASE
)
_ACCOUNT = re.compile(r"\b(account|organi[sz]ation|api[ _-]?key|billing|country|region|ip address)\b", re.IGNORECASE)
"""Who asks is refused, not what is asked."""
_REFUSES_ROLE = re.compile(
    r"(system|developer)['\"]? ?(role|message|instruction|prompt)s?[^.!?\n]{0,60}"
    r"(not (supported|allowed|enabled|accepted|available)|unsupported|isn't supported)"
    r"|(unsupported|unexpected|unknown|invalid)[^.!?\n]{0,30}\brole|roles must alternate|only user and assistant roles"
    r"|\brole\b[^.!?\n]{0,60}(should be|must be|is not one of)|'(system|developer)' is not one of"
    # A parameter is named as a path: messages[0].role.
    r"|\brole\b[^.!?\n]{0,30}((does not|doesn't|do not) (support|accept|allow|take)|not (supported|allowed|accepted))"
    r"|invalid value: ['\"]?(system|developer|assistant)\b|\balternate between\b"
    r"|(does not|doesn't|cannot) (support|accept|allow|take)( an?| the| any)? ['\"]?(system|developer|assistant)\b",
    re.IGNORECASE,
)
_PATH = re.compile(r"\b(completions?|chat|endpoints?|paths?|routes?)\b", re.IGNORECASE)
_REFUSES_ASSISTANT_TURN = re.compile(
    r"(unexpected|unsupported|unknown|invalid (role|value)|(does not|doesn't) (support|accept|allow|take))"
    r"[^!?\n]{0,40}\bassistant\b"
    r"|\bassistant\b['\"]?[^.!?\n]{0,30}\b(is not|are not|isn't|not|unsupported)\b",
    re.IGNORECASE,
)
"""What is refused is a reply among the messages: a demonstration that is a turn of its own."""
_SCOPE = re.compile(r"\bscopes?\b|permission", re.IGNORECASE)
_FINISHES: dict[str, Finish] = {
    "length": "length", "max_tokens": "length", "max_output_tokens": "length", "model_length": "length",
    "max_new_tokens": "length", "max_length": "length", "model_context_window_exceeded": "length",
    "content_filter": "filter", "content_filtered": "filter", "safety": "filter", "recitation": "filter",
    "blocklist": "filter", "prohibited_content": "filter", "spii": "filter", "sensitive": "filter",
    "moderation": "filter", "guardrail_intervened": "filter", "image_safety": "filter", "flagged": "filter",
    "language": "filter",
    "refusal": "refusal",
}  # fmt: skip
_FILTERS = re.compile(
    r"content_(filter|policy|risk|safety)|safety|prohibited|blocklist|moderat|sensitive|toxic|guardrail|recitation|copyright"
    r"|(^|_)(risk|s?pii|block(ed)?|refused|unsupported_language)(_|$)"
)
_CUTS = re.compile(
    r"(^|_)max_(\w+_)?(tokens?|length|len|context)(_|$)|(length|token|context)_(limit|window|length)|^context_length"
    r"|^error_limit$|truncated|^incomplete$|(^|_)(max_time|time_limit)(_|$)"
)
_BREAKS = re.compile(
    r"(^|_)(error|abort(ed)?|cancel(l?ed)?|failed|failure|timeout|timed_out|overloaded|unavailable|rate_limit(ed)?"
    r"|out_of_memory|oom|interrupted|exception|unloaded|dead|killed|disconnect(ed)?|shut_?down|user_stopped)(_|$)"
)
# `maxTokens` is `max_tokens`.
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BROKEN_OFF = frozenset({
    "error", "abort", "aborted", "cancelled", "canceled", "failed", "timeout", "network_error", "server_error",
    "internal_error", "preempted", "overloaded", "engine_overloaded", "unavailable", "exception", "deadline_exceeded",
    "insufficient_system_resource", "unspecified", "malformed_response", "interrupted",
})  # fmt: skip
"""Finish reasons, in lower case, of replies that the server could not finish."""
_PLAIN_ENDINGS = frozenset({
    "stop", "stopped", "stop_sequence", "stop_token", "stop_word", "stop_criteria", "eos", "eos_token", "eos_found",
    "end", "ended", "end_turn", "end_of_turn", "end_of_text", "endoftext", "complete", "completed", "completion",
    "done", "finish", "finished", "success", "succeeded", "normal", "ok", "tool_calls", "tool_call", "tool_use",
    "function_call",
})  # fmt: skip
"""Finish reasons, in lower case, of replies that the model itself ended."""
_TELLS_NOTHING = re.compile(
    r"^(image_)?other$|unknown|unspecified|no_image|(malformed|unexpected|invalid|too_many)_\w*call|missing_\w+|malformed"
)
"""What a second reason, beside a plain stop, says where the model did not end the reply."""


def outcome_of(status: int, described: str) -> Finish | None:
    """`rejected` or `filter` where one request is to blame for good, by its status and what is said; else None."""
    if status == 413:
        return "rejected"
    # The status by which a gateway says that its guardrails failed a request.
    if status == 446:
        return "filter"
    # 424: Cloudflare's, of a prompt that its gateway holds back.
    if status in (400, 403, 422, 424, 451) and _FILTERED.search(described):
        return "filter"
    if says_rate(described):
        return None
    # The sure words of filters come first: a filter's sentence may speak of lengths as well.
    if status in (400, 422) and _TOO_LONG.search(described):
        reply_alone = _REPLY.search(described) is not None and _ABOUT_INPUT.search(described) is None
        return None if reply_alone else "rejected"
    likely = status in (400, 403, 422, 451) and _LIKELY_FILTERED.search(described) is not None
    # 451 means legal reasons: what is asked is to blame, unless it is who asks.
    if (likely or status == 451) and not _ACCOUNT.search(described):
        return "filter"
    # Some servers fail with 500 on a prompt that is too long; asked again, they would fail again.
    if status >= 500 and _CONTEXT_OVERRUN.search(described) and not _TIME.search(described):
        return "rejected"
    return None


def refuses_roles(described: str) -> bool:
    """Whether a server says that it takes no messages by one of the roles, or not in this order."""
    return _REFUSES_ROLE.search(described) is not None


def refuses_turns(said: str) -> bool:
    """Whether it is a reply among the messages that a server takes no role for: what a demonstration may be."""
    return _REFUSES_ASSISTANT_TURN.search(said) is not None


def refuses_path(status: int, said: str, model: str) -> bool:
    """Whether a server that refuses a request for good means the path that it went to, not the key or the model.

    Gateways answer 403 for every path that they do not pass on, and a key's scope may leave one out.
    """
    without_model = said.replace(model, "")
    if status == 401:
        return _PATH.search(without_model) is not None or _SCOPE.search(without_model) is not None
    if status in (403, 404):
        return model not in said or _PATH.search(without_model) is not None
    return status in (405, 410, 501)


def says_rate(described: str) -> bool:
    """Whether a server asks for fewer requests, or fewer tokens in some time: the same request may pass later."""
    return _RATE.search(described) is not None


def finish_of(reason: object) -> Finish:
    """How a reply ended, by the server's word for it; `stop` for one that is not known."""
    plain = plain_reason(reason)
    if plain in _FINISHES:
        return _FINISHES[plain]
    return "filter" if _FILTERS.search(plain) else "length" if _CUTS.search(plain) else "stop"


def breaks_off(reason: object) -> bool:
    """Whether a finish reason says that the server could not finish: an outage, whatever came before."""
    plain = plain_reason(reason)
    return finish_of(reason) == "stop" and (plain in _BROKEN_OFF or _BREAKS.search(plain) is not None)


def tells_nothing(reason: object, native: object = None) -> bool:
    """Whether no reason told explains an empty reply: Gemini's OTHER, a call that came out wrong, no word at all.

    `native`: the word of the server behind a gateway.
    """
    if finish_of(reason) != "stop" or finish_of(native) != "stop":
        return False
    return plain_reason(reason) not in _PLAIN_ENDINGS or _TELLS_NOTHING.search(plain_reason(native)) is not None


def plain_reason(reason: object) -> str:
    """A finish reason in one spelling: `FinishReason.MAX_TOKENS`, `maxTokens` and `{"type": "max-tokens"}` are one."""
    if isinstance(reason, Mapping):
        reason = cast("Mapping[str, object]", reason).get("type")
    words = _HUMP.sub("_", str(reason).strip()).lower().rpartition(".")[2]
    return re.sub(r"[\s\-]+", "_", words).removeprefix("finish_reason_").removeprefix("stop_reason_")
