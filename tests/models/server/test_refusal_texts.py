"""What servers write when they refuse one request, and what reads like it and is something else."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.models.server.refusal_texts import breaks_off, finish_of, outcome_of, plain_reason
from promptopt.models.server.retrying import Outage
from promptopt.models.server.wire import read_reply
from promptopt.types import Message, Request

FILTERED = [
    (400, "NSFW content detected in the prompt"),
    (400, "The response was blocked due to safety"),
    (400, "policy_violation"),
    (400, "Trust & Safety: prompt rejected"),
    (400, "Blocked by Llama Guard: S1"),
    (400, "jailbreak detected"),
    (400, "Potential prompt injection detected"),
    (403, "Request blocked by content safety service"),
    (400, "内容安全检测未通过"),
    (451, "censored"),
    (400, "Violated guardrail policy"),
    (400, "Guardrail was enabled and input is in violation"),
    (400, "Violated OpenAI moderation policy"),
    (400, "Blocked entity detected: EMAIL_ADDRESS by Guardrail: presidio"),
    (446, "hooks failed"),
    (400, "FailedOperation.ContentSecurity: text violation"),
    (424, "Prompt was blocked due to security configurations"),
    (400, "content_filter: a text of 100 beats per minute"),
]
TOO_LONG = [
    (400, "Your prompt has 9000 tokens; the limit is 8192."),
    (422, "inputs too long"),
    (400, "the prompt is larger than the context"),
    (400, "maximum allowed input is 4096 tokens, got 5000"),
    (400, "sequence length 5000 > 4096"),
    (400, "the input token count is 40000 but the model only supports up to 32768"),
    (422, "This model supports maximum context length of 4096 tokens, but 5000 were given"),
    (400, "输入长度超出模型最大上下文"),
    (400, "입력 토큰이 최대 컨텍스트를 초과했습니다"),
    (400, "Malformed input request: expected maxLength: 2048, actual: 3000, please reformat your input and try again."),
    (400, "1261 Prompt exceeds max length"),
    (400, "the max input characters is 20000"),
    (400, "Invalid 'messages[0].content': string too long. Expected a string with maximum length 1048576"),
    (400, "La requête dépasse la longueur maximale du contexte (8192 jetons)."),
    (500, "context shift is disabled"),
    (500, "input is too large to process. increase the physical batch size"),
    (413, "Request too large on tokens per minute (TPM): Limit 6000, Requested 9000"),
]
NEITHER = [
    (424, "a server behind this one failed"),
    (400, "Unknown parameter: safety_settings"),
    (403, "Your account has been flagged for violating our usage policies"),
    (451, "this country or region is not served"),
    (403, "API key blocked"),
    (400, "case-sensitive parameter name 'Messages'"),
    (400, "Unsupported value: 'temperature' does not support 0 with this model"),
    (400, "max_tokens is too large: 100000. This model supports at most 4096 completion tokens"),
    (400, "n must be less than or equal to 8"),
    (401, "context length exceeded"),
    (400, "Rate limit exceeded: too many tokens per minute"),
    (422, "Too many requests: tokens per day over the limit"),
    (500, "CUDA out of memory: the prompt does not fit, prompt too large"),
]


@pytest.mark.parametrize(("status", "said"), FILTERED)
def test_a_filtered_request_is_one_outcome(status: int, said: str) -> None:
    assert outcome_of(status, said) == "filter"


@pytest.mark.parametrize(("status", "said"), TOO_LONG)
def test_a_request_that_is_too_long_is_one_outcome(status: int, said: str) -> None:
    assert outcome_of(status, said) == "rejected"


@pytest.mark.parametrize(("status", "said"), NEITHER)
def test_what_is_wrong_with_a_setting_or_an_account_is_no_outcome_of_a_request(status: int, said: str) -> None:
    assert outcome_of(status, said) is None


def test_finish_reasons_may_be_written_as_enumerations_are() -> None:
    assert finish_of("FinishReason.MAX_TOKENS") == finish_of("max-tokens") == "length"
    assert finish_of("FinishReason.SAFETY") == finish_of("content-filter") == "filter"
    assert plain_reason("Network-Error") == "network_error"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("ERROR_TOXIC", "filter"),
        ("content_filter: PROHIBITED_CONTENT", "filter"),
        ("FINISH_REASON_SAFETY", "filter"),
        ("IMAGE_PROHIBITED_CONTENT", "filter"),
        ("risk", "filter"),
        ("ERROR_LIMIT", "length"),
        ("maxTokens", "length"),
        ("MAX_TOKENS_REACHED", "length"),
        ("token_limit", "length"),
        ("context_length", "length"),
        ("incomplete", "length"),
        ("max_time", "length"),
        ("complete", "stop"),
        ({"type": "length"}, "length"),
        ({"type": "eos", "matched": 2}, "stop"),
        ("COMPLETE", "stop"),
        ("end_turn", "stop"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons_are_told_by_their_words(reason: object, finish: str) -> None:
    assert finish_of(reason) == finish
    assert not breaks_off(reason)


@pytest.mark.parametrize(
    "reason",
    ["model_error", "engine_error", " Error ", "aborted_by_user", "USER_CANCEL", "rate_limit", "connection_error",
     "FinishReason.ERROR", {"type": "abort"}, "out_of_memory", "FINISH_REASON_UNSPECIFIED",
     "modelUnloaded", "userStopped", "engine_dead", "client disconnect"],
)  # fmt: skip
def test_a_reply_that_the_server_could_not_finish_is_an_outage(reason: object) -> None:
    assert breaks_off(reason)


CHAT = Request((Message("user", "x"),))


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        {"choices": [], "promptFeedback": {"blockReason": "OTHER"}},
        {"choices": [], "prompt_feedback": {"block_reason": "SAFETY"}},
        {"choices": None, "prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": True}}}]},
        {"choices": [], "error": {"code": "content_filter", "message": "no"}},
    ],
)
def test_a_prompt_that_was_held_back_with_status_200_is_filtered(body: dict[str, Any]) -> None:
    assert read_reply(body, CHAT, "m").finish == "filter"


def test_a_body_without_a_choice_that_tells_of_no_block_is_an_outage() -> None:
    for beside in ({}, {"promptFeedback": {}}, {"prompt_filter_results": [{"hate": {"filtered": False}}]}):
        with pytest.raises(Outage, match="without a choice"):
            read_reply({"choices": [], **beside}, CHAT, "m")


@pytest.mark.parametrize(
    ("choice", "finish"),
    [
        ({"stop_reason": "refusal", "message": {"content": ""}}, "refusal"),
        ({"stop_reason": "max_tokens", "message": {"content": "a"}}, "length"),
        ({"stop_reason": "end_turn", "message": {"content": "a"}}, "stop"),
        # vLLM's: the stop text that was met, or the number of a token.
        ({"finish_reason": "stop", "stop_reason": "length", "message": {"content": "a"}}, "stop"),
        ({"finish_reason": "stop", "stop_reason": 128_001, "message": {"content": "a"}}, "stop"),
    ],
)
def test_the_reason_may_stand_in_anthropics_place(choice: dict[str, Any], finish: str) -> None:
    assert read_reply({"choices": [choice]}, CHAT, "m").finish == finish
