"""Python's arm of vqgan-memory.ts: runs one case and prints this process's peak resident memory in MB."""

import pathlib
import re
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "fixtures"))
import vqgan_torch as vqgan  # noqa: E402

torch.set_num_threads(1)
torch.manual_seed(0)


def decode():
    model = vqgan.VQModel().eval()
    with torch.no_grad():
        model.decode(torch.randn(1, 256, 32, 32))


def train(step):
    model = vqgan.VQModel(loss=vqgan.Loss).train()
    generator, discriminator = vqgan.optimizers(model)
    for _ in range(2):
        step(model, generator, discriminator, torch.rand(1, 3, 128, 128) * 2 - 1)


{
    "decode 512x512": decode,
    "reference step 128x128": lambda: train(vqgan.reference_step),
    "one-pass step 128x128": lambda: train(vqgan.one_pass_step),
}[sys.argv[1]]()
print(int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024)
