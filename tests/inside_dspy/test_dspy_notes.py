"""What a user of DSPy is told unasked: once, at their own line; and LM calls that would have gone past the run."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt, PromptOptWarning, lm_of, teleprompter  # noqa: E402
from promptopt.errors import ConfigError  # noqa: E402
from promptopt.models.scripted import Scripted  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from tests.inside_dspy.scripted import Engine, examples, lm, right  # noqa: E402
from tests.inside_dspy.test_lms import answering  # noqa: E402


def told(home: Path, student, configured, *, method="random", **given):
    """The compiled program, and what the user was warned of."""
    sets = {name: given.pop(name) for name in ("valset", "testset", "trainset") if name in given}
    optimizer = PromptOpt(method, metric=right, budget=Budget(evaluations=80), store=home / "store.db", **given)
    with warnings.catch_warnings(record=True) as seen, dspy.context(lm=configured):
        warnings.simplefilter("always")
        best = optimizer.compile(student, **{"trainset": examples(60), **sets})
    assert all(each.category is PromptOptWarning for each in seen), seen
    assert {each.filename for each in seen} <= {__file__}
    return best, [str(each.message) for each in seen]


class One(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question: str):
        return self.answer(question=question)


def test_how_the_data_are_divided_and_the_cache_are_told_once_and_kept(tmp_path: Path) -> None:
    best, said = told(tmp_path, One(), lm(Engine()), valset=examples(20))
    begins = ["20 examples of trainset stand in valset", "no testset was given", "DSPy's own cache is switched off"]
    assert [sum(each.startswith(begin) for each in said) for begin in begins] == [1, 1, 1]
    assert len(set(said)) == len(said)
    assert all(best.promptopt.report().count(sentence) == 1 for sentence in said)


@pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
def test_dspys_own_cache_is_off_for_the_run_and_on_again_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dspy, "cache", dspy.cache)
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    engine = Engine()
    with dspy.context(lm=lm(engine, temperature=0.0)):
        One()(question="q1")
        optimizer = PromptOpt("random", metric=right, budget=Budget(evaluations=60), store=tmp_path / "store.db")
        best = optimizer.compile(One(), trainset=examples(60))
        assert engine.calls == 1 + best.promptopt.result.paid.calls
        assert len(dspy.cache.memory_cache) == 1
        calls = engine.calls
        One()(question="q1")
    assert engine.calls == calls


@pytest.mark.parametrize("own", [True, False])
def test_fewer_test_examples_than_were_set_aside_are_explained(own: bool, tmp_path: Path) -> None:
    sets = {"trainset": examples(120)[:80], **({"testset": examples(120)[80:]} if own else {})}
    best, said = told(tmp_path, One(), lm(Engine()), **sets)
    scored, held = best.promptopt.result.best.test.n, 40 if own else 32
    assert scored < held
    begins = f"the verdict is on {scored} of the {held} examples that stood ready for it: the budget pays for no more"
    assert sum(each.startswith(begins) for each in said) == 1
    assert begins in best.promptopt.report()


def test_nothing_is_told_where_there_is_nothing_to_tell(tmp_path: Path) -> None:
    own = lm(Engine(), cache=False)
    rows = examples(140)
    sets = {"trainset": rows[:40], "valset": rows[40:70], "testset": rows[70:]}
    optimizer = PromptOpt("random", metric=right, budget=Budget(evaluations=400), store=tmp_path / "store.db")
    with warnings.catch_warnings(), dspy.context(lm=own):
        warnings.simplefilter("error")
        assert optimizer.compile(One(), **sets).promptopt.said == ()


def test_the_same_compile_again_tells_nothing_anew_by_pythons_default(tmp_path: Path) -> None:
    optimizer = PromptOpt("random", metric=right, budget=Budget(evaluations=80), store=tmp_path / "store.db")
    with warnings.catch_warnings(record=True) as seen, dspy.context(lm=lm(Engine())):
        warnings.simplefilter("default")
        for _ in range(2):
            optimizer.compile(One(), trainset=examples(60))
    assert len({str(each.message) for each in seen}) == len(seen)


class Keeps(One):
    def __init__(self) -> None:
        super().__init__()
        self.past = []

    def forward(self, question: str):
        self.past.append(question)
        return self.answer(question=" ".join(self.past[-2:]))


def test_a_program_that_keeps_something_is_told_of(tmp_path: Path) -> None:
    _, said = told(tmp_path, Keeps(), lm(Engine()))
    assert sum("keeps something between cells" in each for each in said) == 1


class Fails(One):
    def forward(self, question: str):
        raise KeyError(question[:1])


class Silent(One):
    def forward(self, question: str):
        return None


def test_a_program_that_fails_everywhere_is_told_of_with_the_reason(tmp_path: Path) -> None:
    best, said = told(tmp_path, Silent(), lm(Engine()))
    assert sum("it gave back None" in each and "the program failed" in each for each in said) == 1
    assert best.promptopt.result.start.test.score == 0.0


class Misspells(One):
    def forward(self, question: str):
        return self.answer(question=question).anwser


@pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
@pytest.mark.parametrize(("student", "why"), [(Fails, "KeyError: 'q'"), (Misspells, "no attribute 'anwser'")])
def test_a_program_that_no_prompt_mends_is_stopped_before_the_proposer_is_paid(student, why, tmp_path: Path) -> None:
    engine, writer = Engine(), Engine()
    optimizer = PromptOpt("mipro", metric=right, proposer=lm(writer), budget=Budget(), store=tmp_path / "store.db")
    with dspy.context(lm=lm(engine)), pytest.raises(ConfigError, match=why):
        optimizer.compile(student(), trainset=examples(60))
    assert writer.calls == 0
    assert engine.calls <= 60


def test_what_the_search_says_is_a_warning_before_it_ends(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counts(Engine):
        def write(self, system, user, request):
            asked.append(len(seen))
            return super().write(system, user, request)

    optimizer = PromptOpt("random", metric=right, budget=Budget(evaluations=60), store=tmp_path / "store.db")
    with warnings.catch_warnings(record=True) as seen, dspy.context(lm=lm(Counts())):
        warnings.simplefilter("always", PromptOptWarning)
        optimizer.compile(Keeps(), trainset=examples(60))
    texts = [str(each.message) for each in seen]
    [place] = [place for place, text in enumerate(texts) if "keeps something between cells" in text]
    assert place < asked[-1]
    assert seen[place].filename == __file__


class Threaded(One):
    """Asks from a thread of its own, which DSPy hands the LM that is configured for the whole process."""

    def forward(self, question: str):
        found = []

        def ask() -> None:
            try:
                found.append(self.answer(question=question))
            except Exception as cause:  # noqa: BLE001 - as a program that goes on whatever fails
                found.append(dspy.Prediction(answer=type(cause).__name__))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return found[0]


def test_a_call_from_a_thread_of_its_own_does_not_go_past_the_run(tmp_path: Path) -> None:
    engine, before = Engine(), dspy.settings.lm
    dspy.configure(lm=lm(engine))
    try:
        optimizer = PromptOpt("random", metric=right, budget=Budget(evaluations=60), store=tmp_path / "store.db")
        with pytest.warns(PromptOptWarning) as seen:
            best = optimizer.compile(Threaded(), trainset=examples(60))
    finally:
        dspy.configure(lm=before)
    # What is left are calls of the proposer.
    spent = best.promptopt.result.spent
    assert engine.calls == spent.calls == spent.proposer_calls
    assert sum("threads of its own" in str(each.message) for each in seen) == 1
    assert best.answer.lm is None


@pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
def test_a_predictors_own_lm_is_not_asked_from_a_thread_of_the_programs_either(tmp_path: Path) -> None:
    own, student = Engine(), Threaded()
    student.answer.lm = lm(own)
    with dspy.context(lm=lm(Engine())):
        best = PromptOpt("random", metric=right, budget=Budget(evaluations=60), store=tmp_path / "store.db").compile(
            student, trainset=examples(60)
        )
    assert own.calls == 0
    assert best.promptopt.result.start.test.score == 0.0


class Stronger(One):
    def __init__(self, other) -> None:
        super().__init__()
        self.other = [other]

    def forward(self, question: str):
        with dspy.context(lm=self.other[0]):
            return self.answer(question=question)


class AwaitedStronger(dspy.Module):
    def __init__(self, other) -> None:
        super().__init__()
        self.answer, self.other = dspy.Predict("question -> answer"), [other]

    async def aforward(self, question: str):
        with dspy.context(lm=self.other[0]):
            return await self.answer.acall(question=question)


@pytest.mark.parametrize("kind", [Stronger, AwaitedStronger])
def test_an_lm_that_the_program_puts_in_place_is_metered_and_replayed_as_it_is_set(kind, tmp_path: Path) -> None:
    configured, other = Engine(), Engine()
    best, said = told(tmp_path, kind(lm(other, temperature=0.3)), lm(configured))
    spent = best.promptopt.result.spent
    assert other.calls == spent.calls - spent.proposer_calls > 0
    assert configured.calls == spent.proposer_calls
    assert {request.config.temperature for request in other.requests} == {0.3}
    assert not any("by itself" in each for each in said)
    before = other.calls
    told(tmp_path, kind(lm(other, temperature=0.3)), lm(configured))
    assert other.calls == before


def test_a_model_given_answers_for_an_lm_that_the_program_puts_in_place_too(tmp_path: Path) -> None:
    other, model = Engine(), Scripted(answering, name="scripted")
    best, _ = told(tmp_path, Stronger(lm(other)), None, model=model)
    assert (other.calls, model.calls) == (0, best.promptopt.result.spent.calls)


def test_an_lm_that_is_asked_past_a_model_of_promptopts_is_told_of(tmp_path: Path) -> None:
    _, said = told(tmp_path, Stronger(lm(Engine())), lm_of(Scripted(answering, name="scripted")))
    assert sum("asks the LM 'scripted' by itself" in each for each in said) == 1


class Weak(Engine):
    """Right where it is shown how a stronger one worked."""

    def write(self, system, user, request):
        shown = any("strong" in part.text for each in request.messages for part in each.parts)
        return f"[[ ## reasoning ## ]]\nweak\n\n[[ ## answer ## ]]\n{'yes' if shown else 'no'}"


class Strong(Engine):
    def write(self, system, user, request):
        return "[[ ## reasoning ## ]]\nstrong\n\n[[ ## answer ## ]]\nyes"


@pytest.mark.parametrize("given", ["a teacher LM", "a teacher program"])
def test_another_lm_teaches_as_it_is_set_and_is_counted(given: str, tmp_path: Path) -> None:
    weak, strong, student = Weak(), Strong(), dspy.ChainOfThought("question -> answer")
    lms = lm(weak, cache=False), lm(strong, cache=False, temperature=0.2)
    teacher = student.deepcopy()
    teacher.set_lm(lms[1])
    named, program = ({}, {"teacher": teacher}) if given == "a teacher program" else ({"teacher": lms[1]}, {})
    budget = Budget(evaluations=200)
    optimizer = PromptOpt("bootstrap", metric=right, budget=budget, store=tmp_path / "store.db", **named)
    with warnings.catch_warnings(), dspy.context(lm=lms[0]):
        warnings.simplefilter("ignore")
        best = optimizer.compile(student, trainset=examples(), **program)
        result = best.promptopt.result
        assert result.best.test.score == 1.0
        assert any(demo.reasoning == "strong" for demo in best.predict.demos)
        assert best.predict.lm is None
        assert result.by_role["teacher"].calls == strong.calls > 0
        assert result.spent.calls == weak.calls + strong.calls
        assert {request.config.temperature for request in strong.requests} == {0.2}
        optimizer.compile(student, trainset=examples(), **program)
    assert result.spent.calls == weak.calls + strong.calls


def test_a_teacher_answers_in_place_of_all_lms_of_the_program(tmp_path: Path) -> None:
    weak, own, strong, student = Weak(), Weak(), Strong(), dspy.ChainOfThought("question -> answer")
    student.predict.lm = lm(own)
    best, _ = told(tmp_path, student, lm(weak), method="bootstrap", teacher=lm(strong), trainset=examples())
    assert any(demo.reasoning == "strong" for demo in best.predict.demos)
    assert best.promptopt.result.spent.calls == weak.calls + own.calls + strong.calls


def test_a_teacher_that_nobody_asks_is_told_of_and_one_without_an_lm_refused(tmp_path: Path) -> None:
    _, said = told(tmp_path, One(), lm(Engine()), teacher=lm(Strong()))
    assert sum("the teacher was never asked: random has none" in each for each in said) == 1
    optimizer = PromptOpt("bootstrap", metric=right)
    with pytest.raises(ConfigError, match="the teacher program has 0 LMs of its own"), dspy.context(lm=lm(Engine())):
        optimizer.compile(One(), trainset=examples(), teacher=One())
    with pytest.raises(ConfigError, match=r"give a dspy\.Module"), dspy.context(lm=lm(Engine())):
        optimizer.compile(One(), trainset=examples(), teacher="openai/gpt-5")


def test_a_run_that_an_outage_suspends_is_told_of(tmp_path: Path) -> None:
    class Failing(Engine):
        def complete(self, request):
            if self.calls >= 30:
                raise dspy.lm15.InvalidRequestError("the server is gone")
            return super().complete(request)

    _, said = told(tmp_path, One(), lm(Failing()))
    assert sum("the run is suspended, without a verdict" in each and "the server is gone" in each for each in said) == 1


@pytest.mark.parametrize("verdict", ["worse", "no_evidence", "better"])
def test_a_program_that_is_worse_than_the_student_is_told_of(verdict, tmp_path: Path, monkeypatch) -> None:
    searched = teleprompter.optimize
    monkeypatch.setattr(
        teleprompter, "optimize", lambda *given, **more: replace(searched(*given, **more), verdict=verdict)
    )
    best, said = told(tmp_path, dspy.Predict(dspy.Signature("question -> answer", "Answer.")), lm(Engine()))
    assert best.promptopt.verdict == verdict
    assert (said[-1] == teleprompter.WORSE) == (verdict == "worse")
