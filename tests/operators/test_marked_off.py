"""A reply without the tags asked for that plainly holds one text: it costs no second call, and gives a candidate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.operators.reflect import ask, ask_whole
from promptopt.operators.replies import marked_off
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task, uniform
from promptopt.types import Reply, Request, Sampling
from tests.operators.test_reflect import FakeRun

NEW = "Read the review with care.\nSay positive or negative."
MARKED = (
    "Prompt:\n{}",
    "**Improved instruction:** {}",
    "Sure! Here is the improved instruction:\n\n{}",
    "Here's a revised version of the prompt:\n{}",
    "The instruction does not say what to look at.\n\nNew instruction:\n{}",
    "It lacks a rule. So these mistakes happen.\n\n## The rewritten prompt:\n\n{}",
    "```\n{}\n```",
    "```text\n{}\n```\n",
    "Two things are missing.\n\n```markdown\n{}\n```\n\nThis says both.",
    '"{}"',
    "<instruction>\n{}\n</instruction>",
)
UNMARKED = (
    NEW,
    "",
    "...",
    "The instruction is too short, and says nothing of the answer.",
    "- Read the review.\n- Say positive or negative.",
    "Option 1: read it\nOption 2: classify it",
    "Here are two improved versions of the prompt:\n1. Read it.\n2. Classify it.",
    "Improved prompt: Read it.\n\nImproved prompt: Classify it.",
    # An example as requests show them, and as models make them up.
    "Text: a fine film\nAnswer: positive",
    "**Text:** a fine film",
    "```python\nprint('positive')\n```",
    "```\nRead it.\n```\nor\n```\nClassify it.\n```",
    "Open ``` and never closed",
)


@pytest.mark.parametrize("form", MARKED)
def test_a_text_that_is_marked_off_costs_one_call(form: str) -> None:
    said = form.format(NEW)
    assert marked_off(said) == NEW
    whole, one = FakeRun(said), FakeRun(said)
    assert ask_whole(whole, ["p"], "prompt", Sampling(), "w") == [NEW]
    assert ask(one, ["p"], "prompt", 1, Sampling(), "w") == [[NEW]]
    assert not whole.rejected
    assert not one.rejected


def test_json_is_read_by_its_one_member() -> None:
    assert marked_off(json.dumps({"new_prompt": NEW})) == NEW
    assert marked_off(json.dumps({"prompt": NEW, "reason": "It was vague."})) is None


@pytest.mark.parametrize("said", UNMARKED)
def test_what_marks_off_nothing_or_several_texts_is_asked_for_again(said: str) -> None:
    assert marked_off(said) is None
    run = FakeRun(said, "<prompt>a</prompt>")
    assert ask_whole(run, ["p"], "prompt", Sampling(), "w") == ["a"]
    assert run.rejected == {"w: no tags": 1}


def test_of_several_texts_asked_for_no_mark_tells_which_is_which() -> None:
    run = FakeRun(f"Prompt:\n{NEW}", f"Prompt:\n{NEW}")
    assert ask(run, ["p"], "prompt", 2, Sampling(), "w") == [[]]


def test_only_complete_tags_count_where_a_method_says_so_and_a_cut_reply_is_whole_in_no_form() -> None:
    said = f"Prompt:\n{NEW}"
    assert ask_whole(FakeRun(said, said), ["p"], "prompt", Sampling(), "w", closed=True) == [None]
    run = FakeRun(Reply(said, "length"), Reply(said, "length"))
    assert ask_whole(run, ["p"], "prompt", Sampling(), "w") == [None]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "capo", "opro", "apo", "pmpo", "tpe", "random"])
def test_every_search_goes_on_with_a_proposer_that_writes_no_tags(method: str, tmp_path: Path) -> None:
    def author(request: Request) -> str:
        text = request.content if isinstance(request.content, str) else request.content[-1].content
        word = ("carefully", "exactly", "twice", "soon")[int(4 * uniform(text, str(request.seed)))]
        return f"It lacks a word.\n\nNew instruction:\nAnswer the question {word}, {uniform(text):.3f}."

    result = optimize(
        planted_task(),
        method,
        model=Models(
            planted_model(feature_accuracy(["carefully", "exactly", "twice"], base=0.3, each=0.4)),
            proposer=Scripted(author, name="author"),
        ),
        evaluator="generation",
        budget=Budget(evaluations=300),
        store=tmp_path / "store.db",
    )
    assert not any("without the tags" in said for said in result.warnings)
    assert any(word in str(result.best.prompt) for word in ("carefully", "exactly", "twice"))
