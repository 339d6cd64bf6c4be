"""The options that several commands share, each said once. None: not given."""

from __future__ import annotations

from typing import Annotated

from typer import Option

TaskName = Annotated[str, Option("--task", help="A built-in task (`promptopt tasks list`) or a task file (FILE.toml).")]
BaseUrl = Annotated[str | None, Option(help="The address of an OpenAI-compatible server.")]
EvaluatorName = Annotated[
    str | None, Option(help="generation, labels, loss or preference; default: as the method or the task says.")
]
Settings = Annotated[list[str] | None, Option("--set", metavar="NAME=VALUE", help="A setting of the evaluator.")]
DataFile = Annotated[str | None, Option(metavar="FILE", help="Use these examples instead of the task's own.")]
Train = Annotated[int | None, Option(metavar="N", help="Examples to learn from.")]
Dev = Annotated[int | None, Option(metavar="N", help="Examples to choose the winner by.")]
Test = Annotated[int | None, Option(metavar="N", help="Sealed examples for the verdict.")]
MaxEvaluations = Annotated[int | None, Option(metavar="N", help="Cap: prompts scored on one example each.")]
MaxCalls = Annotated[int | None, Option(metavar="N", help="Cap: replies asked of any model.")]
MaxTokens = Annotated[int | None, Option(metavar="N", help="Cap: tokens read and written by any model.")]
MaxUsd = Annotated[float | None, Option(metavar="X", help="Cap: dollars.")]
MaxMinutes = Annotated[float | None, Option(metavar="X", help="Minutes until it is suspended.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object on stdout, and nothing else.")]
Quietly = Annotated[bool, Option("--quiet", help="Print nothing but the result.")]
