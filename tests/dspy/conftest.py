"""All of it needs DSPy, which is an extra."""

import pytest

pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")
