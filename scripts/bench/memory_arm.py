"""Python's arm of memory.ts: runs one case and prints levels of this process's resident memory in MB, and a time in ms."""

import json
import pathlib
import re
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))
import vqgan_torch as vqgan  # noqa: E402


def megabytes(field):
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024


# Each case gives a function that does the work once; the number it returns tells whether both arms did the same.


def decoding():
    model = vqgan.VQModel().eval()

    @torch.no_grad()
    def run():
        return model.decode(torch.randn(1, 256, 32, 32)).norm().item()

    return run


def training(step):
    model = vqgan.VQModel(loss=vqgan.Loss).train()
    generator, discriminator = vqgan.optimizers(model)

    def run():
        step(model, generator, discriminator, torch.rand(1, 3, 128, 128) * 2 - 1)
        return model.decoder.conv_out.weight.grad.norm().item()

    return run


cases = {
    "decode": decoding,
    "reference step": lambda: training(vqgan.reference_step),
    "one-pass step": lambda: training(vqgan.one_pass_step),
}

name, times = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
start = megabytes("VmRSS")
run = cases[name]()
built = megabytes("VmRSS")
for i in range(times):
    before = time.perf_counter()
    check = run()
    elapsed = (time.perf_counter() - before) * 1000
    if i == 0:
        first = megabytes("VmHWM")
print(
    json.dumps(
        dict(
            version=torch.__version__,
            threads=torch.get_num_threads(),
            start=start,
            built=built,
            first=first,
            peak=megabytes("VmHWM"),
            time=elapsed,
            check=check,
        )
    )
)
