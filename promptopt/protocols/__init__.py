"""The seams, on one page. Anything that fits a Protocol here can be passed to `promptopt.optimize`.

Laws every implementation keeps (contract suites in `promptopt.testing` check them):
- a model's `name` names the served snapshot and where it is served, and is part of every stored key;
- outcomes (refusal, filter, cut at length, a request that can never fit) are replies; outages (429, 5xx, time-outs) is
  retried inside the model and, beyond its retries, raised as `BackendError` after all other replies were yielded;
- evaluators and tasks never see the run: they are handed an `Ask`.

In order: models and what they may also be able to do; tasks; evaluators; then what takes a run, methods and selectors.
Each optional capability is a Protocol of its own, and says who asks for it, and when.

Models (`protocols.models`):
- `Model`: A language model: requests in, replies out as they settle.
- `TextScorer`: A model that can also give the log-likelihood of a given text.
- `ScoresOnly`: A model that may be unable to generate (a masked language model).
- `ReportsAlternatives`: A model that reports the likeliest alternatives of each token that it generates.
- `Bounded`: A model whose context is known beforehand.
- `Tokenizer`: A model that can count its own tokens without a call that costs anything.
- `Segmenter`: A model that can cut a text into its own tokens without a call that costs anything.
- `Inexact`: A model that may trade exactness for speed: its replies can depend on what else it is asked.
- `LocalAware`: A model that knows whether it runs on this machine, where tokens cost nothing.

Tasks and evaluators (`protocols.tasks`):
- `Ask`: The run's own door to the models: cached, charged, recorded. Order in is order out.
- `AskEach`: A door that can tell the draws of equal requests apart.
- `AskAhead`: A door that can begin a batch while another is out.
- `Line`: Batches, one behind the other.
- `Batch`: Requests that are asked together, on their way.
- `Task`: Examples, the starting prompt, and how a prompt is laid out around an example.
- `SeveralParts`: A task that may have several editable parts.
- `BringsEvaluator`: A task that is scored by an evaluator of its own.
- `CallsVary`: An evaluator whose cells take more calls or fewer.
- `SeveralTasks`: A task that is several under one prompt.
- `Forcing`: An evaluator that scores given texts: what it scores must fit into the model's context, and is never cut.
- `Contrasting`: An evaluator that compares what is right with what is wrong: an example needs both.
- `Reducing`: An evaluator of given texts that says how it combines their tokens.
- `SuitsModel`: An evaluator that learns more of a cell where the model can tell it.
- `Surrogate`: An evaluator that guides a search by something else than what its prompts are for (a loss, in nats).
- `Judging`: An evaluator whose score is the word of a judge, a model too: no verdict without the word of people.
- `Grading`: A judging evaluator that can say what a reply is worth, whoever wrote it.
- `Simulating`: An evaluator that has a model play the users of chats.
- `JudgedTask`: A task that is scored by a judge where nobody names another evaluator.
- `Evaluator`: Gives every (prompt, example) cell a score, asking a model.

Methods and selectors (`protocols.searches`):
- `Optimizer`: A search: proposes prompts, has them scored, keeps the best. Straight-line code over a run.
- `ChoosesEvaluator`: A method that searches by an evaluator of its own choice where the user names none.
- `ChoosesLayout`: A method whose candidates may be read in any of the task's layouts.
- `RecastsTask`: A method that needs the task in another form, which renders the start prompt byte for byte as it was.
- `BoundsCost`: A method that knows from its settings alone what a search can take at most.
- `SearchPlan`: What a search will do, in numbers: a frozen dataclass, part of the run's fingerprint.
- `Planning`: An optimizer that plans its search on what it is granted, before anything is spent.
- `BoundsCostInRoom`: A method that knows what a search can take in a given room.
- `Selector`: Finds the best of many prompts at a bounded cost; a value that any optimizer can hold.
- `CapsEvaluations`: A selector whose evaluations have a cap. Asked by methods that bound their own cost.
- `Chunker`: Cuts a text into chunks; a parser can stand behind it. Called by the methods that edit phrases.
"""

from __future__ import annotations

from promptopt.protocols.models import (
    JUDGES,
    Bounded,
    Inexact,
    LocalAware,
    Model,
    ReportsAlternatives,
    Role,
    ScoresOnly,
    Segmenter,
    TextScorer,
    Tokenizer,
)
from promptopt.protocols.searches import (
    BoundsCost,
    BoundsCostInRoom,
    CapsEvaluations,
    ChoosesEvaluator,
    ChoosesLayout,
    Chunker,
    Optimizer,
    Planning,
    RecastsTask,
    SearchPlan,
    Selector,
)
from promptopt.protocols.tasks import (
    METRICS,
    READERS,
    Ask,
    AskAhead,
    AskEach,
    Batch,
    BringsEvaluator,
    CallsVary,
    Contrasting,
    Evaluator,
    Forcing,
    Grading,
    JudgedTask,
    Judging,
    Line,
    Metric,
    Reader,
    Reducing,
    SeveralParts,
    SeveralTasks,
    Simulating,
    SuitsModel,
    Surrogate,
    Task,
)

__all__ = [
    "JUDGES",
    "METRICS",
    "READERS",
    "Ask",
    "AskAhead",
    "AskEach",
    "Batch",
    "Bounded",
    "BoundsCost",
    "BoundsCostInRoom",
    "BringsEvaluator",
    "CallsVary",
    "CapsEvaluations",
    "ChoosesEvaluator",
    "ChoosesLayout",
    "Chunker",
    "Contrasting",
    "Evaluator",
    "Forcing",
    "Grading",
    "Inexact",
    "JudgedTask",
    "Judging",
    "Line",
    "LocalAware",
    "Metric",
    "Model",
    "Optimizer",
    "Planning",
    "Reader",
    "RecastsTask",
    "Reducing",
    "ReportsAlternatives",
    "Role",
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
    "Tokenizer",
]
