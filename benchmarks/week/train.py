"""A day with the Trainer of transformers, where torch and transformers are installed.

Trains a small BERT on the shipped digits, each image a sentence of 64 words (its pixels), with rotating
checkpoints and a callback that commits every one. Then a LoRA and its merge by PEFT, an ONNX export and
an int8 copy, each where what it needs is there; what is not is said.

    python train.py <folder> <digits folder> [name=value …]     # rate, steps, commit=<dlv command>
"""
import shlex
import subprocess
import sys

import numpy as np
import torch
from transformers import (BertConfig, BertForSequenceClassification, Trainer, TrainerCallback,
                          TrainingArguments)

folder, digits = sys.argv[1:3]
options = dict(arg.split("=", 1) for arg in sys.argv[3:])
dlv = shlex.split(options["dlv"])
images = np.load(f"{digits}/images.npy").reshape(-1, 64).astype(np.int64)
labels = np.load(f"{digits}/labels.npy").astype(np.int64)
rows = [{"input_ids": torch.tensor(i), "labels": torch.tensor(l)} for i, l in zip(images, labels)]


class Commit(TrainerCallback):
    """Commits what the Trainer has just saved, and what it has rotated away."""

    def on_save(self, args, state, control, **kwargs):
        subprocess.run(dlv + ["add", "-A", "-q", "."], cwd=folder, check=True)
        message = f"rate {args.learning_rate}, step {state.global_step}"
        subprocess.run(dlv + ["commit", "-q", "-m", message], cwd=folder, check=True)


torch.manual_seed(7)
config = BertConfig(vocab_size=32, hidden_size=256, num_hidden_layers=3, num_attention_heads=4,
                    intermediate_size=1024, max_position_embeddings=64, num_labels=10)
start = options.get("from")
model = (BertForSequenceClassification.from_pretrained(start) if start
         else BertForSequenceClassification(config))
arguments = TrainingArguments(
    output_dir=folder, learning_rate=float(options.get("rate", 5e-4)),
    max_steps=int(options.get("steps", 24)), per_device_train_batch_size=16,
    save_strategy="steps", save_steps=8, save_total_limit=2, eval_strategy="steps", eval_steps=8,
    logging_steps=4, report_to=[], use_cpu=True, seed=7)
trainer = Trainer(model=model, args=arguments, train_dataset=rows[:1400], eval_dataset=rows[1400:1480],
                  callbacks=[Commit()])
trainer.train()
trainer.save_model(f"{folder}/final")
if "exports" not in options:
    sys.exit()
sentence = torch.tensor(images[:1])
try:
    torch.onnx.export(model.eval(), (sentence,), f"{folder}/final/model.onnx", dynamo=False)
except Exception as error:  # whatever its exporter lacks here is said, and is no fault of dlv
    print(f"SKIPPED: no ONNX export: {type(error).__name__}: {error}")
quantized = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
torch.save(quantized.state_dict(), f"{folder}/final/model-int8.pt")
model.half().save_pretrained(f"{folder}/final-fp16")
model.to(torch.bfloat16).save_pretrained(f"{folder}/final-bf16")
try:
    from peft import LoraConfig, get_peft_model
except ImportError:
    print("SKIPPED: no LoRA: peft is not installed")
    sys.exit()
model = BertForSequenceClassification.from_pretrained(f"{folder}/final")
adapted = get_peft_model(model, LoraConfig(r=8, target_modules=["query", "value"], task_type="SEQ_CLS"))
Trainer(model=adapted, args=TrainingArguments(output_dir=f"{folder}/lora", max_steps=10, report_to=[],
        use_cpu=True, save_strategy="no"), train_dataset=rows[:400]).train()
adapted.save_pretrained(f"{folder}/adapter")
adapted.merge_and_unload().save_pretrained(f"{folder}/merged")
