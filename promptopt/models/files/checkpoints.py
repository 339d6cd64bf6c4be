"""From what a user writes after `hf/` to a configuration, a tokenizer and weights.

That is a folder, a GGUF file, or a name on the hub. Everything is loaded from files on this machine; what is on the hub
is fetched first, once, and then found in the hub's own cache. Nothing that a checkpoint brings along is executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import re
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from promptopt.errors import BackendError, ConfigError
from promptopt.models.files.fingerprints import sha256_of, sha256_of_parts
from promptopt.text import first_line

# No dot comes first: `./model` and `../model` are paths that are missing, and nothing on the hub.
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_TEXT_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
_WEIGHTS = "*.safetensors"
"""Never `pytorch_model.bin`: that is a pickle, and loading one can run what stands in it."""
_HUB_WAIT_S = 10.0
"""Seconds that the hub may take to name the version of a file: `huggingface_hub`'s own default."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a model lies: `folder`, and in it the `gguf` file, or none for a transformers folder.

    `called`: its name as the user wrote it, without folders. `fingerprint`: 12 hex digits that change with any file
    that could change a number.
    """

    called: str
    folder: Path
    gguf: str | None
    fingerprint: str

    @property
    def source(self) -> dict[str, str]:
        """The further argument that transformers' `from_pretrained` takes."""
        return {} if self.gguf is None else {"gguf_file": self.gguf}


def require(module: str) -> Any:
    """`torch` or `transformers`. Raises ConfigError when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module) from error


def check_installed() -> None:
    """Raise ConfigError where a package of the extra `hf` is missing; none is imported, which would take seconds."""
    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise _missing(module)


def _missing(module: str) -> ConfigError:
    return ConfigError(
        f"models named 'hf/...' need {module}, which is not installed: pip install 'promptopt-engine[hf]'"
    )


def find_checkpoint(spec: str) -> Checkpoint:
    """The checkpoint that `spec` names: a folder, a GGUF file, or a name on the hub, fetched where it is not here yet.

    Raises ConfigError where there is none. Without a network, a name that was never fetched fails within seconds.
    """
    path = Path(spec).expanduser()
    if spec and path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ConfigError(f"{spec!r} is neither a GGUF file nor a folder; name the folder that holds config.json")
        return Checkpoint(path.stem, path.parent, path.name, sha256_of_parts(path)[:12])
    if spec and path.is_dir():
        return Checkpoint(path.resolve().name, path, None, _fingerprint(spec, path))
    if not _HUB_NAME.fullmatch(spec):
        raise ConfigError(
            f"there is no model 'hf/{spec}': {spec!r} is neither a folder nor a GGUF file on this machine; check its "
            "path"
        )
    folder = _from_hub(spec)
    return Checkpoint(spec, folder, None, _fingerprint(spec, folder))


def _fingerprint(spec: str, folder: Path, above: tuple[Path, ...] = ()) -> str:
    """`above`: the folders of the adapters that stand on this one."""
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise ConfigError(
                f"the folder {str(folder)!r} holds an adapter alone: put the config.json and the weights of its base "
                f"beside it, or merge the two (peft's `merge_and_unload`) and name the folder of that"
            )
        raise ConfigError(
            f"the folder {str(folder)!r} holds no model that transformers can load: it has no config.json; name another"
        )
    weights = list(folder.glob(_WEIGHTS))
    if not weights:
        raise ConfigError(
            f"the model 'hf/{spec}' has no safetensors weights in {str(folder)!r}; pickled ones (.bin) are not loaded: "
            f"fetch it anew, or save it with `save_pretrained`"
        )
    texts = [file for pattern in _TEXT_FILES for file in folder.glob(pattern)]
    files = sorted({*weights, *texts})
    # By name, not by path: a folder that was moved is still the same model.
    listed = "\n".join(f"{file.name} {sha256_of(file)}" for file in files)
    return hashlib.sha256((listed + _base_of(folder, above)).encode()).hexdigest()[:12]


def _base_of(folder: Path, above: tuple[Path, ...]) -> str:
    """What an adapter in a folder stands on, whose weights lie elsewhere; nothing where there is no adapter.

    Without peft transformers loads the folder's own weights alone, and with it the base that is named, up to a release
    between 5.0 and 5.24; from then on the adapter over the folder's own weights. So the base counts either way.
    """
    config = folder / "adapter_config.json"
    if not config.is_file():
        return ""
    try:
        named = str(json.loads(config.read_text("utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the adapter in {str(folder)!r} does not say which model it is for (base_model_name_or_path in "
            f"adapter_config.json); correct that, or take the file away"
        ) from error
    if not (folder / "adapter_model.safetensors").is_file():
        raise ConfigError(
            f"the adapter in {str(folder)!r} has no safetensors weights; pickled ones (.bin) are not loaded: save it "
            f"with `save_pretrained`, or take adapter_config.json away"
        )
    base, applied = Path(named).expanduser(), find_spec("peft") is not None
    # An adapter that stands on itself, or on one that stands on it, would be followed without end.
    above = (*above, folder.resolve())
    content = ""
    if base.is_dir():
        content = "" if base.resolve() in above else _fingerprint(named, base, above)
    elif applied:
        content = _cached(named)
    return f"\nadapter of {named} {content} {applied}"


def _cached(name: str) -> str:
    """What the hub's cache holds of a model, which may be replaced under its name; empty where that is nothing."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        hub: Any = importlib.import_module("huggingface_hub")
        folder = Path(hub.snapshot_download(name, local_files_only=True))
        # Not the texts beside it: the adapter's folder has its own, and they come into the cache one by one.
        files = sorted((*folder.glob("config.json"), *folder.glob(_WEIGHTS)))
        return " ".join(f"{file.name} {sha256_of(file)}" for file in files)
    return ""


def _from_hub(name: str) -> Path:
    hub = require("huggingface_hub")
    # What was fetched before is taken without asking the hub, which may be out of reach.
    with contextlib.suppress(OSError):
        known = Path(hub.snapshot_download(name, local_files_only=True))
        # A download that was cut off leaves a folder of texts without weights.
        if any(known.glob(_WEIGHTS)):
            return known
    try:
        with quiet():
            wanted = [*_TEXT_FILES, _WEIGHTS]
            found = Path(hub.snapshot_download(name, allow_patterns=wanted, etag_timeout=_HUB_WAIT_S))
            if any(found.glob(_WEIGHTS)):
                return found
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the model 'hf/{name}' is not on this machine and cannot be fetched from the hub "
            f"({first_line(error)}); check the name and the network, or give the path of a folder or a GGUF file"
        ) from error
    raise ConfigError(f"{name!r} on the hub has no safetensors weights; choose another model")


def load_model_config(checkpoint: Checkpoint) -> Any:
    """The model's configuration. Raises ConfigError where transformers does not know the architecture."""
    return _load(checkpoint, require("transformers").AutoConfig)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The model's tokenizer. Raises ConfigError where it cannot be loaded."""
    return _load(checkpoint, require("transformers").AutoTokenizer)


def load_model(checkpoint: Checkpoint, *, masked: bool, device: str, dtype: Any) -> Any:
    """The model, ready to be evaluated, on `device`, with weights of a torch `dtype`. GGUF weights are dequantized.

    Raises ConfigError where the architecture cannot be used as asked, BackendError where memory is too small.
    """
    torch, transformers = require("torch"), require("transformers")
    kind = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    settings: dict[str, Any] = {"dtype": dtype}
    if checkpoint.gguf is None:
        # transformers would else take pickled weights where it finds some.
        settings["use_safetensors"] = True
    elif hasattr(transformers, "GgufConfig"):
        settings["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        model, found = _load(checkpoint, kind, output_loading_info=True, **settings)
        missing = sorted(found["missing_keys"])
        if missing:  # transformers fills them with random numbers, and only warns
            raise ConfigError(
                f"the checkpoint {checkpoint.called!r} is not complete as {kind.__name__}: it has no weights for "
                f"{missing[0]!r} ({len(missing)} missing), so it would answer at random; choose another"
            )
        return model.to(device).eval()
    except torch.OutOfMemoryError as error:
        raise BackendError(
            f"the model {checkpoint.called!r} does not fit into the memory of {device!r}; use a smaller one"
        ) from error


def _load(checkpoint: Checkpoint, kind: Any, **settings: Any) -> Any:
    try:
        # Its bar over the tensors of a GGUF file is none of those that transformers can be told to leave out.
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            return kind.from_pretrained(str(checkpoint.folder), **checkpoint.source, **settings)
    except (OSError, ValueError, KeyError, ImportError, NotImplementedError) as error:
        raise ConfigError(
            f"transformers cannot load the model {checkpoint.called!r} through {kind.__name__} "
            f"({first_line(error)}); choose another model, or another version of transformers"
        ) from error
    except Exception as error:
        # safetensors' own error is a plain Exception, and importing it takes what may not be installed.
        if type(error).__name__ != "SafetensorError":
            raise
        raise ConfigError(
            f"the weights of the model {checkpoint.called!r} are damaged ({first_line(error)}); fetch them anew"
        ) from error


@contextlib.contextmanager
def quiet() -> Generator[None, None, None]:
    """Without transformers' progress bars and warnings, which are put back as they were."""
    logging = require("transformers").utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
