"""`promptopt init` on logs as production writes them: what is the same in all of them, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Invoke
from logged import everything, log, made, write


@pytest.mark.parametrize("address", ["ann{}@acme.example", "whatsapp:+4366012345{:02}", "user +43 660 123 45 {:02}"])
def test_a_conversation_that_is_called_by_an_address_is_numbered_where_data_is_masked(
    address: str, invoke: Invoke
) -> None:
    write([{**log(number, "Be kind."), "conversation_id": address.format(number // 2)} for number in range(80)])
    task, _ = made(invoke, "--mask")
    kept = Path("bot.jsonl").read_text(encoding="utf-8")
    assert not any(address.format(number) in kept for number in range(40))
    assert {example.group for example in everything(task)} == {f"masked {number}" for number in range(1, 41)}
    Path("bot.toml").unlink()
    Path("bot.jsonl").unlink()
    made(invoke)
    assert address.format(7) in Path("bot.jsonl").read_text(encoding="utf-8")
