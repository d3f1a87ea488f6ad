"""The other arm of `npm run bench -- ops`: the same operators called from Python."""

import json
import sys
import time

import torch
from torch import nn

CALLS = 200_000


class Half(nn.Module):
    """Ten of the block's twenty operators."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(4))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        h = x.matmul(self.weight).add(self.bias).relu().mul(x).sigmoid()
        return h.add(x).tanh().mul(h).sub(x).neg()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Half()
        self.second = Half()

    def forward(self, x):
        return self.second(self.first(x))


torch.set_num_threads(1)
device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
on_cpu = device.type == "cpu"
x = torch.ones(4, device=device)
y = torch.ones(4, device=device)
square = torch.eye(4, device=device)
leaf = torch.ones(4, device=device, requires_grad=True)
block = Block().to(device)


def empty(calls):
    for _ in range(calls):
        torch.empty(4)


def empty_there(calls):
    for _ in range(calls):
        torch.empty(4, device=device)


def view(calls):
    for _ in range(calls):
        x.view(2, 2)


def add(calls):
    for _ in range(calls):
        x.add(y)


def add_with_gradient(calls):
    for _ in range(calls):
        leaf.add(y)


def matmul(calls):
    for _ in range(calls):
        square.matmul(square)


def both_ways(calls):
    for _ in range(calls):
        block.zero_grad()
        block(square).sum().backward()


cases = {
    "empty": (empty if on_cpu else empty_there, CALLS),
    "view": (view, CALLS),
    "add": (add, CALLS),
    "add with gradient": (add_with_gradient, CALLS),
    "matmul 4x4": (matmul, CALLS),
    "block of 20, both ways": (both_ways, 10_000),
}


def nanoseconds(name):
    """A call's, on average. On a device the host's, until the call returns; the device's queue must not fill up."""
    run, calls = cases[name]
    if on_cpu:
        start = time.perf_counter_ns()
        run(calls)
        return (time.perf_counter_ns() - start) / calls
    calls, together, took = calls // 10, 400 // (60 if name.startswith("block") else 1), 0
    for done in range(0, calls, together):
        start = time.perf_counter_ns()
        run(min(together, calls - done))
        took += time.perf_counter_ns() - start
        torch.cuda.synchronize()
    return took / calls


for line in sys.stdin:
    name = line.strip()
    print(json.dumps(torch.__version__ if name == "version" else nanoseconds(name)), flush=True)
