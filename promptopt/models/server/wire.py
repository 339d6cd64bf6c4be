"""Reads what OpenAI-compatible servers answer, well or badly; shared by the clients that speak their dialect."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from promptopt.errors import Refused, RequestRefused
from promptopt.models.server.contents import as_object, calls_of, contents_of
from promptopt.models.server.keys import MASK, SHORTEST_KEY, masked
from promptopt.models.server.refusal_texts import (
    breaks_off,
    finish_of,
    outcome_of,
    plain_reason,
    refuses_path,
    refuses_roles,
    refuses_turns,
    says_rate,
    tells_nothing,
)
from promptopt.models.server.retrying import Outage, asked_wait_s, pause_in_words
from promptopt.models.server.token_logprobs import tokens_of
from promptopt.models.server.usage import usage_of
from promptopt.text import visible
from promptopt.types import Reply, Request, Token, ToolCall

_NO_MONEY = re.compile(r"insufficient_quota|exceeded_current_quota|billing", re.IGNORECASE)
_SAYS_NO_MONEY = re.compile(
    r"insufficient (balance|credit|fund)|credit balance is too low|余额不足|欠费", re.IGNORECASE
)
_REFUSES = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|not (permitted|allowed|available|accepted|configurable)"
    r"|extra inputs|deprecated|only .{0,40}(allowed|supported|accepted|permitted|value)|may only be"
    r"|must be (exactly )?1\b|strictly positive|(is|are) fixed"
    r"|cannot (both )?be (set|specified|used|changed|modified)|not be set",
    re.IGNORECASE,
)
_LOGPROBS = re.compile(r"log_?prob", re.IGNORECASE)
_STREAMS_ONLY = re.compile(
    r"(only|must|required?|please|enable|support)[^.!?\n]{0,60}\bstream(ing)?\b"
    r"|\bstream(ing)?\b[^.!?\n]{0,60}(only|must|required|enabled?|true)",
    re.IGNORECASE,
)
_KEY = re.compile(r"\b(sk|gsk|hf|xai)[-_][\w*.-]{6,}|\bBearer \S+")
_SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_FOR_GOOD = re.compile(
    r"\b40[1-4]\b|(invalid|incorrect|wrong|missing)[^.!?\n]{0,20}(api[ _-]?key|token)|unauthori[sz]ed"
    r"|(model|deployment)[^.!?\n]{0,60}not exist|\bnot found\b",
    re.IGNORECASE,
)
"""What no retry mends, said with status 200: a gateway passes the error of another server on."""
_MESSAGE_FIELDS = ("message", "msg", "detail", "error_msg", "errorMessage")
_QUOTED_CHARACTERS = 300
"""Of a server's message in a sentence."""
_SEE_THE_URL = "see that the base URL is its API; most end in /v1"


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no reply: its HTTP status, and what the server says of it. `param`: the parameter at fault."""

    status: int
    message: str
    code: str = ""
    param: str = ""
    retry_after_s: float | None = None

    @classmethod
    def of(cls, status: int, body: str, headers: Mapping[str, str]) -> Failure:
        """From an HTTP answer, whatever its shape; headers may be in any case."""
        waits_s = asked_wait_s(status, headers, time.time())
        try:
            parsed = as_object(json.loads(body))
        except (ValueError, RecursionError):
            return cls(status, body, retry_after_s=waits_s)
        # OpenAI nests it under `error`; FastAPI says `detail`; some servers put all at the top.
        error = as_object(parsed["error"]) if isinstance(parsed.get("error"), dict) else parsed
        message = next((error[name] for name in ("message", "detail", "error") if error.get(name)), body)
        code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name))
        param = error.get("param")
        return cls(status, str(message), code, str(param) if param else "", waits_s)

    def names(self, parameter: str) -> bool:
        """Whether `parameter` is what the failure is about."""
        return self.param == parameter or (not self.param and re.search(rf"\b{parameter}\b", self.message) is not None)

    def refuses(self, parameter: str) -> bool:
        """Whether the server takes no `parameter`, or only its default."""
        return self.names(parameter) and _REFUSES.search(f"{self.code} {self.message}") is not None

    @property
    def refuses_logprobs(self) -> bool:
        """Whether the server gives this model's log-probabilities to nobody."""
        said = f"{self.code} {self.param} {self.message}"
        return (
            self.status in (400, 403, 404, 422)
            and _LOGPROBS.search(said) is not None
            and (_REFUSES.search(said) is not None or "not enabled" in said)
        )

    def refuses_plain_text(self, model: str) -> bool:
        """Whether it is about the path of plain texts, and not about the key, the model or one request."""
        settled = outcome_of(self.status, f"{self.code} {self.message}") is not None or says_rate(self.message)
        return not settled and refuses_path(self.status, self.message, model)

    def settle(self, server: str, advice: str) -> Reply:
        """The reply that this failure amounts to, where the request itself is to blame for good.

        Raises Outage where it may pass, BackendError where every further request would meet it too.
        """
        described = f"{self.code} {self.message}"
        said = quoted(self.message)
        shown = said if said else "no reason given"
        outcome = outcome_of(self.status, described)
        if outcome is not None:
            # What the server will not read is an outcome of this prompt, to be stored; retrying would not change it.
            return Reply("", outcome)
        if self.status >= 400 and self.status not in (401, 402, 404, 429) and refuses_roles(described):
            turns = refuses_turns(self.message)
            layout = "one whose demonstrations stand in the text" if turns else "a layout without a system message"
            raise RequestRefused(
                f"{server} answered {self.status} ({shown}): this model takes no such messages; use {layout} "
                f"(`promptopt evaluate --layouts` tries them all)"
            )
        slower = self.status == 429 or (self.status in (400, 403, 422) and says_rate(described))
        # 424 and 499: a server behind this one failed, or hung up.
        if slower or self.status in (408, 409, 424, 425, 499) or self.status >= 500:
            # An empty account is told as 429 too, and no waiting mends it.
            empty = _NO_MONEY.search(self.code) is not None or _SAYS_NO_MONEY.search(self.message) is not None
            if self.status != 429 or not empty:
                waits_s = self.retry_after_s
                pause = "" if waits_s is None else f", asking for a pause of {pause_in_words(waits_s)}"
                raise Outage(
                    f"answered {self.status} ({shown}){pause}",
                    retry_after_s=waits_s,
                    overloaded=slower or self.status in (503, 529),
                )
            advice = "top the account up, or use another model"
        told = f"{server} answered {self.status} ({shown}): {advice}"
        if self.status in (400, 422):
            raise RequestRefused(told)
        # A key, an account, and a model that is not there concern every request.
        raise Refused(told, of_request=self.status not in (401, 402, 404, 429))

    @property
    def wants_stream(self) -> bool:
        """Whether the server answers only in pieces, and wants to be asked for them."""
        return _STREAMS_ONLY.search(self.message) is not None


def response_format(schema: str) -> dict[str, Any]:
    """How a request says that its reply is to keep a JSON Schema."""
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": json.loads(schema), "strict": True}}


def scrub(text: str, *keys: str) -> str:
    """`text` without `keys`, without the secrets of the environment, and without what looks like a key."""
    # A secret read from a file may end in a line break, which is no part of it.
    known = [value.strip() for name, value in os.environ.items() if name.endswith(_SECRETS)]
    secrets = [value for value in known if len(value) >= SHORTEST_KEY]
    # The longest first, or a key that holds another would be taken out in part. Below 8 letters a value is likelier a
    # word than a secret.
    for secret in sorted({*keys, *secrets} - {""}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _KEY.sub(MASK, masked(text, (*keys, *secrets)))


def quoted(text: str, most: int = _QUOTED_CHARACTERS) -> str:
    """What a server says, as a sentence of ours can hold it: one line, no secrets, no control characters, not long."""
    shown = visible(" ".join(scrub(text).split()))
    if len(shown) <= most:
        return shown
    # At the end of a word, unless one word is nearly all of it.
    cut = shown.rfind(" ", most // 2, most - 1)
    return f"{shown[: cut if cut > 0 else most - 1]}…"


def read_reply(answer: Mapping[str, Any], request: Request, model: str, *keys: str) -> Reply:
    """The reply in `answer`, of either endpoint. Raises Outage where there is none, or where it was broken off.

    Where the server counts no tokens, or no such number can be, they are estimated for `model`. `keys` are taken out
    of what the model said.
    """
    choices = answer.get("choices")
    listed = cast("list[object]", choices) if isinstance(choices, list) else []
    choice = _first_of(listed) if listed else {}
    error = next((each["error"] for each in (answer, choice) if _is_error(each.get("error"))), None)
    if error is not None:
        return _failed(error)
    if not listed:
        if complaint := _complaint(answer):
            return _failed(complaint)
        raise Outage(f"answered without a choice; {_SEE_THE_URL}", misplaced=True, counted=True)
    # Anthropic's word for it, which some gateways pass on as it is.
    reason = next((choice[name] for name in ("finish_reason", "stop_reason") if choice.get(name) is not None), None)
    if breaks_off(reason):
        raise Outage(f"broke the reply off (finish reason {str(reason)[:40]!r})", counted=True)
    try:
        message = _message_of(choice, reason)
        tokens = tokens_of(choice.get("logprobs")) if request.logprobs else ()
        held = contents_of(message)
        calls = calls_of(message)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise Outage("answered with a choice that is malformed", counted=True) from None
    finish = "refusal" if held.refused else finish_of(reason)
    native = choice.get("native_finish_reason")
    if finish == "stop":
        # What a gateway calls a stop may have been none for the server behind it.
        finish = finish_of(native)
    text = held.said
    if held.thought.strip() and not text.strip() and finish in ("stop", "length"):
        # It never began to answer: readers say so, and an answer that its thoughts name is none.
        text = f"<think>\n{held.thought}"
    written = text if text.startswith("<think>") else text + held.thought
    shown = masked(text, keys)
    if shown != text or _show_keys(tokens, keys):
        text, tokens = shown, tuple(Token(MASK, token.logprob) for token in tokens)
    served = masked(served_by(answer), keys)
    calls = tuple(ToolCall(*(masked(each, keys) for each in (call.name, call.arguments, call.id))) for call in calls)
    used = usage_of(answer, request, "\n".join((written, *(call.written for call in calls))), model)
    if not (written.strip() or calls) and tells_nothing(reason, native):
        word = str(native if plain_reason(reason) == "stop" else reason)[:40]
        # Asked again, the model may well answer; where it never does, the server keeps the answer back.
        kept_back = Reply("", "filter", *used, served=served)
        told = f"answered with nothing, and with no reason (finish reason {word!r})"
        raise Outage(told, counted=True, amounts_to=kept_back)
    return Reply(text, finish, *used, tokens, served, tool_calls=calls)


def _show_keys(tokens: Sequence[Token], keys: Sequence[str]) -> bool:
    """Whether the tokens hold one of the keys, in one or spread over several: they need not be those of the text."""
    listed = "\n".join(("".join(token.text for token in tokens), *(each for token in tokens for each, _ in token.top)))
    return masked(listed, keys) != listed


def _first_of(choices: Sequence[object]) -> dict[str, Any]:
    """The choice with the number 0, which some servers list last; else the one that stands first."""
    listed = [cast("dict[str, Any]", choice) for choice in choices if isinstance(choice, dict)]
    if not isinstance(choices[0], dict):
        raise Outage("answered with a choice that is malformed", counted=True)
    return next((choice for choice in listed if choice.get("index") == 0), listed[0])


def _message_of(choice: Mapping[str, Any], reason: object) -> dict[str, Any]:
    """The message of a choice of either endpoint. Where nothing was said before the filter or the cap, some have none.

    Raises ValueError or KeyError where there is none and should be.
    """
    for name in ("message", "delta"):
        if choice.get(name) is not None:
            return as_object(choice[name])
    if "text" not in choice and finish_of(reason) != "stop":
        return {}
    return {"content": choice["text"]}


_NO_ERROR = ("", "0", "200", "ok", "success", "none", "null", "no error", "no_error", "false", "[]", "{}")


def _is_error(value: object) -> bool:
    """Whether what an answer has under `error` is one; some gateways write "no error" there."""
    said = cast("dict[str, object]", value).values() if isinstance(value, dict) else [value]
    return any(str(each).strip().lower() not in _NO_ERROR for each in said)


def _complaint(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer without a choice says is wrong, in a form other than `error`; empty where it says nothing."""
    errors, status = answer.get("errors"), answer.get("base_resp")
    if blocked := _blocked(answer):
        return {"message": blocked, "code": "content_filter"}
    if isinstance(errors, list) and errors:
        first = cast("list[object]", errors)[0]
        return cast("dict[str, Any]", first) if isinstance(first, dict) else {"message": str(first)}
    # MiniMax's form.
    if isinstance(status, dict):
        told = cast("dict[str, Any]", status)
        return {"message": str(told.get("status_msg", "")), "code": told.get("status_code")}
    said = next((answer[name] for name in _MESSAGE_FIELDS if isinstance(answer.get(name), str) and answer[name]), None)
    return {} if said is None else {"message": said, "code": answer.get("code"), "type": answer.get("type")}


def _blocked(answer: Mapping[str, Any]) -> str:
    """Why a prompt was not let through to the model, in Gemini's form or Azure's; empty where nothing says that."""
    for name, member in (("promptFeedback", "blockReason"), ("prompt_feedback", "block_reason")):
        told = answer.get(name)
        if isinstance(told, dict) and cast("dict[str, Any]", told).get(member):
            return str(cast("dict[str, Any]", told)[member])
    return "prompt_filter_results" if '"filtered": true' in json.dumps(answer.get("prompt_filter_results")) else ""


def _failed(error: object) -> Reply:
    """What an error in an answer of status 200 amounts to: never the end of a run, for the server does answer."""
    failure = Failure.of(400, json.dumps({"error": error}), {})
    described = f"{failure.code} {failure.message} {json.dumps(error)}"
    outcome = outcome_of(400, described)
    if outcome is not None:
        return Reply("", outcome)
    told = quoted(failure.message)
    raise Outage(f"answered with an error ({told})", misplaced=_FOR_GOOD.search(described) is not None)


def served_by(answer: Mapping[str, Any]) -> str:
    """The snapshot that the server says has answered."""
    return " ".join(str(answer[name]) for name in ("model", "system_fingerprint") if answer.get(name))
