"""Trains a small vision transformer on images 1000 to 9999 of the Fashion-MNIST test set with PyTorch, and exports it
with PyTorch's exporter: train_vit.py <folder of the set> <out>"""
import gzip, sys
import numpy as np, torch
from torch import nn
import torch.nn.functional as F

data, out = sys.argv[1:3]
def idx(name, skip):
    return np.frombuffer(gzip.open(f'{data}/{name}').read(), np.uint8, offset=skip)
x = torch.tensor(idx('t10k-images-idx3-ubyte.gz', 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
y = torch.tensor(idx('t10k-labels-idx1-ubyte.gz', 8).astype(np.int64))
torch.manual_seed(0); torch.set_num_threads(1)

class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
    def forward(self, a):
        n, t, d = a.shape
        q, k, v = self.qkv(self.norm1(a)).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        s = torch.softmax(q @ k.transpose(-1, -2) * (d // self.heads) ** -0.5, -1)
        a = a + self.proj((s @ v).transpose(1, 2).reshape(n, t, d))
        return a + self.down(F.gelu(self.up(self.norm2(a))))

class ViT(nn.Module):
    def __init__(self, d=64, depth=2, heads=4, patch=7):
        super().__init__()
        self.patch = nn.Conv2d(1, d, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, d))
        self.place = nn.Parameter(torch.randn(1, (28 // patch) ** 2 + 1, d) * 0.02)
        self.blocks = nn.Sequential(*[Block(d, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 10)
    def forward(self, image):
        a = self.patch(image).flatten(2).transpose(1, 2)
        a = torch.cat([self.token.expand(a.shape[0], -1, -1), a], 1) + self.place
        return self.head(self.norm(self.blocks(a))[:, 0])

net = ViT()
epochs, size = 14, 100
opt = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=epochs * 90)
for epoch in range(epochs):
    order = 1000 + torch.randperm(9000)
    for i in range(0, 9000, size):
        j = order[i:i + size]; a = x[j]
        if torch.rand(1) < .5: a = a.flip(3)
        loss = F.cross_entropy(net(a), y[j])
        opt.zero_grad(); loss.backward(); opt.step(); sched.step()
net.eval()
with torch.no_grad(): print('test accuracy', (net(x[:1000]).argmax(1) == y[:1000]).float().mean().item(), flush=True)
torch.onnx.export(net, (x[:2],), f'{out}/vit-2.onnx', input_names=['image'], output_names=['logits'],
    dynamic_shapes={'image': {0: 'batch'}}, external_data=False, opset_version=18, dynamo=True)
