"""A callback for transformers.Trainer: each checkpoint that it saves becomes a version.

    from dlv.callbacks.huggingface import DlvCallback
    Trainer(..., callbacks=[DlvCallback(branch="bert/run-2")])
"""

from __future__ import annotations

import os
from typing import Any, Mapping, Optional

from transformers import TrainerCallback

from ..commits import PathLike
from ..repository import Repo
from ._common import Teller, options_of

# Settings of TrainingArguments that say where and how, not what is learned.
_NOT_PARAMS = ("output_dir", "logging_dir", "run_name", "hub_", "push_to_hub", "report_to", "disable_tqdm", "log_level", "local_rank", "ddp_", "fsdp", "deepspeed")
# Metrics that are about the speed of the machine.
_NOT_METRICS = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")


class DlvCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Makes a version of each checkpoint when it is complete, with the metrics and settings of the training.

    The version holds the files of the checkpoint's folder under their names in it. They are held before the trainer
    rotates them away (save_total_limit), and stored while it goes on; with wait=True the training waits.

    model, branch, repo, params   as for dlv.track
    state       also the state of optimizer, scheduler and random numbers, from which a training resumes
    log_params  the settings of TrainingArguments as hyperparameters
    """

    def __init__(
        self,
        *,
        model: Optional[str] = None,
        branch: Optional[str] = None,
        repo: Optional["PathLike | Repo"] = None,
        params: Optional[Mapping[str, Any]] = None,
        operation: str = "train",
        state: bool = True,
        wait: bool = False,
        log_params: bool = True,
    ) -> None:
        self._teller = Teller(options_of(model, branch, repo, params, operation), wait=wait, log_params=log_params)
        self._state = state

    @property
    def run(self) -> Any:
        """The Run, while the training goes on."""
        return self._teller.run

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        settings = {
            name: value
            for name, value in args.to_dict().items()
            if not name.startswith(_NOT_PARAMS) and value not in (None, "", [], {})
        }
        self._teller.begin(settings, is_main=state.is_world_process_zero)

    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Mapping[str, Any]] = None, **_: Any) -> None:
        values = {name: value for name, value in (logs or {}).items() if name not in _NOT_METRICS}
        values.pop("epoch", None)
        self._teller.log(values, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._teller.run is None:
            return
        # The trainer has written and rotated before it calls: what it names is complete.
        name = f"checkpoint-{state.global_step}"
        folder = os.path.join(args.output_dir, name)
        if os.path.isdir(folder):
            self._teller.commit(folder, message=name, step=state.global_step, skip=() if self._state else _STATE)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._teller.end()


_STATE = ("optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt", "rng_state*.pth", "global_step*", "latest", "zero_to_fp32.py")
