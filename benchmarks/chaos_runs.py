"""Searches that are killed at random moments, cut at random caps, and asked of a server that fails."""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos_server import FAULTS, ChaosServer, Counts
from benchmarks.search_landscape import plant
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.binding.settings import build_optimizer
from promptopt.errors import PromptoptError
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.run.budget import Budget
from promptopt.run.events import Event, Planned, Warned
from promptopt.testing import outcome

METHODS = ("apo", "opro", "evoprompt-ga", "capo", "auto", "random", "plum-sa", "ape")
"""Those that need nothing but replies, of different shapes."""
CONCURRENCY = 16
PRICE = {"prompt": 0.5, "completion": 1.5}
"""Dollars for a million tokens."""
EVALUATIONS = 200
"""The cap of a run that is killed or asked of a failing server."""
LATENCY_S = 0.004
KINDS = ("evaluations", "calls", "tokens", "usd")


def conduct(store: Path, url: str, method: str, seed: int, budget: Budget) -> dict[str, Any]:
    """A search against the server, and what it said and spent, as JSON."""
    policy = RetryPolicy(total_s=30, contact_s=10, misplaced_s=5, first_s=0.005, longest_s=0.05)
    told: dict[str, Any] = {"promised": None, "warned": []}

    def watch(event: Event) -> None:
        if isinstance(event, Planned):
            told["promised"] = event.plan.test
        elif isinstance(event, Warned):
            told["warned"].append(event.message)

    models = [
        OpenAIModel(name, base_url=url, served_as="chaos", concurrency=CONCURRENCY, timeout_s=0.5, retry_policy=policy)
        for name in ("task", "proposer")
    ]
    try:
        result = optimize(
            plant("additive", seed).task(test=100),
            build_optimizer(method, {}),
            model=Models(models[0], models[1]),
            budget=budget,
            seed=seed,
            store=store,
            session=Session([watch]),
        )
    finally:
        for model in models:
            model.close()
    tested = [each.test.n for each in (result.start, result.best) if each.test is not None]
    return {
        "outcome": json.loads(json.dumps(outcome(result))),
        "winner": result.best.text,
        "same": result.best.prompt == result.start.prompt,
        "tested": min(tested, default=0),
        "status": result.status,
        "reason": result.reason,
        "paid": {**asdict(result.paid), "tokens": result.paid.tokens},
        "spent": {**asdict(result.spent), "tokens": result.spent.tokens},
        "lost": sum(model.tries_lost for model in models),
        **told,
    }


def apart(work: Callable[[], dict[str, Any]], kill_after_s: float | None = None) -> dict[str, Any] | None:
    """What `work` gives in a process of its own; None where that was killed first."""
    with tempfile.NamedTemporaryFile(dir=_memory()) as file:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                Path(file.name).write_text(json.dumps(work()), encoding="utf-8")
                status = 0
            except PromptoptError as error:
                Path(file.name).write_text(json.dumps({"refused": str(error)}), encoding="utf-8")
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        deadline = None if kill_after_s is None else time.monotonic() + kill_after_s
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if deadline is not None and time.monotonic() >= deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return None
            time.sleep(0.002)
        text = Path(file.name).read_text(encoding="utf-8")
        if not text:
            raise RuntimeError("a run ended in an error; its traceback is above")
        return json.loads(text)


@contextmanager
def fresh() -> Generator[Path]:
    """A store of its own in a home of its own, with prices."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        prices = "".join(
            f'["openai/{name}"]\nprompt = {PRICE["prompt"]}\ncompletion = {PRICE["completion"]}\n'
            for name in ("task", "proposer")
        )
        (Path(folder) / "prices.toml").write_text(prices, encoding="utf-8")
        os.environ["PROMPTOPT_HOME"] = folder
        yield Path(folder) / "store.db"


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


@dataclass(slots=True)
class Kills:
    """What came of runs that were killed again and again."""

    kills: int = 0
    runs: int = 0
    differ: int = 0
    calls: int = 0
    repaid: int = 0
    most: int = 0
    """The most calls that a kill cost."""


def killed(server: ChaosServer, kills: int, rng: random.Random) -> Kills:
    """Runs that are killed at random moments until `kills` kills are done, each beside one that is left in peace."""
    found = Kills()
    while found.kills < kills:
        method, seed = METHODS[found.runs % len(METHODS)], found.runs
        budget = Budget(evaluations=EVALUATIONS)
        with fresh() as store:
            server.behave(seed=seed, latency_s=LATENCY_S)
            begun = time.monotonic()
            calm = apart(lambda: conduct(store, server.url, method, seed, budget))  # noqa: B023
            lasted, needed = time.monotonic() - begun, server.counts().answered
        assert calm is not None
        with fresh() as store:
            server.behave(seed=seed, latency_s=LATENCY_S)
            ended: dict[str, Any] | None = None
            repaid_before, here = 0, 0
            while ended is None:
                # Of a run that is resumed less is left each time: kills fall into all of its phases.
                pause = rng.uniform(0.0, lasted) if here == 0 else rng.uniform(0.05, lasted)
                last = found.kills + here >= kills or here >= 12
                ended = apart(
                    lambda: conduct(store, server.url, method, seed, budget),  # noqa: B023
                    None if last else pause,
                )
                here += ended is None
            repaid_before = server.counts().answered - needed
        found.kills, found.runs = found.kills + here, found.runs + 1
        found.calls, found.repaid = found.calls + needed, found.repaid + repaid_before
        found.most = max(found.most, -(-repaid_before // max(1, here)))
        found.differ += ended["outcome"] != calm["outcome"]
    return found


@dataclass(slots=True)
class Capped:
    """What came of runs under caps of one kind."""

    runs: int = 0
    over: int = 0
    worst: float = 0.0
    """The largest overshoot, as a share of the cap."""
    without: int = 0
    """Runs whose test was smaller than what was promised before the search."""
    unsaid: int = 0
    """Those of them that did not say so."""
    ledger: int = 0
    """Runs whose ledger is not the server's own count, by more than what came too late."""
    late: int = 0
    """Replies that came after the time limit of their request: the server counts them, the run says how many."""
    suspended: int = 0
    refused: int = 0
    """Caps that were refused in a sentence, as too small for anything."""


def capped(server: ChaosServer, kind: str, runs: int, rng: random.Random) -> Capped:
    """Runs under random caps, from one that hardly starts a search to one that ends none."""
    found = Capped()
    low, high = {"evaluations": (40, 900), "calls": (60, 1200), "tokens": (4e3, 9e4), "usd": (0.003, 0.06)}[kind]
    for number in range(runs):
        exact = low * (high / low) ** rng.random()
        cap: Any = exact if kind == "usd" else round(exact)
        method = METHODS[number % len(METHODS)]
        with fresh() as store:
            server.behave(seed=number)
            budget = Budget(**{kind: cap})
            ended = apart(lambda: conduct(store, server.url, method, number, budget))  # noqa: B023
            counts = server.counts()
        assert ended is not None
        if "refused" in ended:
            found.refused += 1
            continue
        paid, spent = ended["paid"], ended["spent"]
        over = (spent[kind] - cap) / cap
        found.runs += 1
        found.over += over > 1e-9
        found.worst = max(found.worst, over)
        found.suspended += ended["status"] == "suspended"
        if not ended["same"] and ended["tested"] < ended["promised"]:
            found.without += 1
            found.unsaid += not any("test" in warned for warned in (*ended["warned"], ended["reason"]))
        found.late += counts.answered - paid["calls"]
        found.ledger += not all(_is_counted(ledger, counts, ended["lost"]) for ledger in (paid, spent))
    return found


def _is_counted(ledger: dict[str, Any], counts: Counts, lost: int) -> bool:
    """Whether a ledger is the server's count; of `lost` tries it may have counted any."""
    beside = counts.answered - ledger["calls"]
    read, written = (
        counts.prompt_tokens - ledger["prompt_tokens"],
        counts.completion_tokens - ledger["completion_tokens"],
    )
    usd = (PRICE["prompt"] * ledger["prompt_tokens"] + PRICE["completion"] * ledger["completion_tokens"]) / 1e6
    late = 0 <= beside <= lost and (min(read, written) > 0 if beside else read == written == 0)
    return late and abs(ledger["usd"] - usd) < 1e-9


@dataclass(slots=True)
class Faulty:
    """What came of runs against a server that fails."""

    runs: int = 0
    faults: int = 0
    differ: int = 0
    ledger: int = 0
    """Calls that the ledger counts and the server did not answer well, or the other way round, by more than what came
    too late."""
    late: int = 0
    """Good answers that came after the time limit of their request."""


def faulty(server: ChaosServer, fault: str, rate: float, runs: int) -> Faulty:
    """Runs against a server of which that share of all requests fails."""
    found = Faulty()
    for number in range(runs):
        seed = list(FAULTS).index(fault) + 100 * number
        method = METHODS[seed % len(METHODS)]
        budget = Budget(evaluations=EVALUATIONS)
        ends: list[dict[str, Any]] = []
        for share in (0.0, rate):
            with fresh() as store:
                server.behave(seed=seed, fault=fault, rate=share)
                ended = apart(lambda: conduct(store, server.url, method, seed, budget))  # noqa: B023
                counts = server.counts()
            assert ended is not None
            ends.append(ended)
        found.runs += 1
        found.faults += counts.asked - counts.answered
        found.differ += ends[0]["outcome"] != ends[1]["outcome"]
        beside = counts.answered - ends[1]["paid"]["calls"]
        within = 0 <= beside <= ends[1]["lost"]
        found.late += beside if within else 0
        found.ledger += 0 if within else abs(beside)
    return found
