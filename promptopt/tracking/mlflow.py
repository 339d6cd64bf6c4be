"""A run in MLflow: its settings as parameters, its rounds as metrics, its result and prompts as artefacts.

Where to is MLflow's own business: `MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME` (default: promptopt).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptopt.errors import ConfigError
from promptopt.run.events import Event, PhaseBegun, Planned, StepDone, Warned
from promptopt.types.identity import without_surrogates

if TYPE_CHECKING:
    from promptopt.outcome.result import Result
    from promptopt.run.budget import Ledger

LONGEST_PARAMETER = 500
"""Characters of a parameter; MLflow's stores take 500 at least."""


class MLflow:
    """One run of MLflow for one execution. Nothing global is touched: no active run, no experiment of the process."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """`config`: what started the run. Raises ConfigError where MLflow is not installed."""
        try:
            self._client: Any = import_module("mlflow").MlflowClient()
        except ModuleNotFoundError as cause:
            raise ConfigError('--track mlflow needs MLflow: pip install "promptopt-engine[mlflow]"') from cause
        self._config = dict(config)
        self._run = ""
        self._ended = False
        self._warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        """Tell of an event."""
        if isinstance(event, Planned):
            self._begin(event)
        elif isinstance(event, PhaseBegun) and self._run:
            self._client.set_tag(self._run, "phase", event.name)
        elif isinstance(event, Warned):
            # Kept for one file at the end: MLflow has no place for sentences, and some come before its run.
            self._warnings.append(event.message)
        elif isinstance(event, StepDone) and self._run:
            scored = {estimate.prompt: estimate.mean for estimate in event.pool if estimate.count}
            best = next((scored[prompt] for prompt in event.kept if prompt in scored), math.nan)
            self._metrics({"score": best, **_spent(event.spent)}, event.number)

    def _begin(self, planned: Planned) -> None:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "promptopt")
        found = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if found is None else found.experiment_id
        tags = {"promptopt.run": planned.run_id}
        self._run = self._client.create_run(experiment, run_name=planned.run_id, tags=tags).info.run_id
        for key, value in self._config.items():
            given = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
            self._client.log_param(self._run, key, without_surrogates(given)[:LONGEST_PARAMETER])

    def finish(self, result: Result) -> None:
        """Tell of the result: the test as metrics, the result and both prompts as files."""
        if not self._run:
            return
        found = {"gain": None if result.gain is None else result.gain.mean,
                 "p_value": None if result.gain is None else result.gain.p_value}  # fmt: skip
        for who, contender in (("start", result.start), ("best", result.best)):
            for split, measured in (("dev", contender.dev), ("test", contender.test)):
                found[f"{who}_{split}"] = None if measured is None else measured.score
        known = {name: value for name, value in found.items() if value is not None}
        self._metrics({**known, **_spent(result.spent)}, len(result.steps))
        for name, value in (("verdict", result.verdict), ("status", result.status), ("model", result.model)):
            self._client.set_tag(self._run, f"promptopt.{name}", str(value))
        whole = json.dumps(result.to_json(), indent=1, ensure_ascii=False)
        texts = {"result.json": whole, "best.txt": result.best.text, "start.txt": result.start.text,
                 "warnings.txt": "\n".join(self._warnings)}  # fmt: skip
        for name, text in texts.items():
            self._client.log_text(self._run, without_surrogates(text), name)
        # MLflow has no state for a run that goes on later.
        self._client.set_terminated(self._run, "KILLED" if result.status == "suspended" else "FINISHED")
        self._ended = True

    def close(self) -> None:
        """Without a result the run failed."""
        if self._run and not self._ended:
            self._client.set_terminated(self._run, "FAILED")

    def _metrics(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            # NaN: no prompt that was kept in this step has a score.
            if math.isfinite(value):
                self._client.log_metric(self._run, name, float(value), step=step)


def _spent(ledger: Ledger) -> dict[str, float]:
    spent = {"evaluations": ledger.evaluations, "calls": ledger.calls, "prompt_tokens": ledger.prompt_tokens,
             "completion_tokens": ledger.completion_tokens}  # fmt: skip
    return {**spent, **({} if ledger.usd is None else {"usd": ledger.usd})}
