"""The package with torch, where it is installed: loading it takes seconds."""

from __future__ import annotations

import unittest

from base import RepositoryCase, need

import dlv


@need("torch")
class Torch(RepositoryCase):
    def test_dtypes_of_torch(self) -> None:
        import torch

        weights = {"w": torch.randn(40, 50), "t": torch.arange(12).reshape(3, 4).T, "empty": torch.zeros(0, 3)}
        for name in ("bfloat16", "float16", "float64", "int8", "uint8", "int16", "bool", "complex64", "float8_e4m3fn", "float8_e5m2"):
            weights[name] = torch.randn(2000).to(getattr(torch, name))
        weights["view"] = weights["w"][3:5, ::2]
        dlv.commit(weights, message="first")
        found = dlv.load(framework="torch")
        for name, tensor in weights.items():
            self.assertEqual(found[name].dtype, tensor.dtype, name)
            self.assertEqual(found[name].shape, tensor.shape, name)
            same = found[name].contiguous().view(torch.uint8) if tensor.numel() else found[name]
            self.assertTrue(torch.equal(same, tensor.contiguous().view(torch.uint8) if tensor.numel() else tensor), name)
        found["w"].mul_(2)
        self.assertTrue(torch.equal(dlv.load(framework="torch")["w"], weights["w"]))
        bounds = dlv.load(framework="torch", planes=1, bounds=True, names=["w", "bfloat16", "float16", "float64"])
        for name, (least, greatest, _) in bounds.items():
            self.assertTrue(((least <= weights[name]) & (weights[name] <= greatest)).all(), name)

    def test_a_module_takes_what_is_loaded(self) -> None:
        import torch

        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8))
        dlv.commit(model.state_dict(), message="first")
        other = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8))
        other.load_state_dict(dlv.load(framework="torch"))
        self.assertTrue(torch.equal(model[0].weight, other[0].weight))

    @need("safetensors")
    def test_files_are_those_of_safetensors(self) -> None:
        import torch
        from safetensors.torch import load_file

        weights = {"w": torch.randn(7, 5), "b": torch.randn(3).to(torch.bfloat16), "s": torch.tensor(1)}
        dlv.save(weights, "a.safetensors", metadata={"k": "v"})
        for name, tensor in load_file("a.safetensors").items():
            self.assertTrue(torch.equal(tensor, weights[name]))


if __name__ == "__main__":
    unittest.main()
