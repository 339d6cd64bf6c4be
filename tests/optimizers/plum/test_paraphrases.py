"""Paraphrases: the reply contract read leniently, what is dropped, and each phrase asked for once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.paraphrases import SAMPLING, Paraphraser, read_variants
from promptopt.run import Run
from promptopt.types import Finish, Reply, Request
from tests.optimizers.plum.phrase_search import lengthen, text_of, within_run


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('["one way", "two ways"]', ["one way", "two ways"]),
        ('Sure!\n```json\n["one way.", " two ways..."]\n```\nI hope so.', ["one way", "two ways"]),
        ('["one way", "two [or] more"]', ["one way", "two [or] more"]),
        ('["one way", "two ways",]', ["one way", "two ways"]),
        ('["one \\"way\\"", 3, null, ["x"]]', ['one "way"']),
        ("- one way\n* two ways.\n3. three ways\n4) four", ["one way", "two ways", "three ways", "four"]),
        ('Here are ten ways:\n\n"one way",\n“two ways”.\n', ["one way", "two ways"]),
        ('say "one"', ['say "one"']),
        ('["...", "..."]', []),
        ("[]", []),
        ("", []),
        ('""', []),
    ],
)
def test_variants_are_read(said: str, found: list[str]) -> None:
    assert read_variants(Reply(said)) == found


def test_of_a_reply_cut_at_length_the_complete_variants_count() -> None:
    assert read_variants(Reply('["one way", "two ways", "thr', "length")) == ["one way", "two ways"]
    assert read_variants(Reply("one way\ntwo ways\nthr", "length")) == ["one way", "two ways"]


def variants_of(home: Path, reply: str | Reply, phrase: str = "the review", count: int = 10) -> tuple[object, Run]:
    def ask(run: Run) -> tuple[object, Run]:
        return Paraphraser(run, count, SAMPLING).variants([(phrase, f"Read {phrase}.")])[0], run

    return within_run(home, "Read the review.", ask, proposer=lambda _: reply)


def test_what_cannot_stand_in_for_the_phrase_is_dropped(tmp_path: Path) -> None:
    said = [
        *[
            "The text",
            "the review",
            " the  review ",
            "The text",
            "",
            "two\nlines",
            "a {slot}",
            "a <b>tag</b>",
            "x" * 41,
        ],
        *["I'm sorry, but I cannot help", "see https://a.b", "x" * 40, "the critique", "read the review!", "review"],
    ]
    found, run = variants_of(tmp_path, json.dumps(said))
    assert found == ("The text", "x" * 40, "the critique")
    assert run.rejected == {
        "paraphraser: same as its parent": 2,
        "paraphraser: several lines": 1,
        "paraphraser: placeholder, tag or link": 3,
        "paraphraser: refusal": 1,
        "paraphraser: copied from the text": 2,
        "paraphraser: too long": 1,
    }


def test_no_more_than_asked_for(tmp_path: Path) -> None:
    assert variants_of(tmp_path, '["a", "b", "c"]', count=2)[0] == ("a", "b")


def test_the_end_of_a_whole_sentence_stays(tmp_path: Path) -> None:
    assert variants_of(tmp_path, '["Look at it!", "View it"]', "Read it.")[0] == ("Look at it.", "View it.")


@pytest.mark.parametrize("finish", ["refusal", "filter", "rejected"])
def test_a_reply_that_is_none_gives_nothing(tmp_path: Path, finish: Finish) -> None:
    found, run = variants_of(tmp_path, Reply('["one way"]', finish))
    assert found == ()
    assert run.rejected == {f"paraphraser: {finish}": 1}


def test_each_phrase_is_asked_for_once_with_the_first_sentence_it_stood_in(tmp_path: Path) -> None:
    proposer = Scripted(lengthen, name="paraphraser")

    def ask(run: Run) -> list[list[tuple[str, ...]]]:
        paraphraser = Paraphraser(run, 3, SAMPLING)
        one, two, three = (("one way", "Say one way."), ("two ways", "Say two."), ("three ways", "Say three."))
        batches = [[one, two, ("one way", "Not one way.")], [two, three], [], [("one way", "")]]
        return [paraphraser.variants(batch) for batch in batches]

    found = within_run(tmp_path, "Say a.", ask, proposer=proposer)
    assert proposer.calls == 3
    assert found[0][0] == found[0][2] == found[3][0] == ("one way carefully", "one way exactly", "one way twice")
    assert [len(batch) for batch in found] == [3, 2, 0, 1]
    texts = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    assert "Say one way." in texts[0]
    assert "Say the phrase in 3 different ways." in texts[0]
    assert texts[0].endswith('["...", "..."]')
