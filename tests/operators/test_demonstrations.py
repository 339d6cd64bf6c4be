"""What a demonstration says: the model's own right reply, else the data's worked solution, else the bare answer."""

from __future__ import annotations

from pathlib import Path

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import bare, demonstrate, shows_demos
from promptopt.run import Run
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Request

EXAMPLES = [
    Example.of(str(number), (f"{number}.0",), ("0",), f"It says {number}. So {number}.", text=f"n{number}")
    for number in range(1, 31)
]  # fmt: skip


def answer(request: Request) -> str:
    """Right on even numbers."""
    assert not isinstance(request.content, str)
    number = int(request.content[-1].content.partition("Text: n")[2].split()[0])
    return f"I read {number}. So {number}." if number % 2 == 0 else "So 0."


class Shows:
    """Makes demonstrations of all of train, and keeps what the model would read of two of them."""

    shown: tuple[str, ...] = ()

    def optimize(self, run: Run) -> None:
        assert shows_demos(run.task)
        demos = demonstrate(run, run.initial, run.train)
        for example, demo in zip(run.train, demos, strict=True):
            if int(example.target) % 2 == 0:
                assert demo == Example(example.fields, f"I read {example.target}. So {example.target}.")
            else:
                assert demo == Example(example.fields, example.target, solution=example.solution)
        content, _ = run.task.render(run.initial.with_demos(demos[:2]), run.dev[0])
        self.shown = tuple(each.content for each in content if isinstance(each, Message) and each.role == "assistant")


def test_own_right_replies_stand_in_the_place_of_worked_solutions(tmp_path: Path) -> None:
    task = Task.from_examples(EXAMPLES, prompt="Read the number.", metric="number", splits=Splits(10, 10, 10))
    method = Shows()
    optimize(task, method, model=Scripted(answer), store=tmp_path / "store.db")
    expected = [
        f"I read {each.target}. So {each.target}." if int(each.target) % 2 == 0 else each.solution
        for each in task.train[:2]
    ]
    assert method.shown == tuple(expected)


def test_a_bare_demonstration_keeps_the_worked_solution_and_nothing_else() -> None:
    assert bare(EXAMPLES[0]) == Example.of("1", (), (), EXAMPLES[0].solution, text="n1")
    assert bare(Example.of("1", ("one",), text="n1")) == Example.of("1", text="n1")
