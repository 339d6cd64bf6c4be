"""What EvoPrompt asks its proposer: the steps of an operator, done by hand for another task, then for these prompts."""

from __future__ import annotations

from collections.abc import Mapping

from promptopt.optimizers.evoprompt.worked_examples import Operator, show_prompts, show_steps, worked_for
from promptopt.run import Run
from promptopt.text import Pattern
from promptopt.types import Prompt

OPERATOR = Pattern(
    """Make a better prompt for a language model out of the prompts you are given, in these steps:
{steps}

The steps, done for another task:

{example}

Now do the steps for these prompts:

{prompts}

Keep their task and the names of the answers. Write every step, in this form:
{form}""",
    ("steps", "example", "prompts", "form"),
)
# The last step alone stands in tags: a reply holds a text for every step.
FINAL = "and write the final prompt between <prompt> and </prompt>."
DIFFERENT = "Different parts: name the parts in which Prompt 1 and Prompt 2 differ."
MUTATED = "Mutated parts: change these parts at random."
STEP_TEXTS: Mapping[Operator, tuple[str, ...]] = {
    "ga": (
        "Crossover: join Prompt 1 and Prompt 2 into one new prompt.",
        f"Mutation: change the prompt of step 1 at random, {FINAL}",
    ),
    "v1": (
        DIFFERENT,
        MUTATED,
        "Combination: put the mutated parts in the place of some parts of Prompt 3.",
        f"Crossover: join the prompt of step 3 and the base prompt into one, {FINAL}",
    ),
    "v2": (
        DIFFERENT,
        MUTATED,
        f"Crossover: put the mutated parts in the place of some parts of the base prompt, {FINAL}",
    ),
    "v3": (
        "Mutation: change Prompt 1 and Prompt 2 at random.",
        "Combination: put parts of the two in the place of some parts of Prompt 3.",
        f"Crossover: join the prompt of step 2 and the base prompt into one, {FINAL}",
    ),
}


def request_child(run: Run, form: Operator, roles: Mapping[str, Prompt]) -> str:
    """The request for a child of the prompts in these roles."""
    inner = [f"{step.partition(':')[0]}: ..." for step in STEP_TEXTS[form][:-1]]
    return OPERATOR.render(
        {
            "steps": show_steps(STEP_TEXTS[form]),
            "example": worked_for(run.task).show(form, roles),
            "prompts": show_prompts({role: prompt[run.task.editable] for role, prompt in roles.items()}),
            "form": show_steps([*inner, "<prompt>...</prompt>"]),
        }
    )
