"""Models by role: from what a user names to open models, and what their tokens cost."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol, runtime_checkable

from promptopt.arguments import check_fields, takes, told
from promptopt.errors import ConfigError
from promptopt.models.prices import Price, price_of
from promptopt.models.providers import UNSAID, Access, provider_of
from promptopt.models.scripted import Scripted
from promptopt.protocols import ANSWERING, JUDGES, LocalAware, Model, Role, Simulating
from promptopt.type_words import callable_name


@told
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
    judge: str | Model | tuple[str | Model, ...] | None = None
    """Scores, where the evaluator asks a model; for a panel several, as a tuple or with commas between their names."""
    check: str | Model | None = None
    """What the prompt is for: the final choice and the sealed test are on it."""
    base_url: str | None = None
    """The server of the first of them that has a server, and of the others of the same provider."""
    access: Access = UNSAID
    """What else is said of that server; of `base_url` and its own address, the first that is given holds."""
    proposer_access: Access | None = None
    """The server of the proposer alone; the task model's name is asked there, where no proposer is named."""
    judge_access: Access | None = None
    """The server of the judge alone; the proposer's name is asked there, where no judge is named."""
    check_judge: str | Model | None = None
    """Scores in place of the judge in the final choice and the sealed test."""
    user: str | Model | None = None
    """Plays the users of simulated chats; where none is named, whom the task names, else the proposer."""
    teacher: str | Model | None = None
    """Its right answers become demonstrations, where a method has a teacher; None: the task model's own do."""
    others: tuple[str | Model, ...] = ()
    """Answer the examples that name them (`Example.answered_by`), where one prompt is for several models."""
    elsewhere: Callable[[str], Model | None] | None = None
    """Opens a model that is named, and has no server, in other processes; where it gives None, it is opened here."""

    def __post_init__(self) -> None:
        check_fields(self)
        roles = ("task", "proposer", "judge", "check", "check_judge", "user", "teacher")
        check_models(**{role: getattr(self, role) for role in roles})
        if len(self.others) >= len(ANSWERING):
            raise ConfigError(f"one prompt is for {len(self.others) + 1} models, and {len(ANSWERING)} is the most")


def check_models(**named: object) -> None:
    """Raise ConfigError for a model that is named and has no name: nobody would be asked, in silence."""
    for role, spec in named.items():
        if isinstance(spec, str) and not spec.strip():
            raise ConfigError(
                f"{role} is {spec!r}, which names no model; name one, or leave {role} out for the default"
            )


@dataclass(frozen=True, slots=True)
class OpenModels:
    """Open models: by role, and the one that the verdict is on."""

    by_role: dict[Role, Model]
    check: Model


def open_models(named: str | Model | Models, *evaluators: object) -> OpenModels:
    """Open them, and one that plays users where `evaluators` need it; a single model is the task model.

    Raises UnknownName and ConfigError.
    """
    return _each_by(_placed, named, evaluators)


def addresses_of(named: str | Model | Models, *evaluators: object) -> dict[str, str | None]:
    """The address that the model of each role is asked at, and of `check`; None: its provider's own. Opens nothing.

    Raises what `open_models` raises for a provider that is unknown or has no such server.
    """
    given: dict[int, str | None] = {}

    def noted(models: Models, spec: str, access: Access) -> Model:
        from promptopt.models.server.address import default_address
        from promptopt.models.specs import check_spec

        check_spec(spec, access)
        # For the roles are filled all the same; nothing asks it.
        stand_in = Scripted(lambda _: "", name=spec)
        given[id(stand_in)] = default_address() if _is_openais(spec, access) else access.base_url
        return stand_in

    found = _each_by(noted, named, evaluators)
    return {role: given.get(id(model)) for role, model in {**found.by_role, "check": found.check}.items()}


def _is_openais(spec: str, access: Access) -> bool:
    """Whether nothing but the environment, or OpenAI itself, says where the model is."""
    return access.base_url is None and spec.partition("/")[0] == "openai"


def _each_by(
    place: Callable[[Models, str, Access], Model], named: str | Model | Models, evaluators: Sequence[object]
) -> OpenModels:
    models = named if isinstance(named, Models) else Models(named)
    models, panel = _first_judge(models)
    # `_first_judge` has left one.
    assert not isinstance(models.judge, tuple)
    user = _user(models, evaluators)
    more = (models.check_judge, user if user else None, models.teacher, *panel, *models.others)
    _check_address(models, (models.task, models.proposer, models.judge, models.check, *more))
    proposer, judge = _proposer_and_judge(models)
    elsewhere = (models.proposer_access is not None, models.judge_access is not None)
    sharing = [each for each, own in zip((proposer, judge), elsewhere, strict=True) if not own]
    taker = _server_of(models.task, *sharing, models.check, *more)
    shared = models.access if models.base_url is None else replace(models.access, base_url=models.base_url)
    open_already: dict[tuple[str, Access], Model] = {}

    def opened(spec: str | Model, own: Access | None = None) -> Model:
        if not isinstance(spec, str):
            _check_object(spec)
            return spec
        # How much is sent holds for every server, and the address for its own provider.
        limits = Access(None, None, None, shared.concurrency, shared.requests_per_minute)
        access = shared if spec.partition("/")[0] == taker else limits if _is_served(spec) else UNSAID
        if own is not None:
            # Its own key at the same server leaves the server what it is.
            same = own.base_url is None and own.served_as is None
            access = replace(own, base_url=access.base_url, served_as=access.served_as) if same else own
        # One model, one set of connections, one pace.
        if (spec, access) not in open_already:
            open_already[spec, access] = place(models, spec, access)
        return open_already[spec, access]

    task = opened(models.task)
    proposing = task if proposer is None else opened(proposer, models.proposer_access)
    judging = proposing if judge is None else opened(judge, models.judge_access)
    checked = task if models.check is None else opened(models.check)
    by_role: dict[Role, Model] = {"task": task, "proposer": proposing, "judge": judging}
    # A panel may have fewer judges than there are roles.
    by_role.update(zip(JUDGES[1:], (opened(each, models.judge_access) for each in panel), strict=False))
    by_role.update(zip(ANSWERING[1:], map(opened, models.others), strict=False))
    if models.check_judge is not None:
        by_role["check_judge"] = opened(models.check_judge)
    if models.teacher is not None:
        by_role["teacher"] = opened(models.teacher)
    if user is not None:
        by_role["user"] = opened(user) if user else proposing
    return OpenModels(by_role, checked)


def names_user(named: str | Model | Models) -> bool:
    """Whether it is said who plays users."""
    return isinstance(named, Models) and named.user is not None


def _check_object(model: object) -> None:
    called = callable_name(model)
    if isinstance(model, type):
        raise ConfigError(f"{called} is a class, and no model; make one of it, as {called}(…)")
    generate = getattr(model, "generate", None)
    # Not isinstance(model, Model): that would read the name, which may load a model.
    if not callable(generate):
        function = callable(model)
        raise ConfigError(
            f"{called} is a function, and no model; make one of it, as promptopt.models.scripted.Scripted({called}, "
            f"name='…'), which hands it each Request"
            if function
            else f"{model!r} is not a model: pass a name (`promptopt models list`), an object with a name and "
            f"generate(requests, stopping), or Models(task, proposer=…) for several"
        )
    if not takes(generate, "requests", "stopping"):
        raise ConfigError(
            f"generate of the model {called} takes other arguments than (requests, stopping); give it these two"
        )
    if not _has_name(model):
        raise ConfigError(
            f"the model {called} has no name, by which its replies are stored; give it one that changes with the model"
        )


def _has_name(model: object) -> bool:
    """Whether it has a name, which is not read: what answers every attribute itself is believed."""
    answers = inspect.getattr_static(model, "__getattr__", None) is not None
    return answers or inspect.getattr_static(model, "name", None) is not None


def judge_specs(judge: str | Model | tuple[str | Model, ...] | None) -> tuple[str | Model, ...]:
    """The judges that are named, each by itself; none for None. Raises ConfigError."""
    if judge is None:
        return ()
    if not isinstance(judge, str):
        # Who writes Python may well give a list.
        named = tuple(judge) if isinstance(judge, tuple | list) else (judge,)
    else:
        named = tuple(each.strip() for each in judge.split(","))
    if not named or "" in named or len(named) > len(JUDGES):
        raise ConfigError(f"the judges are {judge!r}; name 1 to {len(JUDGES)}, with commas between them")
    # By identity, as objects may be unhashable: two of one name would be one judge that is counted twice.
    if any(one is other or one == other for at, one in enumerate(named) for other in named[:at]):
        raise ConfigError(f"the judges are {judge!r}, one of them twice; a panel needs judges that differ")
    return named


def _first_judge(models: Models) -> tuple[Models, tuple[str | Model, ...]]:
    """The models with one judge, and the others of a panel."""
    named = judge_specs(models.judge)
    return replace(models, judge=named[0] if named else None), named[1:]


def _proposer_and_judge(models: Models) -> tuple[str | Model | None, str | Model | None]:
    """The proposer and the judge; None where it is the model before it. Raises ConfigError."""
    proposer = models.proposer
    if proposer is None and isinstance(models.task, str):
        proposer = models.task if models.proposer_access is not None else default_proposer(models.task)
    judge = None if isinstance(models.judge, tuple) else models.judge
    if judge is None and models.judge_access is not None:
        judge = models.task if proposer is None else proposer
    for role, spec, access in (("proposer", proposer, models.proposer_access), ("judge", judge, models.judge_access)):
        if access is not None and not isinstance(spec, str):
            raise ConfigError(f"a server is given for the {role}, but no model there: name it")
    return proposer, judge


def _check_address(models: Models, given: Sequence[str | Model | None]) -> None:
    """Raise ConfigError where there is an address, and no model that could be asked there."""
    if models.base_url is not None and not any(isinstance(spec, str) for spec in given):
        raise ConfigError(
            "Models: there is a base_url, and every model is an object, which has its own address; leave it out, or "
            "name the model, as 'openai/NAME'"
        )


def _user(models: Models, evaluators: Sequence[object]) -> str | Model | None:
    """Who plays users; empty: the proposer; None where nobody is named, and none of the evaluators needs one."""
    simulating = next((each for each in evaluators if isinstance(each, Simulating)), None)
    return simulating.user_model if models.user is None and simulating is not None else models.user


def _placed(models: Models, spec: str, access: Access) -> Model:
    """Open in other processes, where it can be."""
    # A server is asked from here: other processes are for models that run in one.
    found = models.elsewhere(spec) if models.elsewhere is not None and access == UNSAID else None
    return _open_spec(spec, access) if found is None else found


def _open_spec(spec: str, access: Access) -> Model:
    from promptopt.models.specs import open_model

    more = {name: value for name, value in asdict(access).items() if name != "base_url" and value is not None}
    return open_model(spec, base_url=access.base_url, **more)


def _is_served(spec: str) -> bool:
    """Whether a model lies behind a server: what is not registered is a hosted provider, which does."""
    provider = provider_of(spec)
    return provider is None or provider.served is not None


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
    # Only `embedded` by itself: who names one of its models means that one for all roles.
    if rest or known is None or not known.catalogue:
        return None
    from promptopt.models.files.catalogue import PROPOSER

    return f"{provider}/{PROPOSER}"


def prices(models: Mapping[Role, Model]) -> dict[Role, Price | None]:
    """The price of each role's tokens; None where it is unknown."""
    return {role: price_for(model) for role, model in models.items()}


def mean_price(known: Sequence[Price | None]) -> Price | None:
    """What a token of these models costs on average, each asked as often; None where that of one is unknown."""
    held = [each for each in known if each is not None]
    if len(held) < len(known):
        return None
    # The one of a single model is it, to the last digit.
    if len(held) == 1:
        return held[0]
    reading, writing = (each.prompt_usd for each in held), (each.completion_usd for each in held)
    return Price(sum(reading) / len(held), sum(writing) / len(held))


@runtime_checkable
class Priced(Protocol):
    """A model that says what its tokens cost, as one does that stands for another."""

    @property
    def token_price(self) -> Price | None:
        """Of one that is read and of one that is written; None where it is unknown."""
        ...


def price_for(model: Model) -> Price | None:
    """The price of a model's tokens, by its own word where it has one; None where it is unknown."""
    if isinstance(model, Priced):
        return model.token_price
    return price_of(model.name, local=isinstance(model, LocalAware) and model.local)
