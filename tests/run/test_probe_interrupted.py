"""A run that is interrupted while a model is asked whether it answers at all is suspended, and goes on later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from promptopt.errors import RequestRefused, SomeRefused, Suspended
from promptopt.run.budget import Limits
from promptopt.run.door import Door
from promptopt.store.runs import Store
from promptopt.types import Message, Reply, Request


class Stopped:
    """Refuses what says so, and ends on the word of whoever asks, as real engines do; `heard`: what it was asked."""

    name = "stopped"

    def __init__(self, alone: bool) -> None:
        self.heard = list[str]()
        self.alone = alone

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        first, since = RequestRefused("stopped: refused"), dict[int, bool]()
        for place, request in enumerate(requests):
            text = str(request.content[0].content)  # type: ignore[union-attr]
            self.heard.append(text)
            if stopping():
                return
            if "bad" in text:
                if self.alone:
                    raise first
                since[place] = False
                continue
            yield place, Reply(text, "stop", 1, 1)
        if since:
            raise SomeRefused(str(first), since) from first


@pytest.mark.parametrize("alone", [False, True])
def test_an_interrupt_while_a_probe_is_under_way_suspends(tmp_path: Path, alone: bool) -> None:
    model = Stopped(alone)

    def probed() -> str | None:
        # The second time that it hears "a" is the probe.
        return "interrupted" if model.heard.count("a") == 2 else None

    with Store(tmp_path / "s.db") as store:
        door = Door(
            models={"task": model}, prices={"task": None}, cache=store.cache, journal=store.journal("run"),
            limits=Limits(), seed=0, stopping=probed, warn=lambda _: None,
        )  # fmt: skip
        assert [reply.text for reply in door([Request((Message("user", "a"),))])] == ["a"]
        with pytest.raises(Suspended, match="interrupted"):
            door([Request((Message("user", "bad"),))])
        assert model.heard[-1] == "a"
        assert door.account.paid.calls == 1
