"""The seams, on one page. Anything that fits a Protocol here can be passed to `promptopt.optimize`.

Laws every implementation keeps (contract suites in `promptopt.testing` check them):
- a model's `name` names the served snapshot and where it is served, and is part of every stored key;
- outcomes (refusal, filter, cut at length, a request that can never fit) are replies;
- outages (429, 5xx, time-outs) are retried inside the model. What outlives its retries is raised as `BackendError`,
  after all other replies were yielded;
- evaluators and tasks never see the run: they are handed an `Ask`.

In order: models and what they may also be able to do; the door to them; tasks; evaluators; then what takes a run,
methods and selectors. Each optional capability is a Protocol of its own. An object is bound when `optimize` or
`evaluate` is called, before anything is paid for.

Models (`protocols.models`):
- `Model`: a language model: requests in, replies out as they settle. Called by the run, with what the store lacks.
- `TextScorer`: can also give the log-likelihood of a given text. Called by the run, for evaluators of given texts.
- `ScoresOnly`: may be unable to generate (a masked language model). Asked at binding, where the verdict needs replies.
- `ReportsAlternatives`: reports the likeliest alternatives of each generated token. Asked at binding, by `generation`.
- `Bounded`: knows its context beforehand. Asked at binding, together with `Tokenizer`: what cannot fit is said.
- `Tokenizer`: counts its own tokens at no cost. Called by the run, wherever a text has a length in tokens.
- `Segmenter`: cuts a text into its own tokens at no cost. Called by the run, for methods that edit tokens.
- `Inexact`: may trade exactness for speed. Asked by the run's owner once the search has ended, for the exact model.
- `TimesReplies`: knows how long each reply took. Asked by an evaluation, before and after.
- `LosesTries`: may have its server count tries without a reply. Asked by the run, which says how many at its end.
- `Leaving`: may say until when it is served. Asked by a migration, of the old model and of the new ones.
- `LocalAware`: knows whether it runs on this machine. Asked at binding, for the price of a call.

The door (`protocols.asking`):
- `Ask`: the run's own door to the models: cached, charged, recorded. Called by evaluators, while they score.
- `AskEach`: a door that tells the draws of equal requests apart. Called by evaluators whose cells take several calls.
- `AskAhead`: a door that can begin a batch while another is out. Called by programs of several calls.
- `Pipeline`: batches, one behind the other. Called by who called `AskAhead`, once a batch.
- `Batch`: requests that are asked together, on their way. Called by who began it: first `ask`, then `replies`.

Tasks (`protocols.tasks`):
- `Task`: examples, the starting prompt, and how a prompt is laid out around an example. Called by the run, all along.
- `SeveralParts`: a task that may have several editable parts. Asked by the run, which turns to another after a round.
- `BringsEvaluator`: a task that is scored by an evaluator of its own. Asked at binding, where the user names none.
- `SeveralTasks`: a task that is several under one prompt. Asked by methods that rank prompts by all of them.
- `HasObjective`: a task that is several, and says by what of all it is searched. Asked by the run, at every phase.
- `HoldsFloors`: a task that is several, none of which is given up. Asked by the run, when a search begins.
- `JudgedTask`: a task that is scored by a judge. Asked at binding, where nobody names another evaluator.
- `WeighedTask`: a task that says what counts once in its mean scores. Asked by the run and by its verdict.

Evaluators (`protocols.evaluators`):
- `Evaluator`: gives every (prompt, example) cell a score, asking a model. Called by the run, a batch at a time.
- `CallsVary`: an evaluator whose cells take more calls or fewer. Asked where a cap on calls might cut a test.
- `LooksFirst`: an evaluator that has a few cells scored before all others. Asked by what scores the cells, once.
- `BeginsCells`: an evaluator whose cells ask first what it makes. Asked where the first request of a run is refused.
- `RunsProgram`: an evaluator that runs a program in every cell. Asked for `Run.abilities`: proposers may be shown it.
- `Forcing`: an evaluator of given texts, which must fit the context. Asked at binding, and by `--dry-run`.
- `Contrasting`: an evaluator that compares what is right with what is wrong. Asked at binding, for `Run.abilities`.
- `Reducing`: an evaluator of given texts that says how it combines their tokens. Asked for `Run.abilities`.
- `SuitsModel`: an evaluator that learns more of a cell where the model can tell it. Asked at binding, once.
- `Surrogate`: an evaluator that guides by something else than prompts are for (a loss). Asked at binding.
- `Judging`: an evaluator whose score is the word of a judge. Asked at binding, and for what the verdict may say.
- `Grading`: a judging evaluator that can score any reply. Called by `promptopt.judges`, to calibrate and to probe it.
- `Simulating`: an evaluator that has a model play the users of chats. Asked at binding, which adds that model.

Methods and selectors (`protocols.searches`):
- `Optimizer`: a search: proposes prompts, has them scored, keeps the best. Called by the run's owner, once.
- `ChecksTask`: a method that knows before it begins that it cannot go on. Asked at binding, first of all.
- `ChecksInstalled`: a method that needs further packages. Asked by a run of which nothing is stored, before it begins.
- `ChoosesEvaluator`: a method that searches by an evaluator of its own choice. Asked at binding, where none is named.
- `ChoosesLayout`: a method whose candidates may be read in any of the task's layouts. Asked at binding.
- `Demonstrates`: a method whose candidates show demonstrations. Asked where a cap on tokens or dollars is divided.
- `RecastsTask`: a method that needs the task in another form. Asked at binding, once, before the evaluator is bound.
- `BoundsCost`: a method whose settings alone tell what a search can take at most. Asked by `--dry-run`.
- `SearchPlan`: what a search will do, in numbers. Asked by the run's owner, for its identity and for `--dry-run`.
- `EndsByBudget`: a plan that may have no end of its own. Asked by `--dry-run`, which then tells no part of a whole.
- `Planning`: a method that plans its search on what it is granted. Asked at binding, before anything is spent.
- `BoundsCostInRoom`: knows what a search can take in a given room. Asked by `--dry-run`, where the budget has a cap.
- `Selector`: finds the best of many prompts at a bounded cost. Called by methods, once a round.
- `CapsEvaluations`: a selector whose evaluations have a cap. Asked by methods that bound their own cost.
- `Chunker`: cuts a text into chunks; a parser can stand behind it. Called by the methods that edit phrases.
"""

from __future__ import annotations

from promptopt.protocols.asking import (
    Ask,
    AskAhead,
    AskEach,
    Batch,
    Pipeline,
)
from promptopt.protocols.evaluators import (
    BeginsCells,
    CallsVary,
    Contrasting,
    Evaluator,
    Forcing,
    Grading,
    Judging,
    LooksFirst,
    Reducing,
    RunsProgram,
    Simulating,
    SuitsModel,
    Surrogate,
)
from promptopt.protocols.models import (
    ANSWERING,
    JUDGES,
    Bounded,
    Inexact,
    Leaving,
    LocalAware,
    LosesTries,
    Model,
    ReportsAlternatives,
    Role,
    ScoresOnly,
    Segmenter,
    TextScorer,
    TimesReplies,
    Tokenizer,
)
from promptopt.protocols.searches import (
    BoundsCost,
    BoundsCostInRoom,
    CapsEvaluations,
    ChecksInstalled,
    ChecksTask,
    ChoosesEvaluator,
    ChoosesLayout,
    Chunker,
    Demonstrates,
    EndsByBudget,
    Optimizer,
    Planning,
    RecastsTask,
    SearchPlan,
    Selector,
)
from promptopt.protocols.tasks import (
    METRICS,
    READERS,
    BringsEvaluator,
    HasObjective,
    HoldsFloors,
    JudgedTask,
    MemberFloor,
    Metric,
    Reader,
    SeveralParts,
    SeveralTasks,
    Task,
    WeighedTask,
)

__all__ = [
    "ANSWERING",
    "JUDGES",
    "METRICS",
    "READERS",
    "Ask",
    "AskAhead",
    "AskEach",
    "Batch",
    "BeginsCells",
    "Bounded",
    "BoundsCost",
    "BoundsCostInRoom",
    "BringsEvaluator",
    "CallsVary",
    "CapsEvaluations",
    "ChecksInstalled",
    "ChecksTask",
    "ChoosesEvaluator",
    "ChoosesLayout",
    "Chunker",
    "Contrasting",
    "Demonstrates",
    "EndsByBudget",
    "Evaluator",
    "Forcing",
    "Grading",
    "HasObjective",
    "HoldsFloors",
    "Inexact",
    "JudgedTask",
    "Judging",
    "Leaving",
    "LocalAware",
    "LooksFirst",
    "LosesTries",
    "MemberFloor",
    "Metric",
    "Model",
    "Optimizer",
    "Pipeline",
    "Planning",
    "Reader",
    "RecastsTask",
    "Reducing",
    "ReportsAlternatives",
    "Role",
    "RunsProgram",
    "ScoresOnly",
    "SearchPlan",
    "Segmenter",
    "Selector",
    "SeveralParts",
    "SeveralTasks",
    "Simulating",
    "SuitsModel",
    "Surrogate",
    "Task",
    "TextScorer",
    "TimesReplies",
    "Tokenizer",
    "WeighedTask",
]
