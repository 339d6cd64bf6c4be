"""The final choice: what the verdict is by takes over, and the finalists are scored on dev."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.errors import BudgetSpent
from promptopt.outcome.criterion import Criterion
from promptopt.protocols import Inexact
from promptopt.run import Run
from promptopt.run.budget import Allocation
from promptopt.run.floors import goes_by_floors
from promptopt.run.posterior import Posterior
from promptopt.run.worth import MOST_SEEN, pooled
from promptopt.types import Estimate, Example, Prompt, Request

CANDIDATES_LOOKED_AT = 8
"""Candidates beside the start that the final choice begins with, where their looks are few. Ours."""
MAY_BE_BETTER = 0.1
"""The start is looked at on as long as it is better than the best with that probability. Ours."""
SURE = 0.55
"""The probability with which a winner is better than the start, at least. Ours: with the looks above it spares a third
of the winners that are worse, at no gain lost; more costs gain (benchmarks/results/search-drift.md)."""


def choose(run: Run, allocation: Allocation, *, by_search: bool, cut: bool = False) -> Prompt:
    """Re-score the finalists and the start on dev examples and return the best by all that is known of them.

    `by_search`: whether what the search measured is what the verdict is by. If not, dev alone counts. If so, right and
    wrong of both phases make one belief (`run.posterior`), and dev examples go to those it cannot tell apart: see
    `_narrowed`. Four things rule that out: graded scores, conversations that count once each, a finalist with more
    than MOST_SEEN looks, and a loss that stands in. Then all are scored on the same dev examples, and what the search
    knows counts beside dev (`worth.pooled`). Ties go to the shorter prompt, then to the earlier. Where the budget does
    not even score the start, the start is kept. `cut`: a cap ended the search, and what was written by then and never
    scored fills the places of finalists that are free. Such a one has to beat the start on dev.
    """
    run.begin_phase("dev")
    known = [estimate.prompt for estimate in run.ranked()]
    winner = _best_finalist(run, allocation, by_search=by_search, cut=cut)
    return winner if winner in known or _beats_start(run, winner) else run.initial


def _best_finalist(run: Run, allocation: Allocation, *, by_search: bool, cut: bool) -> Prompt:
    """The best by all that is known of the finalists, as `choose` says."""
    ranked = [estimate.prompt for estimate in run.ranked(unseen=cut) if estimate.prompt != run.initial]
    finalists, evidence = ranked[: allocation.finalists], run.evidence()
    seen = [[score.value for _, score in run.seen(prompt, evidence)] for prompt in finalists]
    # The posterior's noise is that of right and wrong: of graded scores it would believe too little.
    few = all(len(values) <= MOST_SEEN and {0.0, 1.0}.issuperset(values) for values in seen)
    # The mean of a conversation is a graded score.
    few = few and run.weigh == "turn"
    if by_search and few and not run.abilities.stands_in:
        cells = (len(finalists) + 1) * min(allocation.dev, len(run.dev))
        # A quarter of the cells shows each of them an example, or they are no more than are promised. Tokens and
        # dollars are set aside for the longest of so many alone.
        most = 0 if allocation.total.metered else min(CANDIDATES_LOOKED_AT, cells // 4 - 1)
        count = max(allocation.finalists, most)
        # On 180 planted searches at 400 calls this gains 1.7 ± 0.5 points of true accuracy beyond scoring all alike.
        # Upper bounds gain as much, but ask twenty times where halving asks four
        # (benchmarks/results/peers-diagnosis.md).
        return _narrowed(run, [run.initial, *ranked[:count]], cells)
    return _best_on_dev(run, [run.initial, *finalists], run.dev[: allocation.dev], by_search)


def _beats_start(run: Run, prompt: Prompt) -> bool:
    """Whether it has the higher mean of the two on the dev examples that both were scored on."""
    own, start = (_known_scores(run, each, run.dev, run.final_repetition) for each in (prompt, run.initial))
    return sum(own[place] - start[place] for place in own.keys() & start.keys()) > 0.0


def _narrowed(run: Run, contenders: Sequence[Prompt], cells: int) -> Prompt:
    """The best after successive halving (Karnin et al. 2013, ICML, PMLR 28:1238-1246).

    In each round all that are left see the same new dev examples, and the half that is believed to be better goes on,
    with the start for as long as it may be better. Each round has as many `cells`; what they leave in the end goes to
    the best that have not seen all of dev. The start is kept unless the best is better with the probability `SURE`.
    """
    alive, begun, left = list(contenders), 0, cells
    # Once at least: a start without any rival has to be scored too.
    while len(alive) > 1 or not begun:
        rounds = max(1, math.ceil(math.log2(len(alive))))
        # An even part of what is left for each round that is to come; where that is less than one example each, one
        # while it lasts.
        share = max(left // rounds, min(left, len(alive))) // len(alive)
        examples = run.dev[begun : begun + share]
        if not examples or not _scored_within_budget(run, alive, examples):
            break
        begun, left = begun + share, left - len(alive) * len(examples)
        belief = run.posterior(contenders, run.dev)
        alive = _by_belief(run, belief, alive)[: math.ceil(len(alive) / 2)]
        # Many a search hardly looks at the start. And by floors what is lost shows against it alone: among prompts that
        # lose the same, examples look hard.
        if run.initial not in alive and (goes_by_floors(run.task) or _start_may_be_better(belief, alive[0])):
            alive.append(run.initial)
    # Where the budget did not even score the start there is nothing to be better than.
    if not _looked(run, run.initial, run.dev):
        return run.initial
    for prompt in _by_belief(run, run.posterior(contenders, run.dev), contenders):
        unseen = [example for example in run.dev if not _looked(run, prompt, [example])][:left]
        if not _scored_within_budget(run, [prompt], unseen):
            break
        left -= len(unseen)
    belief = run.posterior(contenders, run.dev)
    looked = [prompt for prompt in contenders if _looked(run, prompt, run.dev)]
    winner = _by_belief(run, belief, looked)[0]
    equals = _equals(run, looked)[winner]
    # A shorter prompt than the start that no score tells apart from it has nothing to show.
    sure = run.initial in equals or max(map(belief.chance, equals)) >= SURE
    return winner if sure else run.initial


def _start_may_be_better(belief: Posterior, best: Prompt) -> bool:
    # Both may be impossible: then there is no such probability, and the start is looked at on.
    return not belief.chance(best) > 1.0 - MAY_BE_BETTER


def _by_belief(run: Run, belief: Posterior, prompts: Sequence[Prompt]) -> list[Prompt]:
    """`prompts`, the best by both phases first. Those that no score tells apart are worth the same."""
    # The belief in a child is drawn towards its parent: without this, no cut that harms nothing would ever tie.
    worth = {prompt: max(belief.mean[each] for each in equals) for prompt, equals in _equals(run, prompts).items()}
    return sorted(prompts, key=lambda prompt: _rank(worth[prompt], prompt), reverse=True)


def _equals(run: Run, prompts: Sequence[Prompt]) -> dict[Prompt, list[Prompt]]:
    """Those of `prompts` that no score tells apart from each, itself among them."""
    held = {prompt: (_known_scores(run, prompt, run.evidence(), 0),
                     _known_scores(run, prompt, run.dev, run.final_repetition))
            for prompt in prompts}  # fmt: skip

    def alike(one: Prompt, other: Prompt) -> bool:
        (searched, dev), (searched_too, dev_too) = held[one], held[other]
        return searched == searched_too and (dev.items() <= dev_too.items() or dev_too.items() <= dev.items())

    return {prompt: [other for other in prompts if alike(prompt, other)] for prompt in prompts}


def _known_scores(run: Run, prompt: Prompt, examples: Sequence[Example], repetition: int) -> dict[str, float]:
    return {example.id: score.value for example, score in run.seen(prompt, examples, repetition=repetition)}


def _looked(run: Run, prompt: Prompt, examples: Sequence[Example]) -> int:
    return run.estimate(prompt, examples, repetition=run.final_repetition).count


def _scored_within_budget(run: Run, prompts: Sequence[Prompt], examples: Sequence[Example]) -> bool:
    """Score them; whether the budget sufficed, of which the user is told."""
    try:
        run.evaluate(prompts, examples, repetition=run.final_repetition)
    except BudgetSpent as spent:
        run.warn(f"the final choice on dev was cut short: {spent}")
        return False
    return True


def _best_on_dev(run: Run, contenders: Sequence[Prompt], examples: Sequence[Example], by_search: bool) -> Prompt:
    """The best by dev and worth; a prompt that was not scored on all of the examples is not compared."""
    _scored_within_budget(run, contenders, examples)
    scored = [run.estimate(prompt, examples, repetition=run.final_repetition) for prompt in contenders]
    complete = [estimate for estimate in scored if estimate.count == len(examples) and examples]
    # Whatever a finalist scored, it is held against the start: without that there is nothing to be better than.
    if not complete or complete[0].prompt != run.initial:
        return run.initial
    # What a judge never judged beats nothing, however short it is.
    complete = [estimate for estimate in complete if _judged(run, estimate.prompt, examples)]
    if not complete or complete[0].prompt != run.initial:
        return run.initial
    evidence = run.evidence()
    # A method may never have scored the start on its evidence: then it stands where dev has put it.
    worth = run.worths(evidence, prior=complete[0].mean)

    def preference(estimate: Estimate) -> tuple[float, int]:
        prompt = estimate.prompt
        # A loss in nats and an accuracy cannot be added: only what is measured alike counts beside dev.
        seen = run.estimate(prompt, evidence).count if by_search else 0
        return _rank(pooled(estimate.mean * estimate.count, estimate.count, worth[prompt], seen), prompt)

    # `max` keeps the first of equals, and the contenders come in order: the start, then the best of the search.
    return max(complete, key=preference).prompt


def _judged(run: Run, prompt: Prompt, examples: Sequence[Example]) -> bool:
    return any(score.judged for _, score in run.seen(prompt, examples, repetition=run.final_repetition))


def _rank(value: float, prompt: Prompt) -> tuple[float, int]:
    # Sums in another order may differ in the last digits, and equal evidence must tie.
    return round(value, 9), -sum(len(text) for _, text in prompt.texts)


def adopt_criterion(run: Run, searched: Criterion, criterion: Criterion) -> None:
    """Go on with what the verdict is by; with the exact model, where that one trades exactness for speed.

    Where the search itself ran in such a mode, 32 dev examples are asked both ways under the start prompt. The user is
    told how many answers the mode changes. That is outside the budget, as only local engines have two ways.
    """
    model = criterion.model
    if isinstance(model, Inexact) and model.exact() is not model:
        if model is searched.model:
            changed = _flipped(run, model, searched.model.name)
            run.warn(
                f"the search ran in fast mode, which changes {changed} answers; the final choice and the test are exact"
            )
        model = model.exact()
    if model is not searched.model or not criterion.scores_as(searched):
        run.exchange_evaluator(criterion.evaluator, model, criterion.price)


def _flipped(run: Run, model: Inexact, name: str) -> str:
    """`3 of 32`: the replies that its exact twin gives otherwise."""
    requests: list[Request] = []
    for example in run.dev[:32]:
        content, shared = run.task.render(run.initial, example)
        requests.append(Request(content, run.task.sampling, shared=shared))

    def compare() -> str:
        return " of ".join(map(str, model.flips(requests)))

    # A memo, so that a replay says the same and loads neither engine.
    return run.memo("flips", compare, name, run.initial.id, *(example.id for example in run.dev[:32]))
