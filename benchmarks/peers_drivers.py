"""Peers of promptopt, each by its own package and its own client, against the address that a job names.

Run by the python of the peers' virtual environment, never by ours: it imports nothing of promptopt. It reads a job a
line (JSON) and writes a line for each: the prompt that the peer returned, as the text that its task model is shown
before a question. Every job runs in a child process of its own, so that no cache or thread outlives it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

LONGEST_S = 240
"""Seconds that a job may take, where it names no other number."""
LABELS = ["no", "yes"]

Job = Mapping[str, Any]
"""`peer`, `url`, `cap`, `seed`, `start`, `description`, `settings`; `train` and `dev`: pairs of question and answer.

`labels`, `seconds`: where a real model answers, what an answer may be, and how long it may take.
"""


def gepa(job: Job) -> str:
    """GEPA by its default adapter; the budget in metric calls is the cap, and the proxy ends what goes beyond it."""
    from gepa import optimize
    from gepa.adapters.default_adapter.default_adapter import DefaultAdapter
    from gepa.lm import LM

    settings = job["settings"]
    asked = {"api_base": job["url"], "api_key": "none", "num_retries": 0}
    adapter = DefaultAdapter("openai/task", evaluator=_first_label(job["labels"]) if "labels" in job else None)
    adapter._lm = LM("openai/task", temperature=0.0, **asked)  # the adapter takes a name, and no address
    train, dev = (
        [{"input": question, "additional_context": {}, "answer": answer} for question, answer in job[part]]
        for part in ("train", "dev")
    )
    stopper = _AtTheCap()
    result = optimize(
        seed_candidate={"system_prompt": job["start"]},
        trainset=train,
        valset=dev[: settings["val"]],
        adapter=adapter,
        reflection_lm=LM("openai/proposer", temperature=1.0, **asked),
        max_metric_calls=job["cap"],
        stop_callbacks=[stopper],
        callbacks=[stopper],
        raise_on_exception=False,
        cache_evaluation=True,
        seed=job["seed"],
        logger=_Silent(),
    )
    return result.best_candidate["system_prompt"]


def _first_label(labels: Sequence[str]) -> Callable[[Any, str], Any]:
    """Right where the label that a reply names first is the example's, said in the words of the package's default."""
    from gepa.adapters.default_adapter.default_adapter import EvaluationResult

    def judge(data: Any, response: str) -> Any:
        places = {label: response.lower().find(label.lower()) for label in labels}
        named = [label for label in labels if places[label] >= 0]
        right = bool(named) and min(named, key=lambda label: (places[label], -len(label))) == data["answer"]
        said = "correct" if right else "incorrect"
        return EvaluationResult(
            float(right), f"The generated response is {said}. The correct answer is '{data['answer']}'.", None
        )

    return judge


class _AtTheCap:
    """Ends GEPA at the first refusal; it would try the next step for ever."""

    def __init__(self) -> None:
        self.refused = False

    def __call__(self, state: object) -> bool:
        return self.refused

    def on_error(self, event: object) -> None:
        self.refused = True


class _Silent:
    def log(self, message: str) -> None:
        """Nothing is logged."""


def _promptolution(job: Job) -> tuple[Any, Any, Any, list[str]]:
    """(predictor, task, proposer, first population) of promptolution."""
    import numpy as np
    import pandas as pd
    from promptolution.llms import APILLM
    from promptolution.predictors import FirstOccurrencePredictor
    from promptolution.tasks import ClassificationTask
    from promptolution.utils.prompt_creation import create_prompt_variation

    random.seed(job["seed"])
    np.random.seed(job["seed"])
    settings = job["settings"]
    task_model, proposer = (
        APILLM(
            api_url=job["url"], model_id=name, api_key="none", max_retries=0, call_kwargs={"temperature": temperature}
        )
        for name, temperature in (("task", 0.0), ("proposer", 1.0))
    )
    rows = pd.DataFrame(job["train"] + job["dev"], columns=["x", "y"])
    task = ClassificationTask(
        rows,
        task_description=job["description"],
        n_subsamples=settings["block"],
        eval_strategy=settings["strategy"],
        seed=job["seed"],
    )
    # The package wants a population; the start and variations of it are what its own tutorial makes.
    varied = create_prompt_variation([job["start"]] * (settings["population"] - 1), proposer)
    return FirstOccurrencePredictor(task_model, LABELS), task, proposer, [job["start"], *varied]


def promptolution_capo(job: Job) -> str:
    """Promptolution's CAPO until the proxy refuses; its best prompt after the last whole step."""
    from promptolution.optimizers import CAPO

    predictor, task, proposer, population = _promptolution(job)
    optimizer = CAPO(
        predictor, task, meta_llm=proposer, initial_prompts=population, **job["settings"].get("optimizer", {})
    )
    return str(_last(optimizer)[0])


def promptolution_evoprompt(job: Job) -> str:
    """Promptolution's EvoPrompt (GA) until the proxy refuses; its best prompt after the last whole step."""
    from promptolution.optimizers import EvoPromptGA

    predictor, task, proposer, population = _promptolution(job)
    optimizer = EvoPromptGA(predictor, task, meta_llm=proposer, initial_prompts=population)
    return str(_last(optimizer)[0])


def _last(optimizer: Any) -> Sequence[Any]:
    """The population after the last whole step: a step that is refused ends the package's own loop."""
    return optimizer.optimize(10_000)


def _dspy(job: Job) -> tuple[Any, Any, Any, list[Any], list[Any]]:
    """(proposer, program, metric, train, dev) for DSPy; its task model is set."""
    import dspy

    asked = {"api_base": job["url"], "api_key": "none", "num_retries": 0}
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    dspy.configure(lm=dspy.LM("openai/task", temperature=0.0, max_tokens=64, **asked), max_errors=1)
    proposer = dspy.LM("openai/proposer", temperature=1.0, max_tokens=1000, **asked)
    program = dspy.Predict(dspy.Signature("question -> answer", job["start"]))

    def metric(example: Any, found: Any, trace: object = None) -> bool:
        return example.answer == found.answer.strip().lower()

    train, dev = (
        [dspy.Example(question=question, answer=answer).with_inputs("question") for question, answer in job[part]]
        for part in ("train", "dev")
    )
    return proposer, program, metric, train, dev


def _program(program: Any) -> str:
    """A program's instruction and demonstrations as one text."""
    predictor = program.predictors()[0]
    demos = [f"Input: {demo['question']}\nOutput: {demo['answer']}" for demo in predictor.demos]
    return "\n\n".join([predictor.signature.instructions, *demos])


def dspy_copro(job: Job) -> str:
    """DSPy's COPRO on as many examples as the cap allows."""
    import dspy

    proposer, program, metric, train, _ = _dspy(job)
    settings = job["settings"]
    optimizer = dspy.COPRO(prompt_model=proposer, metric=metric, breadth=settings["breadth"], depth=settings["depth"])
    chosen = random.Random(job["seed"]).sample(train, settings["examples"])
    quiet = {"display_progress": False, "display_table": False, "num_threads": 4}
    return _program(optimizer.compile(program, trainset=chosen, eval_kwargs=quiet))


def dspy_mipro(job: Job) -> str:
    """DSPy's MIPROv2 on as many trials and examples as the cap allows."""
    import dspy

    proposer, program, metric, train, dev = _dspy(job)
    settings = job["settings"]
    optimizer = dspy.MIPROv2(
        metric, prompt_model=proposer, num_threads=4, seed=job["seed"] + 1, max_errors=1, **settings["optimizer"]
    )
    return _program(optimizer.compile(program, trainset=train, valset=dev[: settings["val"]], **settings["compile"]))


PEERS: Mapping[str, Callable[[Job], str]] = {
    "gepa": gepa,
    "promptolution-capo": promptolution_capo,
    "promptolution-evoprompt": promptolution_evoprompt,
    "dspy-copro": dspy_copro,
    "dspy-mipro": dspy_mipro,
}


def _conduct(job: Job, out: Connection) -> None:
    """In a child: the answer to one job. What a package says goes nowhere."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            out.send({"prompt": PEERS[job["peer"]](job)})
        except BaseException as why:  # noqa: BLE001 - a peer may end in any way; the arena says how
            out.send({"problem": f"{type(why).__name__}: {str(why)[:300]}"})
    out.close()
    # The packages' own threads would keep the process.
    os._exit(0)


def main() -> None:
    """Answer jobs until there are none. The packages are imported once, and children inherit them."""
    folder = tempfile.mkdtemp()
    os.environ["DSPY_CACHEDIR"] = folder
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import dspy  # noqa: F401
    import gepa  # noqa: F401
    import litellm
    import promptolution  # noqa: F401

    litellm.suppress_debug_info = True
    logging.disable(logging.CRITICAL)
    context = multiprocessing.get_context("fork")
    for line in sys.stdin:
        begun = time.perf_counter()
        receive, send = context.Pipe(duplex=False)
        child = context.Process(target=_conduct, args=(json.loads(line), send))
        child.start()
        send.close()
        longest = json.loads(line).get("seconds", LONGEST_S)
        answer: dict[str, Any] = {"problem": f"not done after {longest} seconds, or died"}
        with contextlib.suppress(EOFError):
            if receive.poll(longest):
                answer = receive.recv()
        child.kill()
        child.join()
        print(json.dumps({**answer, "seconds": time.perf_counter() - begun}), flush=True)


if __name__ == "__main__":
    main()
