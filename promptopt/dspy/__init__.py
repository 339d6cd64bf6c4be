"""promptopt inside DSPy: a teleprompter over every method, and any model of promptopt's as a `dspy.LM`.

Needs the extra `dspy`; nothing else of promptopt imports this package. Importing it raises ConfigError where DSPy is
not installed, or is of another version.
"""

from promptopt.dspy.lm import lm_of
from promptopt.dspy.teleprompter import Outcome, PromptOpt, PromptOptWarning

__all__ = ["Outcome", "PromptOpt", "PromptOptWarning", "lm_of"]
