"""Programs: cells of many model calls, run in lockstep, metered and replayed as every other cell is."""

from promptopt.programs.evaluator import ProgramEvaluator
from promptopt.programs.handle import ModelHandle, Program
from promptopt.programs.task import program_task

__all__ = ["ModelHandle", "Program", "ProgramEvaluator", "program_task"]
