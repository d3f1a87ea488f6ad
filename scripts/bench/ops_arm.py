"""The other arm of `npm run bench:ops`: the same operators called from Python."""

import json
import sys
import time

import torch

CALLS = 200_000

torch.set_num_threads(1)
x = torch.ones(4)
y = torch.ones(4)
leaf = torch.ones(4, requires_grad=True)


def add():
    for _ in range(CALLS):
        x.add(y)


def add_with_gradient():
    for _ in range(CALLS):
        leaf.add(y)


cases = {"add": add, "add with gradient": add_with_gradient, "version": None}

for line in sys.stdin:
    name = line.strip()
    if name == "version":
        print(json.dumps(torch.__version__), flush=True)
        continue
    start = time.perf_counter_ns()
    cases[name]()
    print(json.dumps((time.perf_counter_ns() - start) / CALLS), flush=True)
