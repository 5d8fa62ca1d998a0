"""The networks of benches/nn.rs in PyTorch.

Usage: python benches/nn_pytorch.py [threads] [repetitions]   (needs torch)
With THREAD_TIME=1 it counts processor time instead of wall time: take one thread then.
"""

import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 15
clock = time.process_time if "THREAD_TIME" in os.environ else time.perf_counter


class Network(nn.Module):
    def __init__(self, channels):
        super().__init__()
        layers, last = [], 1
        for out in channels:
            layers += [nn.Conv2d(last, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
            last = out
        self.blocks, self.head = nn.Sequential(*layers), nn.Linear(2 * last, 10)

    def forward(self, x):
        x = self.blocks(x).mean(2)
        return self.head(torch.cat([x.mean(2), x.amax(2)], 1))


def report(name, run, count=1):
    times = []
    for _ in range(repetitions):
        start = clock()
        for _ in range(count):
            run()
        times.append((clock() - start) * 1e3 / count)
    times.sort()
    print(f"{name:32} median {times[len(times) // 2]:8.2f} ms   best {times[0]:8.2f} ms")


for channels in [(24, 48, 96, 128), (16, 32, 64, 128)]:
    network = Network(channels)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    x, classes = torch.randn(32, 1, 64, 128), torch.arange(32) % 10
    one = x[:1].clone()

    def step():
        optimizer.zero_grad()
        F.cross_entropy(network(x), classes).backward()
        optimizer.step()

    name = "cnn-" + "-".join(map(str, channels))
    report(f"{name}/step-32", step)
    network.eval()
    with torch.inference_mode():
        report(f"{name}/infer-32", lambda: network(x))
        report(f"{name}/infer-1", lambda: network(one), 10)
a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
report("floor/gemm-1024", lambda: a @ b)
