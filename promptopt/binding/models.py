"""Models by role: from what a user names to open models, and what their tokens cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptopt.arguments import check_fields
from promptopt.errors import ConfigError
from promptopt.models.prices import Price, price_of
from promptopt.models.providers import provider_of
from promptopt.protocols import LocalAware, Model, Role


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a run, each by name (`promptopt models list`) or as an object.

    The proposer is the task model, the judge the proposer, and the last one the task model, where none is named; the
    one exception is `embedded`, whose model can answer but hardly edit: its larger sister writes its prompts.
    """

    task: str | Model = "embedded"
    """Answers the task."""
    proposer: str | Model | None = None
    """Writes prompts."""
    judge: str | Model | None = None
    """Scores, where the evaluator asks a model."""
    check: str | Model | None = None
    """What the prompt is for: the final choice and the sealed test are on it."""
    base_url: str | None = None
    """The server of the first of them that has a server, and of the others of the same provider."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class OpenModels:
    """Open models: by role, and the one that the verdict is on."""

    by_role: dict[Role, Model]
    check: Model


def open_models(named: str | Model | Models) -> OpenModels:
    """Open them; a single model is the task model. Raises UnknownName and ConfigError."""
    models = named if isinstance(named, Models) else Models(named)
    specs = (models.task, models.proposer, models.judge, models.check)
    if models.base_url is not None and not any(isinstance(spec, str) for spec in specs):
        raise ConfigError(
            "Models: there is a base_url, and every model is an object, which has its own address; leave it out, or "
            "name the model, as 'openai/NAME'"
        )
    taker = _server_of(*specs)

    def opened(spec: str | Model) -> Model:
        if not isinstance(spec, str):
            # Not isinstance(spec, Model): that would read the name, which may load a model.
            if isinstance(spec, type) or not callable(getattr(spec, "generate", None)):
                raise ConfigError(
                    f"{spec!r} is not a model: pass a name (`promptopt models list`), an object with a name and "
                    f"generate(requests), or Models(task, proposer=…) for several"
                )
            return spec
        from promptopt.models.specs import open_model

        return open_model(spec, base_url=models.base_url if spec.partition("/")[0] == taker else None)

    task, proposer = opened(models.task), models.proposer
    if proposer is None and isinstance(models.task, str):
        proposer = default_proposer(models.task)
    proposing = task if proposer is None else opened(proposer)
    judging = proposing if models.judge is None else opened(models.judge)
    checked = task if models.check is None else opened(models.check)
    return OpenModels({"task": task, "proposer": proposing, "judge": judging}, checked)


def _server_of(*specs: str | Model | None) -> str:
    """The provider a base URL belongs to; where all run in this process, the first one's, which will refuse it."""
    named = [spec.partition("/")[0] for spec in specs if isinstance(spec, str)]
    found = {name: provider_of(name) for name in named}
    # What is not registered is a hosted provider, which may stand behind an address too.
    remote = [name for name, provider in found.items() if provider is None or provider.takes_url]
    return next(iter([*remote, *named]), "")


def default_proposer(model: str) -> str | None:
    """The proposer of a task model named without one; None is the model itself."""
    provider, _, rest = model.partition("/")
    known = provider_of(model)
    if rest or known is None or not known.catalogue:
        return None
    from promptopt.models.files.catalogue import PROPOSER

    return f"{provider}/{PROPOSER}"


def prices(models: Mapping[Role, Model]) -> dict[Role, Price | None]:
    """The price of each role's tokens; None where it is unknown."""
    return {role: price_for(model) for role, model in models.items()}


def price_for(model: Model) -> Price | None:
    """The price of a model's tokens; None where it is unknown."""
    return price_of(model.name, local=isinstance(model, LocalAware) and model.local)
