"""What the models of a run turn out to be: which snapshots answer, and which sample whatever they are asked."""

from __future__ import annotations

from collections.abc import Callable

from promptopt.protocols import Role


class ServedModels:
    """Learned from replies in the order in which they are charged, so that a replay learns the same."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        """`warn` takes a sentence for the user."""
        self._warn = warn
        self._snapshots: dict[Role, list[str]] = {}
        self._sampling: dict[str, None] = {}

    def forget(self, role: Role) -> None:
        """Another model takes this role."""
        self._snapshots.pop(role, None)

    def note(self, role: Role, name: str, served: str) -> None:
        """A reply of the model called `name`. A change is said once, and again only for another model.

        A fingerprint beside the model's name may come and go: services have several machines.
        """
        seen = self._snapshots.setdefault(role, [])
        if served in seen:
            return
        model = served.partition(" ")[0]
        # A service has several machines: each further fingerprint of one model would be told as a change.
        told = len(seen) > 1 and any(model == each.partition(" ")[0] for each in seen)
        seen.append(served)
        if len(seen) > 1 and not told:
            self._warn(
                f"the {role} model {name!r} changed during the run: it was served as {seen[-2]!r}, now as {served!r}; "
                f"scores before and after are not comparable"
            )

    def note_sampling(self, role: Role, name: str) -> None:
        """A reply was drawn though none was to be drawn."""
        if name not in self._sampling:
            self._sampling[name] = None
            self._warn(
                f"the {role} model {name!r} takes no temperature, so each of its replies is one draw of many, whatever "
                f"the task asks; the final choice and the test draw anew"
            )

    def samples(self, name: str) -> bool:
        """Whether the model called `name` has been seen to sample where it was asked not to."""
        return name in self._sampling
