"""A prompt whose variables are written in a way that is not read: seen by logs of it, and told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.tasks.chat_template import marked_otherwise, named_otherwise, template_of
from tests.ends import ends

PROMPT = "You are the clerk of SHOP.\nYou talk to NAME; a tent costs $20, 5% less on [Mondays]."


def sent(shop: str, name: str) -> str:
    return PROMPT.replace("SHOP", shop).replace("NAME", name)


@pytest.mark.parametrize(
    ("shop", "name"),
    [("$shop", "$name"), ('{{ shop | default("us") }}', "{{ user.name }}"), ("%(shop)s", "%(name)s"),
     ("%shop%", "%name%"), ("[shop]", "[name]"), ("<shop>", "<<name>>"), ("{shop:>10}", "{name!r}")],
)  # fmt: skip
def test_marks_that_the_logs_prove_to_be_variables_are_named(shop: str, name: str) -> None:
    told = marked_otherwise(sent(shop, name), [(sent("Acme", "Ann"), 30), (sent("Acme", "Bob"), 9), ("Be kind.", 1)])
    assert told.startswith(f"39 conversations hold the prompt with something in the place of {shop}, {name}, which")
    assert "write such a variable as {{name}}" in told


@pytest.mark.parametrize("prompt", ["Be kind.", "It costs $shop.", sent("{{shop}}", "${name}")])
def test_nothing_is_said_of_other_prompts_and_of_marks_that_are_read(prompt: str) -> None:
    assert not marked_otherwise(prompt, [("You help.", 3)])


@pytest.mark.parametrize("mark", ["$shop", "%(shop)s", "<shop>", "[shop]", "{{ shop | upper }}", "{{ us.shop }}"])
def test_a_name_of_the_log_that_is_marked_in_another_way_is_told(mark: str) -> None:
    assert named_otherwise(f"Serve {mark}.", ["shop"]).startswith(f"the prompt has {mark}, and the log says")
    assert not named_otherwise(f"Serve {mark}.", ["name"])


@pytest.mark.parametrize(
    "prompt",
    [
        "{{shop}} {shop} ${shop}",
        'Reply as {"shop": "…"}.',
        "{% if shop %}x{% endif %}",
        "<shop>Acme</shop>",
        "Our shop.",
    ],
)
def test_json_tags_and_statements_are_no_marks_of_a_name(prompt: str) -> None:
    assert not named_otherwise(prompt, ["shop"])


def test_a_template_has_a_group_for_each_variable() -> None:
    found = template_of("Hi {{name}},\nfrom ${shop}").fullmatch("Hi Ann, from Acme")
    assert found is not None
    assert found.groups() == ("Ann", "Acme")


@ends
def test_a_long_text_that_repeats_what_stands_between_marks_is_held_against_the_prompt_in_no_time() -> None:
    template = template_of("Hi {{a}} foo bar {{b}} foo bar {{c}} foo bar {{d}} foo bar {{e}} end now")
    said = "Hi x " + "foo bar y " * 400
    assert template.fullmatch(said + "end not") is None
    found = template.fullmatch(said + "end now")
    assert found is not None
    assert found.groups() == ("x", "y", "y", "y", " ".join(["y foo bar"] * 396) + " y")


@given(
    st.lists(st.sampled_from(["x", "to", "{{a}}", "{{b}}", " "]), min_size=1, max_size=7),
    st.lists(st.sampled_from(["x", "to", " "]), max_size=10),
)
def test_what_is_found_is_what_trying_all_places_finds(pieces: list[str], said: list[str]) -> None:
    text, template = "".join(said), template_of(" ".join(pieces))
    everywhere = re.compile(template.pattern.replace("(?>", "(?:"), re.DOTALL)
    one, other = template.fullmatch(text), everywhere.fullmatch(text)
    assert (one and one.groups()) == (other and other.groups())
