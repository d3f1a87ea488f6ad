"""The other arm of `npm run bench:ops`: the same operators called from Python."""

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
x = torch.ones(4)
y = torch.ones(4)
square = torch.eye(4)
leaf = torch.ones(4, requires_grad=True)
block = Block()


def empty(calls):
    for _ in range(calls):
        torch.empty(4)


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
    "empty": (empty, CALLS),
    "view": (view, CALLS),
    "add": (add, CALLS),
    "add with gradient": (add_with_gradient, CALLS),
    "matmul 4x4": (matmul, CALLS),
    "block of 20, both ways": (both_ways, 10_000),
}

for line in sys.stdin:
    name = line.strip()
    if name == "version":
        print(json.dumps(torch.__version__), flush=True)
        continue
    run, calls = cases[name]
    start = time.perf_counter_ns()
    run(calls)
    print(json.dumps((time.perf_counter_ns() - start) / calls), flush=True)
