"""A scripted LM of DSPy's: it answers tasks by the words in its instructions, and writes instructions."""

from __future__ import annotations

import re
import threading

import dspy
from dspy import lm15

from promptopt.dspy.lm import DspyModel
from promptopt.testing import uniform

WORDS = ("carefully", "exactly", "soon")


def text_of(request: lm15.Request) -> tuple[str, str]:
    """(system, the last message)."""
    return str(request.system or ""), "".join(part.text for part in request.messages[-1].parts)


class Engine:
    """Counts its calls; an answer is right with 0.4, and more for every good word in the objective."""

    def __init__(self, field: str = "answer", good: tuple[str, ...] = ("carefully", "exactly")) -> None:
        self.calls, self.requests = 0, []
        self.field, self.good = field, good
        self._lock = threading.Lock()

    def complete(self, request: lm15.Request) -> lm15.Response:
        with self._lock:
            self.calls += 1
            self.requests.append(request)
        return reply(request, self.write(*text_of(request), request))

    def write(self, system: str, user: str, request: lm15.Request) -> str:
        if "your objective is" not in system:
            return author(user, request.config.temperature, self.calls)
        objective = system.split("your objective is")[1]
        question = re.findall(r"q\d+", user)[-1]
        right = uniform(question) < 0.4 + 0.25 * sum(word in objective for word in self.good)
        outputs = re.findall(r"`\[\[ ## (\w+) ## \]\]`", user)
        values = {"completed": "", **dict.fromkeys(outputs, "text"), self.field: "yes" if right else "no"}
        return "\n\n".join(f"[[ ## {name} ## ]]\n{values[name]}" for name in [*outputs])

    def __deepcopy__(self, memo: object) -> Engine:
        return self


class Writes(Engine):
    """A proposer that answers every request in all tags that it names."""

    def write(self, system, user, request):
        tags = re.findall(r"<\s*([a-z_]+)\s*>", user)
        return "".join(f"<{tag}>Answer it carefully, {self.calls}.</{tag}>" for tag in dict.fromkeys(tags))


class Door:
    """Asks the model as it stands."""

    def __init__(self, model: DspyModel) -> None:
        self.model = model

    def __call__(self, requests, *, repetition=0):
        return [reply for _, reply in sorted(self.model.generate(requests), key=lambda pair: pair[0])]

    def warn(self, sentence: str) -> None:
        raise AssertionError(sentence)


def author(text: str, *draw: object) -> str:
    tag = re.findall(r"<\s*/?\s*([a-z_]+)\s*>", text)[-1]
    if tag == "reason":
        return "<reason>It lacks a word.</reason>"
    shown = re.findall(r'"""\s*(.*?)\s*"""', text, re.DOTALL)[0]
    return f"<{tag}>{shown} {WORDS[int(len(WORDS) * uniform(text, *map(str, draw)))]}</{tag}>"


def reply(request: lm15.Request, text: str) -> lm15.Response:
    return lm15.Response(
        id="1",
        model=request.model,
        message=lm15.Message.assistant(text),
        finish_reason="stop",
        usage=lm15.Usage(input_tokens=3, output_tokens=4, total_tokens=7),
    )


def lm(engine: object, **settings: object) -> dspy.LM:
    return dspy.LM(model="scripted", engine=engine, num_retries=0, **settings)


def examples(count: int = 120) -> list[dspy.Example]:
    return [dspy.Example(question=f"q{number}", answer="yes").with_inputs("question") for number in range(count)]


def right(gold: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    return gold.answer == prediction.answer


class Two(dspy.Module):
    """A program of two predictors, the second shown what the first gave."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = dspy.Predict(dspy.Signature("question -> plan", "Plan it."))
        self.solve = dspy.ChainOfThought(dspy.Signature("question, plan -> answer", "Solve it."))

    def forward(self, question: str):
        return self.solve(question=question, plan=self.plan(question=question).plan)
