"""What mergekit and PEFT make of weights, for test/integration/merge-libraries.test.ts.

Writes into the folder given: base, left and right (safetensors), what each method makes of them, and a LoRA adapter
with the weights that PEFT folds it into. mergekit is asked for its own functions, not for a run of its program.
"""
import json
import os
import sys

import torch
from transformers.pytorch_utils import Conv1D
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

folder = sys.argv[1]
torch.manual_seed(4)
shapes = {"fc1.weight": (48, 32), "fc1.bias": (48,), "fc2.weight": (10, 48)}
base = {name: torch.randn(shape) for name, shape in shapes.items()}
left = {name: value + 0.1 * torch.randn(value.shape) for name, value in base.items()}
right = {name: value + 0.1 * torch.randn(value.shape) for name, value in base.items()}


def save(name, tensors):
    save_file({key: value.contiguous() for key, value in tensors.items()}, f"{folder}/{name}.safetensors")


for name, tensors in (("base", base), ("left", left), ("right", right)):
    save(name, tensors)

made = []
try:
    from mergekit.merge_methods.generalized_task_arithmetic import get_mask
    from mergekit.merge_methods.slerp import slerp
    from mergekit.sparsify import SparsificationMethod, sparsify

    # Their first axis counts pairs of tensors.
    save("slerp", {name: slerp(torch.tensor([0.3]), left[name][None], right[name][None])[0] for name in base})

    def ties(name, density, weights):
        deltas = torch.stack(
            [sparsify(side[name] - base[name], density, SparsificationMethod.magnitude) for side in (left, right)]
        )
        factors = torch.tensor(weights).view(-1, *[1] * base[name].dim())
        weighted = deltas * factors
        mask = get_mask(weighted, method="sum", mask_dtype=torch.float32)
        divisor = (factors * mask).sum(dim=0)
        divisor[divisor.abs() < 1e-8] = 1
        return base[name] + (weighted * mask).sum(dim=0) / divisor

    save("ties", {name: ties(name, 0.4, [1.0, 1.0]) for name in base})
    save("task", {name: base[name] + 0.5 * (left[name] + right[name] - 2 * base[name]) for name in base})
    made += ["slerp", "ties", "task"]
except ImportError:
    pass


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(32, 48)
        self.fc2 = torch.nn.Linear(48, 10, bias=False)
        self.conv = torch.nn.Conv2d(4, 6, 3)
        self.emb = torch.nn.Embedding(20, 12)
        self.wide = Conv1D(24, 16)
        self.head = torch.nn.Linear(10, 3)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


ALL = ["fc1", "fc2", "conv", "emb"]
kinds = {
    "lora": {},
    "rslora": {"use_rslora": True, "rank_pattern": {"fc2": 2}},
    "patterns": {"target_modules": ["fc1", "fc2"], "rank_pattern": {r"fc[2-9]": 2}, "alpha_pattern": {r".*c\d": 11}},
    "fan": {"target_modules": ["wide"], "fan_in_fan_out": True},
    "saved": {"modules_to_save": ["head"]},
    "bias": {"target_modules": ["fc1"], "bias": "lora_only"},
    "dora": {"use_dora": True},
    "dorafan": {"target_modules": ["wide"], "use_dora": True, "use_rslora": True, "fan_in_fan_out": True},
}
for name, more in kinds.items():
    net = Net()
    save(f"{name}-base", net.state_dict())
    adapted = get_peft_model(
        net,
        LoraConfig(r=4, lora_alpha=6, **{"target_modules": ALL, **more}),
    )
    for key, value in adapted.named_parameters():
        if "magnitude" in key:
            value.data.mul_(1 + 0.3 * torch.rand_like(value))
        elif "lora_" in key:
            torch.nn.init.normal_(value)
        elif value.requires_grad:
            value.data.add_(torch.randn_like(value))
    adapted.save_pretrained(f"{folder}/{name}-adapter")
    save(f"{name}-folded", adapted.merge_and_unload().state_dict())
    made.append(name)

print(json.dumps(made))
assert os.path.exists(f"{folder}/lora-adapter/adapter_config.json")
