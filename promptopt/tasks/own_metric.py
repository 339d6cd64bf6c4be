"""A metric in a Python file beside the task file: `metric = "metrics.py:score"`, or `"metrics:score"` with that file.

It runs only once task file and module were trusted with these very contents (`tasks/trust.py`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, cast

from promptopt.errors import ConfigError, DataError
from promptopt.protocols import Metric
from promptopt.registry import function_in

LARGEST_BYTES = 10_000_000
"""Of a module, which is read whole. Ours."""


def module_beside(path: Path, metric: str) -> Path | None:
    """The file beside the task file `path` that `metric` names; None where another module or none is named.

    Raises DataError for the name of a file that is not there, or that lies elsewhere.
    """
    name, colon, _ = metric.partition(":")
    if not colon:
        return None
    is_file = name.endswith(".py")
    if is_file and (Path(name).name != name or "\\" in name or "\0" in name):
        raise DataError(f"{path}: metric {metric!r}: the module has to lie beside the task file; name it alone")
    # `package.module` is one that Python finds by itself.
    if not is_file and not name.isidentifier():
        return None
    module = path.parent / (name if is_file else f"{name}.py")
    if module.is_file():
        return module
    if is_file:
        raise DataError(f"{path}: metric {metric!r}: there is no file {module}; put the module beside the task file")
    return None


def content_of(module: Path) -> bytes:
    """What the module holds. Raises DataError where it cannot be read."""
    try:
        with module.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as cause:
        raise DataError(f"the module {module} cannot be read: {cause.strerror}; check that you may read it") from cause
    if len(content) > LARGEST_BYTES:
        raise DataError(f"the module {module} is larger than {LARGEST_BYTES:,} bytes; see whether it is the right file")
    return content


def own_metric(module: Path, content: bytes, metric: str) -> Metric:
    """Run the module, once for each content, and give the function. Raises ConfigError where that cannot be.

    The content is a part of its module's name, which stands in every fingerprint: whatever changes in the file, another
    metric scores, and what was scored is scored anew.
    """
    name, attribute = f"{module.stem}_{hashlib.sha256(content).hexdigest()[:16]}", metric.partition(":")[2]
    found: Any = sys.modules.get(name)
    if found is None:
        specification = importlib.util.spec_from_file_location(name, module)
        assert specification is not None
        found = importlib.util.module_from_spec(specification)
        # Dataclasses look their module up.
        sys.modules[name] = found
        try:
            # These bytes and no others: the file may have changed since it was trusted.
            exec(compile(content, str(module), "exec"), found.__dict__)
        # A script that ends the program, as one without a guard does, must not end the run.
        except (Exception, SystemExit) as cause:
            del sys.modules[name]
            raise ConfigError(
                f"the module {module} of metric {metric!r} cannot be run: {type(cause).__name__}: {cause}; a module "
                f"that it needs has to be installed, or on PYTHONPATH"
            ) from cause
    return cast("Metric", function_in(found, attribute, metric, f"the file {module}"))
