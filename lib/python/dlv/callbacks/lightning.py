"""A callback for Lightning: each checkpoint that its ModelCheckpoint writes becomes a version.

    from dlv.callbacks.lightning import DlvCallback
    Trainer(..., callbacks=[ModelCheckpoint(every_n_train_steps=100), DlvCallback()])
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Tuple

try:
    from lightning.pytorch.callbacks import Callback, Checkpoint
except ImportError:
    from pytorch_lightning.callbacks import Callback, Checkpoint  # type: ignore[no-redef,unused-ignore]

from ..commits import PathLike
from ..repository import Repo
from ._common import Teller, options_of


class DlvCallback(Callback):  # type: ignore[misc,unused-ignore]
    """Makes a version of each file that a checkpoint callback wrote, with metrics and hyperparameters.

    model, branch, repo, params   as for dlv.track
    path        of the file in the versions; default: 'model.ckpt', so that versions follow one another
    log_params  the module's hparams as hyperparameters
    """

    def __init__(
        self,
        *,
        model: Optional[str] = None,
        branch: Optional[str] = None,
        repo: Optional["PathLike | Repo"] = None,
        params: Optional[Mapping[str, Any]] = None,
        operation: str = "train",
        path: str = "model.ckpt",
        wait: bool = False,
        log_params: bool = True,
    ) -> None:
        super().__init__()
        self._teller = Teller(options_of(model, branch, repo, params, operation), wait=wait, log_params=log_params)
        self._path = path
        self._seen: Dict[str, Any] = {}
        self._logged: Dict[str, Any] = {}

    @property
    def run(self) -> Any:
        return self._teller.run

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._teller.begin(dict(getattr(pl_module, "hparams", {}) or {}), is_main=trainer.is_global_zero)
        self._seen = {file: mark for file, (mark, _) in self._files(trainer).items()}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        # Lightning calls checkpoint callbacks last: what is new was written after the step before.
        self._commit_new(trainer)
        self._tell(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._tell(trainer)
            self._commit_new(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._tell(trainer)
        self._commit_new(trainer)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        self._tell(trainer)
        self._commit_new(trainer)
        self._teller.end()

    def _tell(self, trainer: Any) -> None:
        if self._teller.run is None:
            return
        step = int(trainer.global_step)
        values = {}
        for name, value in {**trainer.logged_metrics, **trainer.callback_metrics}.items():
            number = float(value)
            if self._logged.get(name) != (step, number):
                values[name] = number
                self._logged[name] = (step, number)
        self._teller.log(values, step)

    def _files(self, trainer: Any) -> Dict[str, Any]:
        """Checkpoints that the callbacks of the trainer have written and still keep."""
        found: List[Tuple[str, Any]] = []
        for callback in trainer.callbacks:
            if not isinstance(callback, Checkpoint):
                continue
            step = getattr(callback, "_last_global_step_saved", None)
            files = [getattr(callback, "best_model_path", ""), getattr(callback, "last_model_path", "")]
            files += list(getattr(callback, "best_k_models", {}) or {})
            files.append(getattr(callback, "_last_checkpoint_saved", ""))
            found += [(file, step) for file in files if file]
        marks = {}
        for file, step in found:
            try:
                stat = os.stat(file)
            except OSError:
                continue
            marks[os.path.realpath(file)] = ((stat.st_ino, stat.st_mtime_ns, stat.st_size), step)
        return marks

    def _commit_new(self, trainer: Any) -> None:
        if self._teller.run is None:
            return
        for file, (mark, step) in self._files(trainer).items():
            if self._seen.get(file) == mark:
                continue
            self._seen[file] = mark
            step = int(trainer.global_step if step is None else step)
            self._teller.commit(file, message=os.path.basename(file), step=step, path=self._path)
