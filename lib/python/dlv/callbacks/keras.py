"""A callback for Keras 3: the model becomes a version after each epoch.

    from dlv.callbacks.keras import DlvCallback
    model.fit(..., callbacks=[DlvCallback(model="digits")])
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

import keras

from ..commits import PathLike
from ..repository import Repo
from ._common import Teller, options_of


class DlvCallback(keras.callbacks.Callback):  # type: ignore[misc,unused-ignore]
    """Makes a version of the weights after every `every` epochs, with the metrics of the epoch.

    A version holds model.safetensors, a tensor for each variable of the model by its path, and config.json, the
    architecture as keras writes it.

    model, branch, repo, params   as for dlv.track
    """

    def __init__(
        self,
        *,
        model: Optional[str] = None,
        branch: Optional[str] = None,
        repo: Optional["PathLike | Repo"] = None,
        params: Optional[Mapping[str, Any]] = None,
        operation: str = "train",
        every: int = 1,
        wait: bool = False,
        log_params: bool = True,
    ) -> None:
        super().__init__()
        self._teller = Teller(options_of(model, branch, repo, params, operation), wait=wait, log_params=log_params)
        self._every = every

    @property
    def run(self) -> Any:
        return self._teller.run

    def on_train_begin(self, logs: Optional[Mapping[str, Any]] = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        config = optimizer.get_config() if optimizer is not None else {}
        settings = {f"optimizer.{name}": value for name, value in config.items()}
        settings.update({name: self.params[name] for name in ("epochs", "steps") if self.params.get(name) is not None})
        self._teller.begin(settings, is_main=_is_main())

    def on_epoch_end(self, epoch: int, logs: Optional[Mapping[str, Any]] = None) -> None:
        self._teller.log(dict(logs or {}), epoch + 1)
        if (epoch + 1) % self._every == 0:
            self._teller.commit(
                weights_of(self.model),
                message=f"epoch {epoch + 1}",
                step=epoch + 1,
                texts={"config.json": self.model.to_json()},
            )

    def on_train_end(self, logs: Optional[Mapping[str, Any]] = None) -> None:
        self._teller.end()


def weights_of(model: Any) -> Dict[str, Any]:
    """The variables of a Keras model by their paths below it; those of one path get numbers."""
    found: Dict[str, Any] = {}
    for variable in model.variables:
        # Whether the name of the model stands in front depends on how it was built.
        path = str(variable.path)
        path = path[len(model.name) + 1 :] if path.startswith(f"{model.name}/") else path
        name, number = path, 1
        while name in found:
            number += 1
            name = f"{path}#{number}"
        found[name] = keras.ops.convert_to_numpy(variable)
    return found


def set_weights(model: Any, weights: Mapping[str, Any]) -> None:
    """Puts tensors that `weights_of` named into a model of the same architecture."""
    names = weights_of(model)
    missing = [name for name in names if name not in weights]
    if missing:
        raise KeyError(f"there is no tensor {missing[0]!r}")
    for name, variable in zip(names, model.variables):
        variable.assign(weights[name])


def _is_main() -> bool:
    try:
        return bool(keras.distribution.distribution_lib.process_id() == 0)
    except Exception:
        return True
