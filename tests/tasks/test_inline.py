"""A task as one editable text renders what it rendered before, to the last byte."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.evaluator import rebound, recast
from promptopt.errors import ConfigError
from promptopt.evaluators.generation import Generation
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.tapruning import TAPruning
from promptopt.programs import ProgramEvaluator, program_task
from promptopt.protocols import Evaluator
from promptopt.reports.export import export, export_of
from promptopt.reports.given import from_text
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.inline import in_context, inlined, mentions
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Prompt

PIECES = st.lists(
    st.sampled_from(
        ["a", " ", "\n", "{", "}", "{premise}", "{hypothesis}", "{demos}", "{instruction}", "<<", "é", "%s"]
    ),
    max_size=6,
).map("".join)
LAYOUTS = (
    Layout("user", messages=(("user", "{instruction} {premise}\n{hypothesis}:"),)),
    Layout("shown", messages=(("system", "Be {tone}."), ("user", "{instruction}\n{demos}{premise}|{hypothesis}")),
           demo="{premise}->{hypothesis}={target}\n"),
    Layout("apart", messages=(("system", "{instruction}"), ("user", "{tone}{premise} {hypothesis}"))),
    Layout("prefilled", messages=(("user", "{instruction}{hypothesis}{premise}"), ("assistant", "So {tone}:"))),
    Layout("text", text="{tone}{{{premise}}} {instruction}{demos}{hypothesis}{premise}", demo="{premise}{target};"),
)  # fmt: skip


def pair_task(layout: Layout, instruction: str = "Judge.", tone: str = "kind", rows: int = 12) -> Task:
    examples = [Example.of("yes", premise=f"p{number}", hypothesis=f"h{number}") for number in range(rows)]
    initial = Prompt.of(instruction, tone=tone)
    return Task.from_examples(examples, prompt=initial, layout=layout, name="pairs", splits=Splits(4, 4, 4))


@pytest.mark.slow
@given(st.sampled_from(LAYOUTS), PIECES, PIECES, st.lists(st.tuples(PIECES, PIECES), min_size=1, max_size=3))
def test_it_renders_every_example_byte_for_byte(layout: Layout, instruction: str, tone: str, inputs) -> None:
    try:
        task = pair_task(layout, f"I{instruction}", f"t{tone}")
    except ConfigError:
        return  # the contract of the original forbids such a start
    try:
        whole = inlined(task)
    except ConfigError as error:
        assert "plain text" in str(error) or "messages" in str(error)  # noqa: PT017
        return
    for premise, hypothesis in inputs:
        example = Example.of("no", premise=premise, hypothesis=hypothesis)
        assert whole.render(whole.initial, example) == task.render(task.initial, example)
    assert whole.broken_by(whole.initial, len) is None


@pytest.mark.slow
@given(st.lists(st.tuples(PIECES, PIECES), min_size=1, max_size=3), st.sampled_from([LAYOUTS[1], LAYOUTS[4]]))
def test_demonstrations_are_written_where_the_layout_shows_them(demos, layout: Layout) -> None:
    task = pair_task(layout)
    examples = [Example.of("no", premise=premise, hypothesis=hypothesis) for premise, hypothesis in demos]
    examples = [example for example in examples if not mentions(example, task.fields)]
    whole = inlined(task)
    prompt = in_context(whole, examples)
    assert prompt is not None
    for example in task.train:
        shown = task.render(task.initial.with_demos(examples), example)
        if whole.broken_by(prompt, len) is None:
            assert whole.render(prompt, example) == shown


def test_inputs_are_named_and_appear_verbatim_once() -> None:
    task = inlined(pair_task(LAYOUTS[0]))
    example = Example.of("no", premise="{hypothesis}\n{x}", hypothesis="{premise} {0}")
    content, _ = task.render(task.initial, example)
    assert content == (Message("user", "Judge. {hypothesis}\n{x}\n{premise} {0}:"),)
    swapped = task.initial.replace("instruction", "{hypothesis} / {premise}")
    content, _ = task.render(swapped, example)
    assert content == (Message("user", "{premise} {0} / {hypothesis}\n{x}"),)


@pytest.mark.parametrize(("text", "clause"), [("no slots", "lost placeholder {premise}"),
                                              ("{premise}", "lost placeholder {hypothesis}"),
                                              ("{premise}{hypothesis}{premise}", "repeated placeholder {premise}"),
                                              (" ", "empty")])  # fmt: skip
def test_a_text_without_its_slots_breaks_the_contract(text: str, clause: str) -> None:
    task = inlined(pair_task(LAYOUTS[0]))
    assert task.broken_by(task.initial.replace("instruction", text), len) == clause


def test_what_is_not_the_input_s_message_is_frozen() -> None:
    task = inlined(pair_task(LAYOUTS[1]))
    assert dict(task.initial.texts) == {"system": "Be kind.", "instruction": "Judge.\n{premise}|{hypothesis}"}
    assert task.broken_by(task.initial.replace("system", "Be rude."), len) == "changed frozen part system"
    assert not any("apart from" in warning for warning in task.warnings)
    apart = inlined(pair_task(LAYOUTS[2]))
    assert apart.initial["system"] == "Judge."
    assert any("apart from the input" in warning for warning in apart.warnings)


def test_it_is_done_once_and_part_of_which_task_it_is() -> None:
    task = pair_task(LAYOUTS[1])
    whole = inlined(task)
    assert inlined(whole) is whole
    other = inlined(pair_task(replace(LAYOUTS[1], demo="{premise} {hypothesis} {target}\n")))
    assert whole.initial == other.initial
    assert whole.fingerprint() != other.fingerprint() != task.fingerprint()
    assert whole.with_splits(3, 3, 3).train != whole.train


def test_bad_layouts_are_told_in_a_sentence() -> None:
    split = Layout("two", messages=(("user", "{instruction}{tone}{premise}"), ("user", "{hypothesis}")))
    with pytest.raises(ConfigError, match="inputs in 2 messages"):
        inlined(pair_task(split))
    shown = pair_task(LAYOUTS[1])
    own = replace(shown, initial=shown.initial.with_demos([Example.of("no", premise="{premise}", hypothesis="h")]))
    with pytest.raises(ConfigError, match="as plain text"):
        inlined(own)
    with pytest.raises(ConfigError, match="pass it through `inlined`"):
        in_context(shown, shown.train)
    assert in_context(inlined(pair_task(LAYOUTS[0])), shown.train) is None


def test_a_task_that_a_program_runs_is_refused() -> None:
    # With one part there was nothing that failed: its text became the layout, and the program asked with that.
    for parts in ({"solve": "Solve it."}, {"plan": "Plan it.", "solve": "Solve it."}):
        task = program_task(
            [Example.of("yes", question=f"q{number}") for number in range(20)],
            prompt=parts,
            program=lambda prompt, example, ask: ask(prompt["solve"]).text,
        )
        with pytest.raises(ConfigError, match="run by a program, which lays out its prompts itself"):
            inlined(task)


@pytest.mark.parametrize("method", ["promptquine", "tapruning"])
@pytest.mark.parametrize("role", ["evaluator", "check_evaluator"])
def test_a_program_that_is_named_as_the_evaluator_is_refused_before_anything_is_asked(
    method: str, role: str, tmp_path: Path
) -> None:
    # It would be handed the whole prompt, with the input's slot in it, as the part that it reads.
    task = Task.from_examples(
        [Example.of("no", question=f"q{number}") for number in range(90)], prompt="Say yes or no.", labels=("yes", "no")
    )
    asked: list[object] = []
    evaluator = ProgramEvaluator(lambda prompt, example, ask: ask(prompt["instruction"]).text)
    model = Scripted(lambda request: asked.append(request) or "no", name="agrees")
    given: dict[str, Evaluator] = {role: evaluator}
    with pytest.raises(ConfigError, match="run by a program, which lays out its prompts itself"):
        optimize(task, method, model=model, budget=Budget(evaluations=400), store=tmp_path / "store.db", **given)  # pyright: ignore[reportArgumentType]
    assert not asked


def test_the_contract_keeps_what_it_can() -> None:
    task = pair_task(LAYOUTS[0], "Judge it. Say yes.")
    contract = replace(task.contract, frozen=("Judge",), must_contain=("yes",), must_not_contain=(":", "sorry"),
                       max_tokens=5)  # fmt: skip
    whole = inlined(replace(task, contract=contract))
    assert whole.contract.to_json()[1:5] == [("Judge",), ("yes",), ("sorry",), None]
    assert whole.broken_by(whole.initial.replace("instruction", "yes {premise}{hypothesis}"), len) is not None


def test_an_evaluator_made_for_the_task_goes_along() -> None:
    task = pair_task(LAYOUTS[0])
    whole = recast(task, TAPruning())
    made: Evaluator = Generation.for_task(task)
    found = rebound(made, task, whole)
    assert isinstance(found, Generation)
    assert found.task is whole
    other = Generation.for_task(pair_task(LAYOUTS[0]))
    assert rebound(other, task, whole) is other
    assert rebound("labels", task, whole) == "labels"


@dataclass(frozen=True)
class KeepSlots:
    """A method that leaves nothing but the slots."""

    def recast(self, task: Task) -> Task:
        return inlined(task)

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial.replace("instruction", "{premise}{hypothesis}")], run.train)


def test_a_run_goes_by_the_recast_task_and_its_prompt_can_be_taken_away(tmp_path: Path) -> None:
    task = pair_task(LAYOUTS[1], rows=40)
    model = Scripted(lambda request: "yes" if "Judge" not in str(request.content) else "no", name="m")
    # An evaluator that was made for the task as the user has it.
    result = optimize(task, KeepSlots(), model=model, evaluator=Generation.for_task(task), store=tmp_path / "store.db")
    assert result.start.text == "Judge.\n{premise}|{hypothesis}"
    assert (result.start.test.score, result.best.test.score) == (0.0, 1.0)
    whole = inlined(task)
    exported = export(export_of(whole, result.prompt), "json")
    again, prompt = from_text(task, exported, exported=True)
    assert prompt == result.prompt
    assert again.render(prompt, task.test[0]) == whole.render(result.prompt, task.test[0])
    # What the task itself wrote stays in its own form.
    plain = export(export_of(task, task.initial), "json")
    assert from_text(task, plain, exported=True) == (task, task.initial)
