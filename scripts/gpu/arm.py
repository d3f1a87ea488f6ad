"""What the Python arms of gpu-check share: requests, timing, and bfloat16 networks with float32 weights behind them."""

import json
import sys
import time
import traceback

import torch
from torch import nn


def serve(answer):
    """One JSON request a line on standard input, one JSON answer a line on standard output; what fails is one, too."""
    for line in sys.stdin:
        try:
            found = answer(**json.loads(line))
        except Exception as error:
            traceback.print_exc()
            found = dict(error=f"{type(error).__name__}: {error}")
        print(json.dumps(found), flush=True)


def synchronize(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def timing(device, run, steps, warmups):
    """Mean seconds of a run with the device's work, and of the host's part of it, which ends when all is launched."""
    for _ in range(warmups):
        run()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(steps):
        run()
    host = time.perf_counter() - start
    synchronize(device)
    return dict(seconds=(time.perf_counter() - start) / steps, host=host / steps)


def tidy(device):
    """Gives cached memory back: the other arms live on the same device."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def versions(device):
    gpu = device.startswith("cuda")
    return {
        "PyTorch from Python": torch.__version__,
        "cuda": torch.version.cuda if gpu else None,
        "cudnn": torch.backends.cudnn.version() if gpu else None,
        "gpu": torch.cuda.get_device_name() if gpu else None,
    }


def matmul_rate(device, size):
    """FLOP/s of a bfloat16 matrix product of random square matrices."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    result = 2 * size**3 / timing(device, lambda: a @ b, 10, 3)["seconds"]
    tidy(device)
    return result


class Masters:
    """Turns networks to bfloat16 in place; the optimizer keeps and updates float32 weights."""

    def __init__(self):
        self.of_copy = {}

    def lower(self, network, border=True):
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                continue
            for parameter in module.parameters(recurse=False):
                if parameter not in self.of_copy:
                    self.of_copy[parameter] = parameter.detach().clone()
                    parameter.data = parameter.detach().to(torch.bfloat16)
        if border:
            network.register_forward_pre_hook(lambda _, args: tuple(cast(x, torch.bfloat16) for x in args))
            network.register_forward_hook(lambda _, __, out: cast(out, torch.float32))

    def optimizer(self, kind, parameters, **options):
        copies = list(parameters)
        masters = [self.of_copy.get(copy, copy) for copy in copies]
        inner = kind(masters, fused=True, **options)
        pairs = [(copy, master) for copy, master in zip(copies, masters) if copy is not master]
        return Lowered(inner, pairs) if pairs else inner


class Lowered:
    """An optimizer whose gradients come from, and whose weights go to, bfloat16 copies."""

    def __init__(self, inner, pairs):
        self.inner, self.pairs = inner, pairs

    def zero_grad(self):
        for copy, _ in self.pairs:
            copy.grad = None
        self.inner.zero_grad()

    @torch.no_grad()
    def step(self):
        given = [(copy.grad, master) for copy, master in self.pairs if copy.grad is not None]
        wide = [torch.empty_like(master) for _, master in given]
        torch._foreach_copy_(wide, [gradient for gradient, _ in given])
        for (_, master), gradient in zip(given, wide):
            master.grad = gradient
        self.inner.step()
        torch._foreach_copy_([copy for copy, _ in self.pairs], [master for _, master in self.pairs])


def cast(value, dtype):
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.to(dtype)
    return value


def profile(device, run):
    """The kernels that take the most time of a run: name and share."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.startswith("cuda"):
        activities = [torch.profiler.ProfilerActivity.CUDA]
    for _ in range(3):
        run()
    with torch.profiler.profile(activities=activities) as recorded:
        for _ in range(3):
            run()
        synchronize(device)
    def own(event):
        return getattr(event, "self_device_time_total", 0) if device.startswith("cuda") else event.self_cpu_time_total
    events = sorted(recorded.key_averages(), key=own, reverse=True)
    whole = sum(own(event) for event in events) or 1
    return [[event.key[:90], event.count // 3, own(event) / whole] for event in events[:12]]
