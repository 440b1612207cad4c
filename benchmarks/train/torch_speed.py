"""Steps of PyTorch on the networks of trainer.bench.ts: python3 torch_speed.py <network> <threads> <batch> <steps>

Prints a JSON object: seconds of the processor, and by the clock.
"""
import json
import sys
import time

import torch
from torch import nn


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def cnn():
    layers, channels = [], 1
    for width in (32, 64, 128):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1152, 10))


name, threads, batch, steps = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
torch.manual_seed(0)
net = {'lenet': lenet, 'cnn': cnn}[name]()
optimizer = torch.optim.SGD(net.parameters(), 0.001, momentum=0.9)
loss_of = nn.CrossEntropyLoss()
x, y = torch.rand(batch, 1, 28, 28), torch.arange(batch) % 10


def step():
    optimizer.zero_grad()
    loss_of(net(x), y).backward()
    optimizer.step()


for _ in range(3):
    step()
cpu, clock = time.process_time(), time.perf_counter()
for _ in range(steps):
    step()
print(json.dumps({'cpu': time.process_time() - cpu, 'wall': time.perf_counter() - clock, 'version': torch.__version__}))
