"""A run as OpenTelemetry spans with the GenAI names: the run, in it its phases, in the search its rounds.

The names are those of the semantic conventions for generative AI: `gen_ai.operation.name`, `gen_ai.request.model`,
`gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, and the event `gen_ai.evaluation.result`. Prompts are not
told. Where to is OpenTelemetry's own business: `OTEL_EXPORTER_OTLP_ENDPOINT`, or the provider that the program has set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptopt.errors import ConfigError
from promptopt.run.budget import Ledger
from promptopt.run.events import Event, PhaseBegun, Planned, StepDone, Warned
from promptopt.types.identity import without_surrogates

if TYPE_CHECKING:
    from promptopt.outcome.result import Result


class OpenTelemetry:
    """Spans of one run. A round begins where the one before it ended."""

    def __init__(self, config: Mapping[str, Any], tracer: Any = None) -> None:
        """`tracer`: None is the program's own, or one that exports by OTLP. Raises ConfigError without the packages."""
        try:
            self._trace: Any = import_module("opentelemetry.trace")
            self._provider: Any = None
            if tracer is None:
                tracer = self._own_tracer()
        except ModuleNotFoundError as cause:
            raise ConfigError('--track otel needs OpenTelemetry: pip install "promptopt-engine[otel]"') from cause
        self._tracer, self._config = tracer, dict(config)
        self._run: Any = None
        self._phase: Any = None
        self._round: Any = None
        self._spent = Ledger()

    def _own_tracer(self) -> Any:
        proxy: Any = import_module("opentelemetry.trace").ProxyTracerProvider
        # A proxy stands there until the program sets a provider of its own.
        if not isinstance(self._trace.get_tracer_provider(), proxy):
            return self._trace.get_tracer("promptopt")
        sdk: Any = import_module("opentelemetry.sdk.trace")
        export: Any = import_module("opentelemetry.sdk.trace.export")
        otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resource: Any = import_module("opentelemetry.sdk.resources").Resource.create({"service.name": "promptopt"})
        # Kept here and not set for the process, which may set its own later.
        self._provider = sdk.TracerProvider(resource=resource)
        self._provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
        return self._provider.get_tracer("promptopt")

    def __call__(self, event: Event) -> None:
        """Tell of an event."""
        if isinstance(event, Planned):
            model = str(self._config.get("model", ""))
            known = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "promptopt",
                     "gen_ai.request.model": model, "promptopt.run": event.run_id}  # fmt: skip
            settings = {f"promptopt.{name}": str(value) for name, value in self._config.items() if name != "settings"}
            self._run = self._begin(f"invoke_agent promptopt {event.run_id}", {**settings, **known}, None)
        elif isinstance(event, PhaseBegun):
            self._end_phase()
            self._phase = self._begin(event.name, {"promptopt.phase": event.name}, self._run)
            self._round = self._begin("round", {}, self._phase) if event.name == "search" else None
        elif isinstance(event, StepDone) and self._round is not None:
            scored = {estimate.prompt: estimate.mean for estimate in event.pool if estimate.count}
            best = next((scored[prompt] for prompt in event.kept if prompt in scored), math.nan)
            self._usage(self._round, self._spent, event.spent)
            self._round.set_attribute("promptopt.round", event.number)
            self._result(self._round, "train", best)
            self._round.end()
            self._spent = event.spent
            self._round = self._begin("round", {}, self._phase)
        elif isinstance(event, Warned) and self._run is not None:
            self._run.add_event("warning", {"message": without_surrogates(event.message)})

    def finish(self, result: Result) -> None:
        """Tell of the result, on the span of the run."""
        if self._run is None:
            return
        self._usage(self._run, Ledger(), result.spent)
        for who, contender in (("start", result.start), ("best", result.best)):
            if contender.test is not None:
                self._result(self._run, f"test {who}", contender.test.score)
        self._run.set_attribute("promptopt.verdict", str(result.verdict))
        self._run.set_attribute("promptopt.status", result.status)

    def close(self) -> None:
        """End every span, and send what is left."""
        self._end_phase()
        if self._run is not None:
            self._run.end()
            self._run = None
        # Ours alone: the program's own provider goes on after this run.
        if self._provider is not None:
            self._provider.shutdown()

    def _begin(self, name: str, attributes: Mapping[str, Any], within: Any) -> Any:
        around = None if within is None else self._trace.set_span_in_context(within)
        given = {key: without_surrogates(value) for key, value in attributes.items()}
        return self._tracer.start_span(name, context=around, attributes=given)

    def _end_phase(self) -> None:
        # A span ends before the one that holds it.
        for span in (self._round, self._phase):
            if span is not None:
                span.end()
        self._round = self._phase = None

    def _usage(self, span: Any, before: Ledger, after: Ledger) -> None:
        span.set_attribute("gen_ai.usage.input_tokens", after.prompt_tokens - before.prompt_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", after.completion_tokens - before.completion_tokens)
        span.set_attribute("promptopt.calls", after.calls - before.calls)
        span.set_attribute("promptopt.evaluations", after.evaluations - before.evaluations)

    def _result(self, span: Any, name: str, score: float) -> None:
        if math.isfinite(score):
            told = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
            span.add_event("gen_ai.evaluation.result", told)
