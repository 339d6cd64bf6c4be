"""What MLflow and OpenTelemetry are told of a run, by their real packages; and that their troubles end no run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError, UnknownName
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.testing import feature_accuracy, planted_model
from promptopt.tracking import Told, tracked
from tests.rewrites import rewrite
from tests.run.planted_run import conduct

pytestmark = pytest.mark.filterwarnings("ignore")
CONFIG = {"task": "planted", "method": "rewrites", "model": "m", "settings": {"rounds": 3}, "base_url": None}


def run_with(store: Path, tracker: Any, **changes: Any) -> Result:
    made = conduct(store, observers=[tracker], **changes)
    assert isinstance(made, Result)
    return made


def test_mlflow_has_the_settings_the_rounds_and_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    told: list[str] = []
    with tracked(["mlflow"], CONFIG, told.append) as tracker:
        result = run_with(tmp_path / "s.db", tracker)
        tracker.finish(result)
    assert told == []
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("promptopt")
    [run] = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["method"] == "rewrites"
    assert run.data.params["settings"] == '{"rounds": 3}'
    assert run.data.tags["promptopt.run"] == result.run_id
    assert run.data.tags["promptopt.verdict"] == "better"
    assert result.best.test is not None
    assert run.data.metrics["best_test"] == result.best.test.score
    history = client.get_metric_history(run.info.run_id, "score")
    assert [each.step for each in history] == [step.number for step in result.steps]
    file = client.download_artifacts(run.info.run_id, "result.json", str(tmp_path))
    assert json.loads(Path(file).read_text(encoding="utf-8"))["run_id"] == result.run_id


def test_otel_has_a_span_for_the_run_its_phases_and_its_rounds(tmp_path: Path) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra `otel`")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from promptopt.tracking.otel import OpenTelemetry

    kept, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracker = OpenTelemetry({**CONFIG, "task": "half \ud83d"}, provider.get_tracer("test"))
    result = run_with(tmp_path / "s.db", tracker)
    tracker.finish(result)
    tracker.close()
    spans = kept.get_finished_spans()
    [root] = [span for span in spans if span.parent is None]
    assert root.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert root.attributes["gen_ai.request.model"] == "m"
    assert root.attributes["gen_ai.usage.input_tokens"] == result.spent.prompt_tokens
    assert [event.name for event in root.events] == ["gen_ai.evaluation.result"] * 2
    phases = [span for span in spans if span.parent is not None and span.parent.span_id == root.context.span_id]
    assert [span.name for span in phases] == ["search", "dev", "test"]
    rounds = [span for span in spans if span.name == "round" and "promptopt.round" in span.attributes]
    assert len(rounds) == len(result.steps)
    assert sum(span.attributes["gen_ai.usage.input_tokens"] for span in rounds) == result.steps[-1].spent.prompt_tokens


def test_a_run_that_fails_or_is_suspended_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    model = planted_model(feature_accuracy(["carefully"]))
    model.fail_at = 100
    with tracked(["mlflow"], {}, print) as tracker:
        result = run_with(tmp_path / "s.db", tracker, model=model)
        tracker.finish(result)
    broken = Scripted(lambda _: 1 / 0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ZeroDivisionError), tracked(["mlflow"], {}, print) as tracker:
        run_with(tmp_path / "t.db", tracker, model=broken, proposer=Scripted(rewrite))
    client = mlflow.MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("promptopt").experiment_id])
    assert {run.info.status for run in runs} == {"KILLED", "FAILED"}


class Down:
    """A tracker whose server is down."""

    asked = 0

    def __call__(self, event: object) -> None:
        self.asked += 1
        raise ConnectionError("nobody at 127.0.0.1:5000")

    def finish(self, result: object) -> None:
        raise AssertionError("told nothing more")

    def close(self) -> None:
        raise AssertionError("told nothing more")


def test_a_tracker_that_fails_is_said_once_and_ends_no_run(tmp_path: Path) -> None:
    told: list[str] = []
    down = Down()
    tracker = Told({"mlflow": down}, told.append)
    result = run_with(tmp_path / "s.db", tracker)
    tracker.finish(result)
    tracker.close()
    assert result.status == "finished"
    assert told == ["mlflow is told nothing more of this run: ConnectionError: nobody at 127.0.0.1:5000"]
    assert down.asked == 1


def test_an_unknown_tracker_and_a_missing_package_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="wandb"), tracked(["wandb"], {}, print):
        pass

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    for name in ("mlflow", "otel"):
        monkeypatch.setattr(f"promptopt.tracking.{name}.import_module", missing)
        with pytest.raises(ConfigError, match=rf"promptopt-engine\[{name}\]"), tracked([name], {}, print):
            pass
