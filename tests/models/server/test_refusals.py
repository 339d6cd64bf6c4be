"""What servers write when they refuse one request, and what reads like it and is something else."""

from __future__ import annotations

import pytest

from promptopt.models.server.refusals import finish_of, outcome_of, plain_reason

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
]
TOO_LONG = [
    (400, "Your prompt has 9000 tokens; the limit is 8192."),
    (422, "inputs too long"),
    (400, "the prompt is larger than the context"),
    (400, "maximum allowed input is 4096 tokens, got 5000"),
    (400, "sequence length 5000 > 4096"),
    (400, "the input token count is 40000 but the model only supports up to 32768"),
    (400, "输入长度超出模型最大上下文"),
    (400, "입력 토큰이 최대 컨텍스트를 초과했습니다"),
]
NEITHER = [
    (400, "Unknown parameter: safety_settings"),
    (403, "Your account has been flagged for violating our usage policies"),
    (451, "this country or region is not served"),
    (403, "API key blocked"),
    (400, "case-sensitive parameter name 'Messages'"),
    (400, "Unsupported value: 'temperature' does not support 0 with this model"),
    (400, "max_tokens is too large: 100000. This model supports at most 4096 completion tokens"),
    (400, "n must be less than or equal to 8"),
    (401, "context length exceeded"),
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
