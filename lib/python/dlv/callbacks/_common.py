"""What the callbacks share: one Run, begun late and ended once, in one process of a training."""

from __future__ import annotations

import os
import warnings
from typing import Any, Dict, Mapping, Optional

from ..commits import metric_text
from ..errors import DlvWarning
from ..tracking import Run, flat


class Teller:
    """Tells dlv of a training. Without a run it does nothing: in processes that are not the main one, and below `dlv run`."""

    def __init__(self, options: Mapping[str, Any], *, wait: bool, log_params: bool) -> None:
        self._options = dict(options)
        self._wait = wait
        self._log_params = log_params
        self.run: Optional[Run] = None

    def begin(self, params: Mapping[str, Any], *, is_main: bool) -> None:
        if not is_main:
            return
        if self.run is not None:
            # A training that an error ended says nothing of its end; in a notebook the next one begins in the same process.
            before, self.run = self.run, None
            before.finish(RuntimeError("the training did not come to its end"))
        if os.environ.get("DLV_RUN"):
            warnings.warn("dlv run commits the checkpoints of this training: DlvCallback does nothing", DlvWarning, stacklevel=3)
            return
        options = dict(self._options)
        own = flat(options.pop("params", None) or {})
        given = flat(params) if self._log_params else {}
        self.run = Run(params={**given, **own}, **options)

    def log(self, values: Mapping[str, Any], step: Optional[int]) -> None:
        """Notes what is a number; trainers log texts too."""
        if self.run is None:
            return
        numbers = {name: value for name, value in values.items() if metric_text(value) is not None}
        if numbers:
            self.run.log(numbers, step=step)

    def commit(self, content: Any, **options: Any) -> Any:
        if self.run is None:
            return None
        return self.run.commit(content, wait=self._wait, **options)

    def end(self) -> None:
        """What failed in the background is raised here, when nothing is lost by it."""
        if self.run is not None:
            run, self.run = self.run, None
            run.finish()


def options_of(
    model: Optional[str], branch: Optional[str], repo: Any, params: Optional[Mapping[str, Any]], operation: str
) -> Dict[str, Any]:
    return {"model": model, "branch": branch, "repo": repo, "params": params, "operation": operation}
