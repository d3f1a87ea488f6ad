"""The Python arms of `gpu-check vqgan`: the same VQGAN, trained by the one-pass or LlamaGen's schedule, eager or compiled."""

import argparse
import functools
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))
import arm  # noqa: E402
import vqgan_torch as vqgan  # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--device", required=True)
options.add_argument("--schedule", choices=["one-pass", "llamagen"], required=True)
options.add_argument("--compile", action="store_true")
options.add_argument("--tiny", action="store_true")
options = options.parse_args()
device = options.device

TINY = dict(ch=32, mult=(1, 1), blocks=1, attention=(16,), resolution=32, z=32, colours=3)
SHAPE = TINY if options.tiny else vqgan.F16
SIDE = 32 if options.tiny else 256
CODES, WIDTH = (64, 16) if options.tiny else (1024, 256)

torch.backends.cudnn.benchmark = True


def llamagen_step(model, generator, discriminator, x):
    """One forward of the autoencoder; both losses walk back to the last layer for the weight, and again for the update."""
    loss, last = model.loss, model.decoder.conv_out.weight
    generator.zero_grad()
    image, codes = model(x)
    nll = vqgan.reconstruction_loss(loss, x, image)
    g = -loss.discriminator(image).mean()
    weight = vqgan.adaptive_weight(
        torch.autograd.grad(nll, last, retain_graph=True)[0], torch.autograd.grad(g, last, retain_graph=True)[0]
    ).detach()
    (nll + weight * g + codes).backward()
    generator.step()
    discriminator.zero_grad()
    d = vqgan.hinge(loss.discriminator(x), loss.discriminator(image.detach()))
    d.backward()
    discriminator.step()
    return dict(nll=nll, g=g, d=d, weight=weight)


def one_pass_step(model, generator, discriminator, x):
    """As vqgan_torch's, with the losses to be compared."""
    generator.zero_grad()
    last = model.decoder.conv_out.weight
    image, codes = model(x)
    leaf = image.detach().requires_grad_()
    nll = vqgan.reconstruction_loss(model.loss, x, leaf)
    (nll_gradient,) = torch.autograd.grad(nll, leaf)
    leaf = image.detach().requires_grad_()
    fake = model.loss.discriminator(leaf)
    g = -fake.mean()
    (g_gradient,) = torch.autograd.grad(g, leaf, retain_graph=True)
    discriminator.zero_grad()
    d = vqgan.hinge(model.loss.discriminator(x), fake)
    d.backward(inputs=list(model.loss.discriminator.parameters()))
    discriminator.step()
    weight = vqgan.adaptive_weight(
        torch.autograd.grad(image, last, nll_gradient, retain_graph=True)[0],
        torch.autograd.grad(image, last, g_gradient, retain_graph=True)[0],
    )
    ((image * (nll_gradient + weight * g_gradient)).sum() + codes).backward()
    generator.step()
    return dict(nll=nll, g=g, d=d, weight=weight)


step = one_pass_step if options.schedule == "one-pass" else llamagen_step


class Trainer:
    def __init__(self, precision, channels_last):
        torch.manual_seed(0)
        model = vqgan.VQModel(codes=CODES, width=WIDTH, shape=SHAPE, loss=vqgan.Loss).to(device).train()
        loss = model.loss
        masters = arm.Masters()
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
        if precision == "pure":
            for network in (model.encoder, model.decoder, loss.discriminator):
                masters.lower(network)
            for part in loss.perceptual_loss.slices:
                masters.lower(part, border=False)
            low = loss.perceptual_loss
            low.features = functools.partial(low_features, low)
        adam = dict(lr=4.5e-6, betas=(0.5, 0.9))
        self.generator = masters.optimizer(torch.optim.Adam, model.generator_parameters(), **adam)
        self.discriminator = masters.optimizer(torch.optim.Adam, loss.discriminator.parameters(), **adam)
        self.model, self.precision, self.channels_last = model, precision, channels_last
        if options.compile:
            compile_parts(model)

    def batch(self, count):
        torch.manual_seed(1)
        x = (torch.rand(count, 3, SIDE, SIDE) * 2 - 1).to(device)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def step(self, x):
        if self.precision != "autocast":
            return step(self.model, self.generator, self.discriminator, x)
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            return step(self.model, self.generator, self.discriminator, x)


def low_features(self, x):
    """VGG's convolutions in bfloat16, what compares their results in float32."""
    h, found = ((x - self.shift) / self.scale).to(torch.bfloat16), []
    for part in self.slices:
        h = part(h)
        wide = h.float()
        found.append(wide / (wide.pow(2).sum(1, keepdim=True).sqrt() + 1e-10))
    return found


def compile_parts(model):
    """Networks one by one: a step walks back through the discriminator and the last layer more than once."""
    import torch._functorch.config

    torch._functorch.config.donated_buffer = False
    # Toys only show that what is captured runs: making C++ of it takes minutes.
    backend = "aot_eager" if options.tiny else "inductor"
    model.encoder.compile(backend=backend)
    model.decoder.features = torch.compile(model.decoder.features, backend=backend)
    model.loss.discriminator.compile(backend=backend)
    model.loss.perceptual_loss.compile(backend=backend)


@functools.lru_cache(1)
def trainer(precision, channels_last):
    arm.tidy(device)
    return Trainer(precision, channels_last)


def answer(ask, precision="pure", channels_last=False, batch=2, steps=1, warmups=1):
    if ask == "versions":
        return arm.versions(device)
    if ask == "losses":  # of the first steps; in float32 they are float32's
        allow = precision != "float32"
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow
        made = Trainer(precision, channels_last)
        logs = [made.step(made.batch(batch)) for _ in range(steps)]
        return [{name: value.item() for name, value in log.items()} for log in logs]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    made = trainer(precision, channels_last)
    x = made.batch(batch)
    if ask == "profile":
        return arm.profile(device, lambda: made.step(x))
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    took = arm.timing(device, lambda: made.step(x), steps, warmups)
    took["peak"] = torch.cuda.max_memory_allocated() if device.startswith("cuda") else 0
    arm.tidy(device)
    return took


arm.serve(answer)
