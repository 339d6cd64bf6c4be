"""The arena against peers: the proxy counts and refuses, reads every client's frame, and gains are the landscape's."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from benchmarks import peers
from benchmarks.peers import Job, Row, counted, play
from benchmarks.peers_proxy import REFUSED, Cell, Counts, Proxy, World, read, right
from benchmarks.peers_settings import OURS, PEERS, settings_for
from benchmarks.peers_tables import report
from benchmarks.peers_worlds import ARENA, START, begun, pool
from benchmarks.search_landscape import BASE, CROWDING, DEMO, DEMOS, NOUNS, ROOM, STEM, Landscape, instruction, plant
from benchmarks.search_proposer import clauses

LAND = Landscape(
    "hand-made",
    worth={"lantern": 0.1, "pebble": 0.05, "marsh": -0.04},
    together={},
    before={},
    start=instruction(["pebble"]),
    common=0.8,
)
WORLD = World(LAND, 0.4, 0.1)
SETTLE = instruction(["pebble", "marsh"])

Messages = list[dict[str, str]]


def user(text: str) -> Messages:
    return [{"role": "user", "content": text}]


DSPY: Messages = [
    {"role": "system", "content": "Your input fields are:\n1. `question` (str):\nYour output fields are:\n1. `answer`\n"
     "[[ ## question ## ]]\n{question}\n\n[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]\n"
     f"In adhering to this structure, your objective is: \n        {SETTLE}"},
    {"role": "user", "content": "[[ ## question ## ]]\nq3"},
    {"role": "assistant", "content": "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]\n"},
    {"role": "user", "content": "[[ ## question ## ]]\nq8\n\nRespond with the corresponding output fields, starting "
     "with the field `[[ ## answer ## ]]`, and then ending with the marker for `[[ ## completed ## ]]`."},
]  # fmt: skip
FRAMES = {
    "ours": user(f"{SETTLE}\n\nAnswer with one of: no, yes.\n\nQuestion: q3\nAnswer: yes\n\nQuestion: q8\nAnswer:"),
    "ours, demonstrations as turns": [
        *user(f"{SETTLE}\n\nAnswer with one of: no, yes.\n\nQuestion: q3\nAnswer:"),
        {"role": "assistant", "content": "yes"},
        *user("Question: q8\nAnswer:"),
    ],
    "gepa, with a demonstration in the text": [
        {"role": "system", "content": f"{SETTLE}\n\nInput: q3\nOutput: yes"}, *user("q8"),
    ],
    "promptolution": [
        {"role": "system", "content": "You are a helpful assistant."},
        *user(f"{SETTLE}\n\nInput:\nq3\nOutput:\nyes\n\nInput:\nq8"),
    ],
    "dspy": DSPY,
}  # fmt: skip


def post(proxy: Proxy, model: str, messages: Messages, **more: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"model": model, "messages": messages, **more}).encode()
    asked = urllib.request.Request(f"{proxy.url}/chat/completions", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def texts(answer: dict[str, Any]) -> list[str]:
    return [choice["message"]["content"] for choice in answer["choices"]]


@pytest.mark.parametrize("client", FRAMES)
def test_every_clients_frame_holds_the_same_cell(client: str) -> None:
    cell = read(FRAMES[client])
    assert (cell.instruction, cell.demos, cell.question) == (SETTLE, ("q3",), "q8")


def test_a_demonstration_with_the_wrong_answer_is_none() -> None:
    assert read(user("Settle.\n\nInput: q3\nOutput: no\n\nInput: q8")).demos == ()


def test_a_request_without_a_question_is_refused_and_said() -> None:
    with Proxy(WORLD, 5) as proxy:
        status, answer = post(proxy, "task", user("Settle the riddle."))
    assert status == 400
    assert "no question" in answer["error"]["message"]


def test_every_reply_of_either_model_counts_and_the_cap_is_hard() -> None:
    with Proxy(WORLD, 4) as proxy:
        assert post(proxy, "task", user(f"{SETTLE}\n\nq8"))[0] == 200
        status, answer = post(proxy, "proposer", user(f'Improve.\n"""\n{SETTLE}\n"""\n<prompt></prompt>'), n=2)
        assert (status, len(answer["choices"])) == (200, 2)
        assert (proxy.counts.task, proxy.counts.proposer, proxy.counts.calls) == (1, 2, 3)
        # Two do not fit where one does, and a refusal costs nothing.
        assert post(proxy, "proposer", user("Improve."), n=2)[0] == REFUSED
        assert post(proxy, "task", user(f"{SETTLE}\n\nq9"))[0] == 200
        assert post(proxy, "task", user(f"{SETTLE}\n\nq9"))[0] == REFUSED
    assert (proxy.counts.calls, proxy.counts.refused) == (4, 2)


def test_equal_cells_have_equal_answers_whoever_asks() -> None:
    alone = World(Landscape("own", LAND.worth, {}, {}, LAND.start, common=0.0), 0.4)
    for number in range(4, 40):
        asked = json.dumps(list(FRAMES.values())).replace("q8", f"q{number}")
        assert len({alone.answer(read(messages)) for messages in json.loads(asked)}) == 1


def test_a_demonstration_changes_answers_where_prompts_are_noisy() -> None:
    # Beyond two, one more is worth nothing: the accuracy is the same, and only luck differs.
    alone = World(Landscape("own", LAND.worth, {}, {}, LAND.start, common=0.0), 0.4)
    two, three = (
        [alone.answer(Cell(SETTLE, ("q1", "q2", "q5")[:count], f"q{number}")) for number in range(10, 60)]
        for count in (2, 3)
    )
    assert two != three


def test_the_share_of_right_answers_is_the_accuracy() -> None:
    asked = [read(user(f"{SETTLE}\n\nq{number}")) for number in range(4000)]
    share = sum(WORLD.answer(cell) == right(cell.question) for cell in asked) / len(asked)
    assert share == pytest.approx(WORLD.accuracy(SETTLE), abs=0.025)


def test_a_gain_is_the_landscapes_and_no_sample() -> None:
    assert WORLD.accuracy(WORLD.start) == pytest.approx(BASE + 0.05 + 0.1)
    better = instruction(["pebble", "lantern"])
    assert WORLD.gain(user(f"{better}\n\nInput: q0")) == pytest.approx(0.1)
    shown = "".join(f"\n\nInput: q{number}\nOutput: {right(f'q{number}')}" for number in range(1, 6))
    assert WORLD.gain(user(f"{better}{shown}\n\nInput: q0")) == pytest.approx(0.1 + DEMO * DEMOS)
    long = " ".join([better, *["more"] * (ROOM - 9 + 3)])
    assert WORLD.gain(user(f"{long}\n\nInput: q0")) == pytest.approx(0.1 - 3 * CROWDING)


def test_equal_requests_of_the_proposer_are_draws_of_their_own() -> None:
    with Proxy(WORLD, 100) as proxy:
        asked = user(f"instructions:\n```\n{SETTLE}\n```\nProvide the new instructions within ``` blocks.")
        drawn = {texts(post(proxy, "proposer", asked)[1])[0] for _ in range(20)}
        again = {texts(post(proxy, "proposer", asked, seed=7)[1])[0] for _ in range(5)}
    assert len(drawn) > 5
    assert len(again) == 1


REQUESTS = {
    "tags": user(f"Merge.\nPrompt 1: {SETTLE}\n\nReturn it in this form:\n<prompt>new prompt</prompt>"),
    "fences": user(f"Used:\n```\n{SETTLE}\n```\nSeen:\n```\nq3\n```\nProvide the new instructions within ``` blocks."),
    "fields": [
        {"role": "system", "content": "Your objective is: improve. [[ ## basic_instruction ## ]]"},
        *user(f"[[ ## basic_instruction ## ]]\n{SETTLE}\n\nRespond with the corresponding output fields, starting with "
              "the field `[[ ## proposed_instruction ## ]]`, then `[[ ## proposed_prefix_for_output_field ## ]]`, and "
              "then ending with the marker for `[[ ## completed ## ]]`."),
    ],
}  # fmt: skip
FORMS = {
    "tags": ("<prompt>", "</prompt>"),
    "fences": ("```\n", "\n```"),
    "fields": ("[[ ## proposed_instruction ## ]]\n", "\n\n[[ ## proposed_prefix_for_output_field ## ]]"),
}


def mean_gain(form: str) -> float:
    opening, closing = FORMS[form]
    gains: list[float] = []
    for draw in range(1500):
        reply = WORLD.propose(REQUESTS[form], draw)
        proposed = reply.partition(opening)[2].partition(closing)[0]
        assert proposed.startswith(STEM)
        gains.append(WORLD.accuracy(proposed) - WORLD.accuracy(SETTLE))
    return sum(gains) / len(gains)


@pytest.mark.slow
def test_a_proposal_stands_in_the_form_that_was_asked_for_and_is_as_good_in_each() -> None:
    means = [mean_gain(form) for form in REQUESTS]
    assert max(means) - min(means) < 0.006  # three standard errors


def test_every_pool_begins_at_the_same_accuracy_with_room_above() -> None:
    for kind in ARENA:
        world, task = pool(kind, 0)
        assert world.accuracy(world.start) == pytest.approx(START)
        assert task.initial[task.editable] == world.start
        best = max(world.accuracy(instruction(list(world.landscape.good[:count]))) for count in range(1, 11))
        assert best > START + 0.1
    assert len({noun for _, noun in clauses(begun(plant("additive", 3), 3).start)} & set(NOUNS)) == 4


@pytest.mark.slow
def test_a_method_of_ours_keeps_the_cap_and_its_parts_add_up() -> None:
    row = play(Job("random", "additive", 0, 120))
    assert row.problem == ""
    assert row.refused == 0
    assert 0 < row.task + row.proposer <= 120
    assert row.dev > 0
    assert row.test > 0
    assert row.gain <= row.found


def test_calls_for_the_choice_and_the_test_are_told_apart_for_ours_and_not_for_peers() -> None:
    world, task = pool("additive", 0)
    train, dev, test = (dict(getattr(task, part)[0].fields)["question"] for part in ("train", "dev", "test"))
    counts = Counts(10, task=5, proposer=1)
    counts.cells = {(world.start, ()): [train, train, dev, test], ("Settle the riddle.", ()): [test]}
    ours = counted(Row("auto", "additive", 0, 10), counts, world, task)
    assert (ours.dev, ours.test, ours.prompts, ours.looks) == (1, 2, 1, 1)
    peer = counted(Row("gepa", "additive", 0, 10), counts, world, task)
    assert (peer.dev, peer.test, peer.prompts, peer.looks) == (0, 0, 2, 2)


def test_a_player_that_fails_has_the_start_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Messages:
        raise RuntimeError("no reply")

    monkeypatch.setattr(peers, "_ours", refused)
    row = play(Job("random", "additive", 0, 120))
    assert (row.gain, row.problem) == (pytest.approx(0.0), "RuntimeError: no reply")


def test_the_report_pairs_pools_and_names_what_failed() -> None:
    rows = [
        Row("auto", "additive", 0, 400, gain=0.3), Row("gepa", "additive", 0, 400, gain=0.1),
        Row("auto", "noisy", 0, 400, gain=0.1), Row("gepa", "noisy", 0, 400, gain=0.2, problem="died"),
        Row("auto", "weak", 0, 400, gain=0.2), Row("gepa", "weak", 0, 400, gain=0.2),
    ]  # fmt: skip
    lines = report(rows, tuple(PEERS))
    assert "| auto | +0.033 ± 0.088, 1 : 1 |" in lines
    assert "- gepa, noisy-0, 400: died" in lines
    assert next(line for line in lines if line.startswith("| auto | 3")).startswith("| auto | 3 | 0.200 ± 0.058 |")


def test_every_peer_has_settings_for_every_cap() -> None:
    for peer in PEERS:
        assert settings_for(peer, 400) == PEERS[peer][400] == settings_for(peer, 300)
        assert settings_for(peer, 1200) == PEERS[peer][1200]
    assert not set(OURS) & set(PEERS)
