"""The Python arms of `gpu-check gpt` and `gpu-check sample`."""

import argparse
import functools
import pathlib
import sys

import arm
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))

import gpt_torch  # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--device", required=True)
options.add_argument("--compile", action="store_true")
options.add_argument("--tiny", action="store_true")
options = options.parse_args()
device = options.device

SMALL = dict(vocabulary=64, block=32, layers=2, heads=4, width=64)
LARGE = dict(vocabulary=16384, block=256, layers=48, heads=24, width=1536)
SIZES = SMALL if options.tiny else LARGE


class Trainer:
    def __init__(self, sizes, precision, drawn_on):
        torch.manual_seed(0)
        with torch.device(drawn_on):
            gpt = gpt_torch.GPT(**sizes)
        self.gpt = gpt.to(device).train()
        masters = arm.Masters()
        if precision == "pure":
            masters.lower(self.gpt, border=False)
        groups, decay = gpt_torch.decay_groups(self.gpt, masters, 0.01)
        self.optimizers = [
            masters.optimizer(torch.optim.AdamW, group, lr=1e-4, betas=(0.9, 0.95), weight_decay=weight)
            for group, weight in zip(groups, decay)
        ]
        self.sizes = sizes
        if options.compile:
            for block in self.gpt.blocks:
                block.compile()

    def tokens(self, batch):
        torch.manual_seed(1)
        return torch.randint(0, self.sizes["vocabulary"], (batch, self.sizes["block"] + 1)).to(device)

    def step(self, tokens):
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        logits = self.gpt(tokens[:, :-1])
        loss = F.cross_entropy(logits.float().view(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss.detach()


@functools.lru_cache(1)
def trainer(precision):
    """Weights drawn where they are needed, as 1.4 billion take the CPU a quarter of a minute."""
    return Trainer(SIZES, precision, device)


@functools.lru_cache(1)
def sampler():
    """Float32, as the reference samples. Random weights, drawn where they are needed."""
    with torch.device(device):
        return gpt_torch.GPT(**SIZES).eval()


@functools.lru_cache(1)
def static_sampler():
    """bfloat16, with query, key and value in one product, as one would sample today."""
    with torch.device(device):
        gpt = gpt_torch.GPT(**SIZES).to(torch.bfloat16).eval()
        for block in gpt.blocks:
            block.attn.fuse()
        return gpt


def exact(allow):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow


def answer(ask, precision="pure", fused=False, batch=2, steps=1, warmups=1, size=256, top_k=None, way=None):
    if ask == "versions":
        return arm.versions(device)
    if ask == "matmul":
        return arm.matmul_rate(device, size)
    if ask == "losses":
        exact(precision != "float32")
        made = Trainer(SMALL, precision, "cpu")
        made.gpt.fused = fused
        return [made.step(made.tokens(batch)).item() for _ in range(steps)]
    if ask == "greedy":
        exact(False)
        torch.manual_seed(0)
        gpt = gpt_torch.GPT(**SMALL).to(device).eval()
        start = torch.arange(batch, device=device).view(batch, 1)
        return gpt.sample(start, steps).tolist()
    if ask == "sample":  # of the published code: whatever PyTorch's defaults are
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
        start = torch.zeros(batch, 1, dtype=torch.int64, device=device)
        run = (lambda: static_sampler().sample_static(start, steps, top_k)) if way == "static" else (
            lambda: sampler().sample(start, steps, top_k)
        )
        took = arm.timing(device, run, 1, warmups)
        arm.tidy(device)
        return took
    exact(True)
    made = trainer(precision)
    made.gpt.fused = fused
    tokens = made.tokens(batch)
    if ask == "profile":
        return arm.profile(device, lambda: made.step(tokens))
    took = arm.timing(device, lambda: made.step(tokens), steps, warmups)
    arm.tidy(device)
    return took


arm.serve(answer)
