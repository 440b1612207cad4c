"""The callbacks in the frameworks that call them, on small real networks."""

from __future__ import annotations

import os
import unittest
from typing import Any

from base import RepositoryCase, need

import dlv


def regression(seed: int = 0) -> Any:
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 8, generator=generator)
    return x, (x.sum(1, keepdim=True) > 0).float()


@need("torch", "transformers", "accelerate")
class HuggingFace(RepositoryCase):
    def trainer(self, callback: Any, **settings: Any) -> Any:
        import torch
        from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16
        )
        model = BertForSequenceClassification(config)
        rows = [
            {"input_ids": torch.randint(1, 50, (8,)), "attention_mask": torch.ones(8, dtype=torch.long), "labels": torch.tensor(i % 2)}
            for i in range(32)
        ]
        arguments = TrainingArguments(
            output_dir="out",
            per_device_train_batch_size=8,
            save_strategy="steps",
            save_steps=2,
            eval_strategy="steps",
            eval_steps=2,
            logging_steps=1,
            save_total_limit=1,
            report_to=[],
            disable_tqdm=True,
            log_level="error",
            use_cpu=True,
            **{"max_steps": 10, "seed": 1, **settings},
        )
        return Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows[:8], callbacks=[callback])

    def test_no_checkpoint_is_lost_by_rotation(self) -> None:
        import torch

        callback = dlv.DlvCallback(params={"data": "synthetic"})
        trainer = self.trainer(callback)
        trainer.train()
        self.assertEqual([name for name in os.listdir("out") if name.startswith("checkpoint-")], ["checkpoint-10"])
        versions = self.repo.log()
        self.assertEqual([v["message"] for v in versions], [f"checkpoint-{step}" for step in (10, 8, 6, 4, 2)])
        shown = self.repo.show("HEAD")
        self.assertIn("model.safetensors", [f["path"] for f in shown["files"]])
        self.assertIn("optimizer.pt", [f["path"] for f in shown["files"]])
        self.assertEqual(shown["step"], 10)
        self.assertEqual(shown["params"]["data"], "synthetic")
        self.assertEqual(shown["params"]["learning_rate"], 5e-05)
        self.assertIn("eval_loss", shown["metrics"])
        self.assertIn("transformers", shown["environment"])
        found = dlv.load("HEAD", path="model.safetensors", framework="torch")
        for name, tensor in trainer.model.state_dict().items():
            if name in found:
                self.assertTrue(torch.equal(found[name], tensor), name)
        self.assertTrue(any(name.endswith("classifier.weight") for name in found))
        best = self.repo.best("eval_loss")
        losses = {v["name"]: v["metrics"]["eval_loss"] for v in versions}
        self.assertEqual(losses[best], min(losses.values()))
        self.assertEqual(self.left_over(), [])

    def test_a_training_is_resumed_from_a_version(self) -> None:
        from transformers import TrainerCallback

        class Crash(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step == 5:
                    raise RuntimeError("power is gone")

        trainer = self.trainer(dlv.DlvCallback())
        trainer.add_callback(Crash())
        with self.assertRaises(RuntimeError):
            trainer.train()
        dlv.wait()
        self.assertEqual(self.repo.log(limit=1)[0]["step"], 4)
        import shutil

        shutil.rmtree("out")
        self.repo.checkout("HEAD", out="out/checkpoint-4")
        trainer = self.trainer(dlv.DlvCallback())
        trainer.train(resume_from_checkpoint="out/checkpoint-4")
        self.assertEqual([v["step"] for v in self.repo.log()], [10, 8, 6, 4, 2])

    def test_below_dlv_run_it_does_nothing(self) -> None:
        os.environ["DLV_RUN"] = "0123456789"
        try:
            with self.assertWarns(dlv.DlvWarning):
                self.trainer(dlv.DlvCallback(), max_steps=2).train()
        finally:
            del os.environ["DLV_RUN"]
        self.assertIsNone(self.repo.status()["head"]["version"])

    def test_only_weights_if_asked(self) -> None:
        self.trainer(dlv.DlvCallback(state=False, wait=True), max_steps=2).train()
        paths = [f["path"] for f in self.repo.show("HEAD")["files"]]
        self.assertIn("model.safetensors", paths)
        self.assertFalse([p for p in paths if p.startswith(("optimizer", "scheduler", "rng_state"))])


@need("torch", "lightning")
class Lightning(RepositoryCase):
    def test_checkpoints_become_versions(self) -> None:
        import torch
        from lightning.pytorch import LightningModule, Trainer
        from lightning.pytorch.callbacks import ModelCheckpoint
        from torch.utils.data import DataLoader, TensorDataset

        from dlv.callbacks.lightning import DlvCallback

        class Net(LightningModule):
            def __init__(self, rate: float = 0.1) -> None:
                super().__init__()
                self.save_hyperparameters()
                self.layer = torch.nn.Linear(8, 1)

            def loss(self, batch: Any) -> Any:
                return torch.nn.functional.binary_cross_entropy_with_logits(self.layer(batch[0]), batch[1])

            def training_step(self, batch: Any, index: int) -> Any:
                loss = self.loss(batch)
                self.log("train_loss", loss)
                return loss

            def validation_step(self, batch: Any, index: int) -> None:
                self.log("val_loss", self.loss(batch))

            def configure_optimizers(self) -> Any:
                return torch.optim.SGD(self.parameters(), self.hparams["rate"])

        data = DataLoader(TensorDataset(*regression()), batch_size=16)
        trainer = Trainer(
            max_epochs=4,
            accelerator="cpu",
            callbacks=[ModelCheckpoint("ckpt", monitor="val_loss", save_top_k=1), DlvCallback(branch="run-1")],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
        )
        net = Net()
        trainer.fit(net, data, data)
        self.assertEqual(len(os.listdir("ckpt")), 1)
        versions = self.repo.log("net/run-1")
        self.assertEqual([v["step"] for v in versions], [16, 12, 8, 4])
        shown = self.repo.show("net/run-1")
        self.assertEqual([f["path"] for f in shown["files"]], ["model.ckpt"])
        self.assertEqual(shown["params"], {"rate": 0.1})
        self.assertEqual(set(shown["metrics"]), {"train_loss", "val_loss"})
        best = self.repo.best("val_loss")
        self.assertEqual(best, versions[0]["name"])
        found = dlv.load(best, framework="torch")
        name = next(name for name in found if name.endswith("layer.weight"))
        self.assertTrue(torch.equal(found[name], net.layer.weight))
        self.assertEqual(self.left_over(), [])


@need("keras", "torch")
class Keras(RepositoryCase):
    def test_epochs_become_versions(self) -> None:
        import keras
        import numpy

        from dlv.callbacks.keras import DlvCallback, set_weights, weights_of

        keras.utils.set_random_seed(1)
        x, y = (tensor.numpy() for tensor in regression())
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="binary_crossentropy", metrics=["accuracy"])
        model.fit(x, y, validation_split=0.25, epochs=3, verbose=0, callbacks=[DlvCallback(params={"note": "small"})])
        versions = self.repo.log()
        self.assertEqual([v["message"] for v in versions], ["epoch 3", "epoch 2", "epoch 1"])
        shown = self.repo.show("HEAD")
        self.assertEqual([f["path"] for f in shown["files"]], ["config.json", "model.safetensors"])
        self.assertEqual(set(shown["metrics"]), {"accuracy", "loss", "val_accuracy", "val_loss"})
        self.assertEqual(shown["params"]["note"], "small")
        self.assertAlmostEqual(shown["params"]["optimizer.learning_rate"], 0.1)
        again = keras.models.model_from_json(self.repo.read("HEAD", "config.json").decode())
        set_weights(again, dlv.load("HEAD"))
        self.assertTrue(numpy.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0)))
        self.assertEqual(sorted(weights_of(model)), sorted(dlv.load("HEAD")))
        self.assertEqual(self.left_over(), [])


if __name__ == "__main__":
    unittest.main()
