"""Python's arms of train.ts, plain PyTorch. For each line of input, an answer: `time` takes the case's steps and gives
their milliseconds, `check` the losses and the gradients' norms of a step that changes no weight, `profile` the operators
of the steps.

Of the VQGAN, `reference` is the published loop (two forwards, two optimizers with their defaults), `tuned` what one would
write today: one forward, each loss walked back to the last layer for the adaptive weight, the discriminator frozen for the
generator, fused Adam."""

import json
import pathlib
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))
import gpt_torch  # noqa: E402
import vqgan_torch as vqgan  # noqa: E402

VOCABULARY = 1024

case = json.loads(sys.argv[1])


def lowered():
    return torch.autocast("cpu", torch.bfloat16, enabled=case["precision"] == "bfloat16")


def vqgan_of(side, codes, width, backbone):
    shape = dict(
        ch=backbone["ch"],
        mult=backbone["chMult"],
        blocks=backbone["numResBlocks"],
        attention=backbone["attnResolutions"],
        resolution=backbone["resolution"],
        z=backbone["zChannels"],
        colours=backbone["inChannels"],
    )
    torch.manual_seed(0)
    model = vqgan.VQModel(codes=codes, width=width, shape=shape, loss=vqgan.Loss).train()
    tuned = case["arm"] == "tuned"
    adam = dict(lr=4.5e-6, betas=(0.5, 0.9), fused=True if tuned else None)
    parts = (model.generator_parameters(), list(model.loss.discriminator.parameters()))
    generator, discriminator = (torch.optim.Adam(parameters, **adam) for parameters in parts)
    torch.manual_seed(1)
    batch = torch.rand(case["batch"], 3, side, side) * 2 - 1
    take = tuned_step if tuned else reference_step
    return lambda: take(model, generator, discriminator, batch), (generator, discriminator), parts


def update_generator(model, optimizer, x):
    optimizer.zero_grad()
    loss, last = model.loss, model.decoder.conv_out.weight
    loss.discriminator.requires_grad_(False)
    with lowered():
        image, codes = model(x)
        nll = vqgan.reconstruction_loss(loss, x, image)
        g = -loss.discriminator(image).mean()
    gradients = (torch.autograd.grad(value, last, retain_graph=True)[0] for value in (nll, g))
    weight = vqgan.adaptive_weight(*gradients).detach()
    (nll + weight * g + codes).backward()
    optimizer.step()
    loss.discriminator.requires_grad_(True)
    return image.detach(), dict(nll=nll, codes=codes, weight=weight, g=g)


def update_discriminator(model, optimizer, x, image):
    with lowered():
        d = vqgan.hinge(model.loss.discriminator(x), model.loss.discriminator(image))
    optimizer.zero_grad()
    d.backward()
    optimizer.step()
    return dict(d=d)


def reference_step(model, generator, discriminator, x):
    _, losses = update_generator(model, generator, x)
    with torch.no_grad(), lowered():
        image, _ = model(x)
    return losses | update_discriminator(model, discriminator, x, image)


def tuned_step(model, generator, discriminator, x):
    image, losses = update_generator(model, generator, x)
    return losses | update_discriminator(model, discriminator, x, image)


def gpt_of(layers, width, tokens):
    torch.manual_seed(0)
    gpt = gpt_torch.GPT(VOCABULARY, tokens, layers, width // 64, width).train()
    decaying = {module.weight for module in gpt.modules() if isinstance(module, torch.nn.Linear)}
    groups = [
        dict(params=[p for p in gpt.parameters() if p in decaying], weight_decay=0.01),
        dict(params=[p for p in gpt.parameters() if p not in decaying], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)
    torch.manual_seed(1)
    drawn = torch.randint(0, VOCABULARY, (case["batch"], tokens))
    # The condition of an unconditional second stage is one token, 0, before the image's.
    start = torch.zeros(case["batch"], 1, dtype=torch.int64)

    def step():
        optimizer.zero_grad()
        with lowered():
            logits = gpt(torch.cat((start, drawn), 1)[:, :-1])
        loss = F.cross_entropy(logits.float().view(-1, VOCABULARY), drawn.view(-1))
        loss.backward()
        optimizer.step()
        return dict(loss=loss)

    return step, (optimizer,), (list(gpt.parameters()),)


step, optimizers, parts = vqgan_of(**case["vqgan"]) if "vqgan" in case else gpt_of(**case["gpt"])


def norm(parameters):
    return torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in parameters if p.grad is not None])).item()


def check():
    """At learning rate 0: the published loop's discriminator would else see another reconstruction."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rates = [group["lr"] for group in groups]
    for group in groups:
        group["lr"] = 0.0
    found = {name: value.item() for name, value in step().items()}
    for group, rate in zip(groups, rates):
        group["lr"] = rate
    return found | {f"gradient {i}": norm(parameters) for i, parameters in enumerate(parts)}


def timed():
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(case["steps"]):
        next(iter(step().values())).item()
    return dict(wall=(time.perf_counter() - wall) * 1000, cpu=(time.process_time() - cpu) * 1000)


def profile():
    """Calls and milliseconds of each operator itself, in the case's steps."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        for _ in range(case["steps"]):
            step()
    return [[event.key, event.count, event.self_cpu_time_total / 1000] for event in recorded.key_averages()]


answers = dict(check=check, time=timed, profile=profile, version=lambda: torch.__version__)
for line in sys.stdin:
    print(json.dumps(answers[line.strip()]()), flush=True)
