"""What methods plan, and their bounds, worked out by hand: by the budget, as set, and by the papers' numbers.

Those of SIMBA, SPRIG, PMPO and RLPrompt stand with the methods.
"""

from __future__ import annotations

import math

import pytest

from promptopt.optimizers.opro.method import OPRO, Proposing, Showing, Validation
from promptopt.optimizers.opro.plan import OPROPlan
from promptopt.optimizers.optoprime.method import OptoPrime
from promptopt.optimizers.plum.neighbours import Editing
from promptopt.optimizers.plum.patience import PhrasePlan, Stopping
from promptopt.optimizers.plum.points import Scoring as Points
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.optimizers.plum.single import HillClimbing
from promptopt.optimizers.pmpo.method import PMPO
from promptopt.optimizers.pmpo.plan import Acceptance, Masking, Rewriting, Targets
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine
from promptopt.optimizers.promptquine.plan import PAPER, QUICK
from promptopt.optimizers.promptquine.reranking import Reranking
from promptopt.optimizers.promptquine.tapruning import PruningPlan, TAPruning, accepts
from promptopt.optimizers.random_search import RandomSearch, RandomSearchPlan
from promptopt.optimizers.tpe.bootstrap import Bootstrapping
from promptopt.optimizers.tpe.method import TPE, Scoring
from promptopt.optimizers.tpe.method import Proposing as Instructions
from promptopt.selection.generations import Fixed, Fresh
from promptopt.types import Room, UpperBounds


def inside(evaluations: int | None = None, calls: int | None = None, train: int = 120) -> Room:
    return Room(evaluations, calls, 1, train, 40)


def test_opro() -> None:
    # Without a cap 40 steps on 100 examples, by the paper 200 on 261; 8 instructions a step, 20 shown.
    assert OPRO().plan(inside()) == OPROPlan(40, 8, 20, 100, None)
    assert OPRO(preset="paper").plan(inside(900, train=300)) == OPROPlan(200, 8, 20, 261, None)
    own = OPRO(steps=5, examples=7, propose=Proposing(3), show=Showing(2))
    assert own.plan(inside()) == OPROPlan(5, 3, 2, 7, None)
    assert own.least(inside()) == 7 * (1 + 3 * 3)
    # 0.7 * 500^(1/3) = 6 children beside two, on 0.8 * 500^(1/4) examples: 19 generations.
    planned = OPRO().plan(inside(500))
    assert (planned.rounds, planned.breadth, planned.memory, planned.examples) == (19, 6, 8, 120)
    assert OPRO().least(inside(500)) == 3 * 18
    assert OPRO().upper_bounds_in(inside(500)) == UpperBounds(500, 2 * 3 * 19 * 6, 2 * 3 * 19 * 6 * 512)
    # Seeds are a generation of their own.
    seeded = OPRO(steps=4, seeds=("One.", "Two.")).plan(inside(500))
    assert seeded.fresh is not None
    assert (seeded.rounds, seeded.fresh.most) == (4, 5)
    alone = OPRO(steps=4).plan(inside(500))
    assert alone.fresh is not None
    assert alone.fresh.most == 4


def test_opro_holds_examples_out_for_the_best() -> None:
    method = OPRO(
        steps=4, examples=20, seeds=("One.",), propose=Proposing(2), show=Showing(1), validation=Validation(0.2)
    )
    # Start, seed and 4 * 2 instructions on 16 examples; start, seed and the best of steps 0, 3 and the last on 4.
    assert method.upper_bounds(120) == UpperBounds(10 * 16 + 5 * 4, 16, 16 * 512)
    # Below twenty nothing is held out.
    assert method.upper_bounds(19).evaluations == 10 * 19


def test_random_search() -> None:
    # A rewrite for every eight evaluations, four at least; a call of the proposer each.
    assert RandomSearch().plan(inside(600)) == RandomSearchPlan(75, 120, 600)
    assert RandomSearch().plan(inside(9)) == RandomSearchPlan(4, 120, 9)
    assert RandomSearch().plan(inside(None, 900)) == RandomSearchPlan(100, 120, 800)
    assert RandomSearch().plan(inside()) == RandomSearchPlan(100, 50, None)
    own = RandomSearch(candidates=3, examples=7)
    assert own.plan(inside(600)) == RandomSearchPlan(3, 7, 600)
    assert own.plan(inside()) == RandomSearch(preset="paper", candidates=3, examples=7).plan(inside(600))
    assert own.plan(inside()) == RandomSearchPlan(3, 7, None)
    assert (RandomSearch().least(inside(600)), own.least(inside()), RandomSearch().least(inside())) == (40, 35, 250)
    assert own.upper_bounds(120) == UpperBounds(4 * 7, 6, 6 * 1024)
    assert RandomSearch().upper_bounds_in(inside(600)) == UpperBounds(600, 150, 150 * 1024)
    assert own.upper_bounds_in(inside(600)).evaluations == 28
    assert own.plan(inside()).describe() == "3 rewrites, each scored on 7 examples"
    assert own.plan(inside(600)).describe() == "3 rewrites, compared on 600 evaluations"


def test_optoprime() -> None:
    def rounds(method: OptoPrime, room: Room) -> int:
        return method.plan(room).rounds

    # A step is five examples under the old texts and the new ones; by the code one example.
    assert (rounds(OptoPrime(), inside(300)), rounds(OptoPrime(preset="paper"), inside(300))) == (30, 150)
    assert rounds(OptoPrime(), inside(9)) == 1
    # A call of the proposer beside ten evaluations.
    assert rounds(OptoPrime(), inside(None, 420)) == 38
    # Without a cap once through the examples.
    assert (rounds(OptoPrime(), inside(train=60)), rounds(OptoPrime(), inside(train=61))) == (12, 13)
    assert OptoPrime().least(inside()) == 50
    assert OptoPrime().upper_bounds_in(inside(300)) == UpperBounds(300, 180, 180 * 4096)
    assert OptoPrime(rounds=4).upper_bounds_in(inside(300)) == UpperBounds(40, 8, 8 * 4096)
    assert OptoPrime().upper_bounds(61) == UpperBounds(130, 26, 26 * 4096)


def test_tpe() -> None:
    # 1,000^(1/4) = 6 sets of four; 24 examples make them. Of the other 976 evaluations 7 new instructions a round
    # beside two, on 4.5 examples: 28 rounds, of two trials for each new instruction.
    plan = TPE().plan(inside(1_000))
    assert (plan.rounds, plan.instructions, plan.sets, plan.trials) == (28, 8, 6, 14)
    assert plan.fresh is not None
    assert (plan.fresh.evaluations, plan.fresh.lineage) == (976, True)
    assert TPE().least(inside(1_000)) == 2 * 14 + 2 * 18 + 3 * 4
    assert TPE().upper_bounds_in(inside(1_000)) == UpperBounds(1_000, 2 * 7 * 3 * 28, 2 * 7 * 3 * 28 * 1024)
    # Three sets at least; as many as a tenth of the evaluations can make demonstrations for.
    assert [TPE().plan(inside(cells)).sets for cells in (100, 159, 160, 10_000, 100_000)] == [3, 3, 4, 10, 18]
    own = TPE(trials=9, propose=Instructions(5), bootstrap=Bootstrapping(7, 2))
    assert (own.plan(inside(1_000)).instructions, own.plan(inside(1_000)).sets, own.plan(inside(1_000)).trials) == (
        5, 7, 9,
    )  # fmt: skip
    assert own.plan(inside()).describe() == "1 round of 5 instructions, 7 sets of demonstrations and 9 trials"
    assert TPE(propose=Instructions(1)).plan(inside(1_000)).instructions == 2
    assert TPE(preset="paper").plan(inside(1_000)) == TPE().plan(inside())


def test_tpe_by_the_papers_rule() -> None:
    method = TPE("paper", 9, Instructions(5), Bootstrapping(7, 2), Scoring(minibatch=10, full_every=4, examples=50))
    assert method.least(inside()) == 2 * 50 + 9 * 10
    assert method.least(inside(train=8)) == 2 * 8 + 9 * 8
    # 14 of a fifth of 120 make the sets; the start, and a pair after trials 4, 8 and the last, on 50 of the others.
    assert method.upper_bounds(120) == UpperBounds(14 + (1 + 3) * 50 + 9 * 10, 8, 8 * 1024)
    # Three are shown to the proposer, whatever the sets; and one is left to score on.
    few = TPE("paper", 9, Instructions(5), Bootstrapping(1, 1), Scoring(minibatch=10, full_every=4, examples=50))
    assert few.upper_bounds(120).evaluations == 3 + 4 * 50 + 9 * 10
    assert few.upper_bounds(2).evaluations == 1 + 4 * 1 + 9 * 1


def test_promptquine() -> None:
    plans = [PromptQuine().plan(inside(cells)) for cells in (100, 1_000, 20_000, 29_999)]
    assert all(isinstance(plan, Fresh) for plan in plans)
    # Half the children of other searches, four at least.
    assert [(plan.children, plan.keep) for plan in plans if isinstance(plan, Fresh)] == [
        (4, 2),
        (4, 2),
        (9, 2),
        (11, 2),
    ]
    assert PromptQuine().plan(inside(30_000)) == PromptQuine(preset="paper").plan(inside(100)) == PAPER
    assert PromptQuine(preset="quick").plan(inside(100)) == QUICK
    own = PromptQuine(evolve=Evolution(population=3, offspring=4, most=9), rerank=Reranking(examples=5)).plan(
        inside(100)
    )
    assert (own.population, own.offspring, own.most, own.held, own.rounds) == (3, 4, 9, 5, 2)  # type: ignore[union-attr]
    assert PromptQuine(evolve=Evolution(offspring=9, most=4)).plan(inside()).rounds == 1
    # Two, the start, and the children of one generation on three examples each.
    assert PromptQuine().least(inside(100)) == 3 * (4 + 3)
    # Start, X and 50 children on 100; 1.5 times a tenth of the 50, the start and X on 200.
    assert PromptQuine().least(inside(train=500)) == (1 + 1 + 50) * 100 + (7 + 2) * 200
    assert PromptQuine().upper_bounds(500) == UpperBounds(10_001 * 100 + (1_500 + 2) * 200, 0, 0)
    # Half of the examples at most, rounded up, are for the search.
    assert PromptQuine(preset="quick", starts=3).upper_bounds(7).evaluations == 401 * 4 + (60 + 4) * 7
    assert PromptQuine(preset="quick", rerank=Reranking(most=5)).upper_bounds(7).evaluations == 401 * 4 + (5 + 2) * 7


def test_tapruning() -> None:
    assert TAPruning().plan(inside(900)) == PruningPlan(None, 900)
    assert TAPruning(preset="paper").plan(inside(900)) == TAPruning().plan(inside()) == PruningPlan(200, None)
    assert TAPruning(examples=9).plan(inside(900)) == PruningPlan(9, None)
    # One and a half passes over 10 tokens, the start and the prompt itself; 16 examples at least, 200 at most.
    assert [PruningPlan(None, cells).size(10) for cells in (271, 288, 289, 306, 3_399, 3_400, 9_999)] == [
        16, 16, 17, 18, 199, 200, 200,
    ]  # fmt: skip
    assert (PruningPlan(9, 900).size(10), PruningPlan(None, None).size(10)) == (9, 200)
    assert (TAPruning().least(inside()), TAPruning(examples=9).least(inside())) == (12 * 16, 12 * 9)
    assert TAPruning(examples=9).least(inside(train=4)) == 12 * 4
    assert TAPruning(most=5).upper_bounds(120) == UpperBounds(6 * 120, 0, 0)
    assert TAPruning(most=5, examples=9).upper_bounds(120).evaluations == TAPruning(most=5).upper_bounds(9).evaluations


@pytest.mark.parametrize(
    ("score", "best", "threshold", "accepted"),
    [
        (0.96, 1.0, 0.96, True), (0.9599, 1.0, 0.96, False), (-1.04, -1.0, 0.96, True), (-1.0401, -1.0, 0.96, False),
        (1.0, 1.0, 1.0, True), (0.999, 1.0, 1.0, False), (-math.inf, -math.inf, 0.9, True), (0.0, -math.inf, 0.9, True),
        (-math.inf, 0.0, 0.0, False), (-100.0000001, -100.0, 1.0, True), (-100.000001, -100.0, 1.0, False),
    ],
)  # fmt: skip
def test_a_score_is_accepted_within_a_share_of_the_best(
    score: float, best: float, threshold: float, accepted: bool
) -> None:
    assert accepts(score, best, threshold) is accepted


def test_pmpo() -> None:
    method = PMPO("paper", iterations=3, examples=16, rewrite=Rewriting(hard=2, samples=2))
    # The start and the noise; in each iteration five parts and four rewrites. A marking and four rewrites, asked twice.
    assert method.upper_bounds(60) == UpperBounds(16 + 8 + 3 * 16 * 9, 3 * (2 + 8), 3 * 10 * 2048)
    assert method.upper_bounds(10).evaluations == 10 + 8 + 3 * 10 * 9
    assert method.least(inside()) == 16 + 16 * (1 + 5 + 4 + 5)
    held = PMPO("paper", 3, 16, rewrite=Rewriting(2, 2), accept=Acceptance(validation=0.2), mask=Masking(by="rule"))
    assert held.upper_bounds(60) == UpperBounds(24 + 3 * 16 * 10, 3 * 8, 3 * 8 * 2048)
    unmasked = PMPO("paper", 3, 16, rewrite=Rewriting(2, 2), mask=Masking(most=0))
    assert unmasked.upper_bounds(60) == UpperBounds(24 + 3 * 16 * 4, 3 * 8, 3 * 8 * 2048)
    solved = PMPO("paper", 3, 16, rewrite=Rewriting(2, 2), targets=Targets("own", samples=5))
    assert solved.upper_bounds(60).evaluations == 24 + 5 * 16 + 3 * 16 * 9
    # By the budget: 24 iterations of eight rewrites, and three times as many where they cost less.
    assert PMPO().upper_bounds_in(inside(1_000)) == UpperBounds(1_000, 3 * 24 * 18, 3 * 24 * 18 * 2048)
    assert PMPO(iterations=5).upper_bounds_in(inside(1_000)).proposer_calls == 5 * 18
    # Eight to find the hardest, and first looks of 0.4 * 4.5 examples at ten prompts and once more at the part.
    assert PMPO().least(inside(1_000)) == 8 + math.ceil(0.4 * 0.8 * 1_000**0.25 * 11)


def test_plum() -> None:
    paper = PhrasePlan(Fixed(50, 10, 100), 10, 7)
    assert HillClimbing().plan(inside()) == HillClimbing(preset="paper").plan(inside(273)) == paper
    # What pays for the paper's constants is planned by them, and nothing below.
    assert HillClimbing().plan(inside(100 * 501)) == paper
    assert isinstance(HillClimbing().plan(inside(100 * 501 - 1)).way, Fresh)
    own = HillClimbing(Editing(neighbours=3), Points(examples=9), Stopping(4, 2))
    assert own.plan(inside(500)) == PhrasePlan(Fixed(4, 3, 9), 3, 2)
    assert own.plan(inside(train=5)).way == Fixed(4, 3, 5)
    assert own.least(inside(500)) == 9 * (1 + 3)
    assert own.upper_bounds(60) == UpperBounds(9 * (1 + 4 * 3), 4 * 5 * 3, 4 * 5 * 3 * 400)
    chained = HillClimbing(Editing(neighbours=3, chain=2), Points(examples=9), Stopping(4, 2))
    assert chained.upper_bounds(60).proposer_calls == 2 * 4 * 5 * 3
    assert MutationGA(stop=Stopping(4)).upper_bounds(60) == HillClimbing(stop=Stopping(4)).upper_bounds(60)
    assert HarmonySearch(segments=3, stop=Stopping(4)).upper_bounds(60).proposer_calls == 3 * 4 * 5 * 10


def test_plum_with_crossover() -> None:
    # Ten individuals, five children, ten mutants of every one that is mutated.
    assert CrossoverGA().plan(inside()) == PhrasePlan(Fixed(50, 105, 100), 10, 7, 5)
    assert CrossoverGA().upper_bounds(60) == UpperBounds(60 * (1 + 50 * 105), 50 * 10 * 5 * 10, 50 * 10 * 5 * 10 * 400)
    still = CrossoverGA(population=4, offspring=6, mutation=0.0)
    assert still.plan(inside()).way == Fixed(50, 6, 100)
    assert still.upper_bounds(60) == UpperBounds(60 * (1 + 50 * 6), 0, 0)
    # By the budget three live on; a third of 0.7 * 1,400^(1/3) = 8 children come of crossover, and the other five of
    # one and a half individuals that are mutated.
    plan = CrossoverGA().plan(inside(1_400))
    assert isinstance(plan.way, Fresh)
    assert (plan.way.keep, plan.offspring, plan.neighbours, plan.way.children) == (3, 3, 4, 3 + 6)
    few = CrossoverGA(population=5, offspring=1, mutation=0.2).plan(inside(1_400))
    assert isinstance(few.way, Fresh)
    assert (few.way.keep, few.offspring, few.neighbours, few.way.children) == (5, 1, 7, 8)
    none = CrossoverGA(offspring=0, mutation=0.0).plan(inside(90))
    assert isinstance(none.way, Fresh)
    assert (none.neighbours, none.way.children) == (0, 1)
