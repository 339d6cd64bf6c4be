"""A small search for every method, and what its journal shows of it: a function a method, which gives the lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.ape.method import APE, Filtering
from promptopt.optimizers.ape.method import Proposing as Guessing
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.optimizers.auto.search import Auto
from promptopt.optimizers.capo.method import CAPO, Breeding, Demonstrations
from promptopt.optimizers.capo.track import Race
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA
from promptopt.optimizers.opro.method import OPRO, Proposing, Showing, Validation
from promptopt.optimizers.pmpo.method import PMPO, Masking, Rewriting
from promptopt.optimizers.random_search import RandomSearch
from promptopt.optimizers.tpe.method import TPE, Bootstrapping
from promptopt.optimizers.tpe.method import Proposing as Writing
from promptopt.optimizers.tpe.method import Scoring as TrialScoring
from promptopt.run.budget import Budget
from promptopt.selection.bandits import UCB
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Content, Example, Prompt, Request
from tests.golden.journal import (
    asks,
    candidates,
    ending,
    made,
    mark,
    play,
    rounds,
    text_of,
)


def word(text: str) -> str:
    """One of three words, by what was asked and not by the draw."""
    return ("carefully", "exactly", "soon")[int(mark(text, 4), 16) % 3]


def planted() -> Scripted:
    """Two words make an instruction better."""
    return planted_model(feature_accuracy(["carefully", "exactly"], base=0.5, each=0.2))


def ape(home: Path) -> list[str]:
    """APE: stages, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        head = text.split('"""')[1].strip() if text.startswith("Write a variation") else "Answer"
        drawn = f"{text}{request.seed}"
        return f"<prompt>{head} {word(drawn)} {mark(drawn, 4)}</prompt>"

    method = APE(propose=Guessing(candidates=8, samples=4), filter=Filtering(subset=6, finalists=2), resampling=1)
    played = play(home, method, planted(), propose)
    lines = asks(played, 40)
    for step in played.result.steps:
        means = ", ".join(f"{each.mean:.2f}" for each in step.pool)
        spent, kept = step.spent.evaluations, played.named(step.kept)
        lines.append(f"stage {step.number}: on {step.pool[0].count}: {means}; {spent} evaluations; kept {kept}")
    for prompt, proposal in made(played):
        lines.append(f"{proposal.operator}: {prompt} [{played.named(proposal.parents, ', ')}{proposal.note}]")
    return [*lines, *ending(played)]


def apo(home: Path) -> list[str]:
    """APO: rounds."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        if "<reason>" in text:
            return f"<reason>It does not say {mark(text, 4)}.</reason>"
        return f"<instruction>Answer the question {word(text)}. {mark(text, 4)}</instruction>"

    method = APO(rounds=2, beam=2, minibatch=16, expand=Expansion(groups=2, children=3), selector=UCB(budget=120))
    played = play(home, method, planted(), propose)
    lines = [
        f"round {step.number}: {len(step.pool)} compared, {step.spent.evaluations} evaluations; "
        f"kept {played.named(step.kept)}"
        for step in played.result.steps
    ]
    return [*asks(played), *lines, *ending(played)]


def numbers() -> Task:
    """Eighty numbers to be said."""
    examples = [Example.of(str(number), question=f"Which is number {number}?") for number in range(80)]
    return Task.from_examples(examples, prompt="Say the number.", name="numbers", splits=Splits(40, 20, 20))


def counting(read: Callable[[Content], str] = text_of) -> Scripted:
    """Right on every third number, and on more with each good word and each demonstration that it has read."""

    def answer(request: Request) -> str:
        text = read(request.content)
        number = int(text.rsplit("number ", 1)[1].split("?")[0])
        help_ = ("Carefully" in text) + 2 * ("Exactly" in text) + text.count("Question:") - 1
        return f"It must be {number if (number * 7) % 11 < 4 + help_ else number + 1}"

    return Scripted(answer, name="task model")


def one_word_more(request: Request) -> str:
    """The first prompt shown, and a word; which one depends on what was asked, not on the draw."""
    text = text_of(request.content)
    section = text.split('"""')[1].strip() if '"""' in text else "Say it."
    chosen = ("Carefully", "Exactly", "Soon", "Twice")[int(mark(text, 4), 16) % 4]
    return f"Here it is.\n<prompt>{section} {chosen}.</prompt>"


def with_demos(prompt: Prompt) -> str:
    """A candidate by its instruction and the demonstrations it shows."""
    demos = ", ".join(f"{demo['question'].split()[-1]} {demo.target}" for demo in prompt.demos)
    return f"{prompt['instruction']} ({demos})"


def auto(home: Path) -> list[str]:
    """The default method on a small budget: generations, then candidates."""
    # A model that reads the user's first message alone: demonstrations as turns and the system's are lost on it.
    model = counting(lambda said: said if isinstance(said, str) else next(m.content for m in said if m.role == "user"))
    budget = Budget(evaluations=200)
    played = play(home, Auto(), model, one_word_more, task=numbers(), name=with_demos, budget=budget)
    return [*asks(played), *rounds(played, "generation"), *candidates(played), *ending(played)]


def capo(home: Path) -> list[str]:
    """CAPO: iterations, then candidates with the demonstrations they show."""
    method = CAPO(
        population=3,
        iterations=3,
        seeds=("Name it.",),
        breed=Breeding(crossovers=2),
        demos=Demonstrations(most=3),
        race=Race(block=8, blocks=4),
    )
    played = play(home, method, counting(), one_word_more, task=numbers(), name=with_demos)
    return [*asks(played), *rounds(played, "iteration"), *candidates(played), *ending(played)]


def evoprompt(home: Path, kind: type[EvoPromptGA | EvoPromptDE]) -> list[str]:
    """EvoPrompt: generations, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        return f"1. Done.\n2. <prompt>Answer the question {word(text)}. {mark(text, 4)}</prompt>"

    seeds = ("Reply to the question.", "Say yes or no.", "Reply carefully.")
    played = play(home, kind(population=4, generations=2, examples=20, seeds=seeds), planted(), propose)
    lines = asks(played, 60)
    for step in played.result.steps:
        scores = ", ".join(f"{each.mean:.2f}" for each in step.pool)
        kept = played.named(step.kept)
        lines.append(f"generation {step.number}: {scores}; {step.spent.evaluations} evaluations; kept {kept}")
    made_of = [f"{each.operator}: {prompt} [{played.named(each.parents)}]" for prompt, each in made(played)]
    return [*lines, *made_of, *ending(played)]


def opro(home: Path) -> list[str]:
    """OPRO: the last request whole, requests, steps, candidates."""
    words = ("carefully", "exactly", "twice", "soon")
    calls = 0

    def propose(request: Request) -> str:
        # What it adds depends on the place of the call, not on the draw.
        nonlocal calls
        calls += 1
        best = text_of(request.content).split("\nscore:\n")[-2].split("text:\n")[-1]
        return f"<instruction>{best} {words[calls % 4]}</instruction>"

    method = OPRO(
        steps=4,
        examples=24,
        show=Showing(memory=4, exemplars=2, choice="wrong-so-far"),
        propose=Proposing(breadth=3, end_temperature=1.4),
        validation=Validation(share=0.25, every=2),
    )
    model = planted_model(feature_accuracy(words, base=0.3, each=0.15))
    played = play(home, method, model, propose, task=planted_task(train=24, dev=12, test=12))
    asked = [request for request in played.proposer.log if isinstance(request, Request)]
    lines = [f"| {line}".rstrip() for line in text_of(asked[-1].content).splitlines()]
    lines.extend(f"ask {mark(text_of(each.content))} at {each.sampling.temperature:.2f}" for each in asked)
    for step in played.result.steps:
        pool = ", ".join(f"{each.mean:.3f}" for each in step.pool)
        kept = played.named(step.kept)
        lines.append(f"step {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    for each in played.result.candidates():
        held = f"{each.search.mean:.3f} on {each.search.count}"
        lines.append(f"{each.proposal.operator}: {played.names[each.prompt]} [{each.proposal.note}] {held}")
    return [*lines, *ending(played, f"rejected: {dict(played.result.rejected)}")]


def random_search(home: Path) -> list[str]:
    """Random search: the request whole, rounds, candidates."""
    words = ("carefully", "exactly", "twice", "soon")
    calls = 0

    def propose(_: Request) -> str:
        nonlocal calls
        calls += 1
        return f"<prompt>Answer {words[calls % 4]}{' and ' + words[calls // 4 % 4] if calls % 3 else ''}.</prompt>"

    model = planted_model(feature_accuracy(words, base=0.3, each=0.2))
    method = RandomSearch(candidates=11, breadth=4, examples=16)
    played = play(home, method, model, propose, task=planted_task(train=24, dev=12, test=12))
    texts = [text_of(request.content) for request in played.proposer.log]
    lines = [f"| {line}".rstrip() for line in texts[0].splitlines()]
    lines.append(f"asked {len(texts)} times, {len(dict.fromkeys(texts))} text")
    for step in played.result.steps:
        pool = ", ".join(f"{each.mean:.3f}" for each in step.pool)
        kept = played.named(step.kept)
        lines.append(f"round {step.number}: {pool}; {step.spent.evaluations} evaluations; kept {kept}")
    lines.extend(f"{proposal.operator}: {prompt}" for prompt, proposal in made(played))
    return [*lines, *ending(played, f"rejected: {dict(played.result.rejected)}")]


def pmpo(home: Path) -> list[str]:
    """PMPO: iterations with their losses, then candidates."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        if text.startswith("Mark the parts"):
            lines = text.split('The prompt to mark:\n"""\n')[1].split('\n"""')[0].split("\n")
            return "\n".join(["<prompt>", lines[0], *(f"<mask>{line}</mask>" for line in lines[1:]), "</prompt>"])
        section = text.split('The prompt now:\n"""\n')[1].split('\n"""')[0]
        return f"It is vague.\n<prompt>{section} {word(text).capitalize()}. {mark(text, 4)}</prompt>"

    def scores(content: Content, text: str) -> list[float]:
        # One value a word: the target's length, and what the prompt makes of it.
        read = text_of(content)
        gain = 0.2 * ("Carefully" in read) + 0.1 * ("one word" in read) - 0.05 * ("snow" in read)
        return [-1.0 - 0.01 * len(text) + gain] * (len(text.split()) + 1)

    examples = [Example.of("ab" * (number + 1), question=f"Which is number {number}?") for number in range(36)]
    prompt = "Answer the question.\n- Use one word.\n- Think of snow."
    task = Task.from_examples(examples, prompt=prompt, metric="exact", answer="text", splits=Splits(12, 12, 12))
    method = PMPO(iterations=3, examples=10, mask=Masking(most=2), rewrite=Rewriting(hard=2, samples=2))
    model = Scripted(lambda _: "ab", name="scorer", scores=scores)
    played = play(home, method, model, propose, task=task, evaluator=Loss.for_task(task))
    lines = asks(played)
    for step in played.result.steps:
        losses = ", ".join(f"{-each.mean:.3f}" for each in step.pool)
        kept = played.named(step.kept)
        lines.append(f"iteration {step.number}: {losses}; {step.spent.evaluations} evaluations; kept {kept}")
    return [*lines, *candidates(played), *ending(played)]


def tpe(home: Path) -> list[str]:
    """TPE: full scores, then candidates. Another version of optuna may draw other pairs; 4.0 and 5.0 draw these."""

    def propose(request: Request) -> str:
        text = text_of(request.content)
        return f"<prompt>Answer {word(text)} {mark(text, 4)}</prompt>"

    def shown(prompt: Prompt) -> str:
        return f"{prompt['instruction']} ({', '.join(demo['question'] for demo in prompt.demos)})"

    method = TPE(
        trials=16,
        propose=Writing(instructions=4),
        bootstrap=Bootstrapping(sets=3, demos=2),
        score=TrialScoring(minibatch=8, full_every=4),
    )
    played = play(home, method, planted(), propose, name=shown)
    lines = asks(played)
    for step in played.result.steps:
        means = ", ".join(f"{each.mean:.2f} on {each.count}" for each in step.pool)
        lines.append(f"full score {step.number}: {means}; {step.spent.evaluations} evaluations")
        lines.append(f"kept {played.names[step.kept[0]]}")
    return [*lines, *candidates(played), *ending(played)]


CASES: dict[str, Callable[[Path], list[str]]] = {
    "ape": ape,
    "apo": apo,
    "auto": auto,
    "capo": capo,
    "evoprompt-de": lambda home: evoprompt(home, EvoPromptDE),
    "evoprompt-ga": lambda home: evoprompt(home, EvoPromptGA),
    "opro": opro,
    "pmpo": pmpo,
    "random": random_search,
    "tpe": tpe,
}
"""A golden file (without its ending) to the lines it must hold."""
