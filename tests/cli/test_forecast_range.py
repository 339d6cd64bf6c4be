from __future__ import annotations

from promptopt.cli.forecast_range import ForecastRange


def test_ends_near_each_other_are_no_range() -> None:
    assert ForecastRange.of([[(100, 1_000)], [(140, 1_400)]], (None, None)) is None
    assert ForecastRange.of([[(100, 1_000)], [(100, 1_600)]], (None, None)) == ForecastRange((100, 100), (1_000, 1_600))


def test_luck_between_seeds_widens_the_range() -> None:
    found = ForecastRange.of([[(100, 1_000), (100, 1_300), (100, 900)]], (None, None))
    assert found is not None
    assert found.evaluations == (100, 100)
    assert found.tokens[0] < 900
    assert found.tokens[1] > 1_300


def test_no_range_goes_beyond_what_the_caps_allow() -> None:
    found = ForecastRange.of([[(100, 1_000), (300, 1_300), (200, 900)]], (400, 1_350))
    assert found is not None
    assert found.evaluations[1] == 400
    assert found.tokens[1] == 1_350


def test_what_the_range_is_of_is_said() -> None:
    assert ForecastRange((100, 100), (1_000, 1_600)).describe() == (
        "what the models answer decides how long its prompts become: 1,000 to 1,600 tokens are likely"
    )
    assert "decides how far it goes: 100 to 200 evaluations and" in ForecastRange((100, 200), (1_000, 1_600)).describe()
