"""Python's arm of quality.ts: the published code's training loop in plain PyTorch, as its Lightning module runs it.

Each step updates the autoencoder, and then the discriminator after a second forward of the autoencoder. Adam has betas
(0.5, 0.9) and a constant learning rate. The adversarial term has the adaptive weight times disc_weight from disc_start
on. Images are shuffled in each epoch and not mirrored. There is no LPIPS in either arm.
"""

import json
import os
import pathlib
import sys
import threading
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))
import vqgan_torch as vqgan  # noqa: E402

request = json.loads(sys.argv[1])
folder = pathlib.Path(request["folder"])
params = json.loads((folder / "model.json").read_text())
loss_params = params["lossconfig"]["params"]
torch.set_num_threads(request["threads"])


class AdversarialLoss(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.discriminator = vqgan.Discriminator(ndf=loss_params["disc_ndf"], layers=loss_params["disc_num_layers"])


def make_model():
    """The configuration's model with the seed's initial weights."""
    d = params["ddconfig"]
    shape = dict(ch=d["ch"], mult=d["ch_mult"], blocks=d["num_res_blocks"], attention=d["attn_resolutions"])
    shape |= dict(resolution=d["resolution"], z=d["z_channels"], colours=d["in_channels"])
    model = vqgan.VQModel(codes=params["n_embed"], width=params["embed_dim"], shape=shape, loss=AdversarialLoss)
    model.load_state_dict(torch.load(folder / f"weights-seed{request['seed']}.pt"))
    return model.train()


def generator_losses(model, x, disc_factor):
    image, codebook = model(x)
    nll = (x - image).abs().mean()
    g = -model.loss.discriminator(image).mean()
    last = model.decoder.conv_out.weight
    weight = vqgan.adaptive_weight(
        torch.autograd.grad(nll, last, retain_graph=True)[0], torch.autograd.grad(g, last, retain_graph=True)[0]
    )
    weight = weight.detach() * loss_params["disc_weight"]
    total = nll + weight * disc_factor * g + codebook
    return dict(total=total, nll=nll, codebook=codebook, generator=g, weight=weight)


def discriminator_loss(model, x, disc_factor):
    with torch.no_grad():
        image, _ = model(x)
    return disc_factor * vqgan.hinge(model.loss.discriminator(x), model.loss.discriminator(image))


def step(model, generator, discriminator, x, disc_factor):
    model.loss.discriminator.requires_grad_(False)
    generator.zero_grad()
    losses = generator_losses(model, x, disc_factor)
    losses.pop("total").backward()
    generator.step()
    model.loss.discriminator.requires_grad_(True)
    discriminator.zero_grad()
    losses["discriminator"] = discriminator_loss(model, x, disc_factor)
    losses["discriminator"].backward()
    discriminator.step()
    return losses


def step_before_start(model, generator, discriminator, x):
    """The same with a disc_factor of 0, bit for bit, without computing what is then multiplied by it."""
    generator.zero_grad()
    image, codebook = model(x)
    ((x - image).abs().mean() + codebook).backward()
    generator.step()
    for parameter in model.loss.discriminator.parameters():
        parameter.grad = torch.zeros_like(parameter)
    discriminator.step()  # Moves nothing, but counts.


def optimizers(model, rate):
    settings = dict(lr=rate, betas=(0.5, 0.9))
    parts = model.generator_parameters(), model.loss.discriminator.parameters()
    return [torch.optim.Adam(part, **settings) for part in parts]


def to_images(pixels):
    return pixels.float().div(127.5).sub(1)


def batches(images):
    """Yield batches in an order that is shuffled for each epoch, as by a DataLoader."""
    while True:
        yield from torch.randperm(len(images)).split(request["batch"])


@torch.no_grad()
def reconstruct(model, images):
    model.eval()
    found, codes = [], []
    for part in images.split(32):
        z = model.quant_conv(model.encoder(to_images(part)))
        flat, e = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]), model.quantize.embedding.weight
        distance = (flat**2).sum(1, keepdim=True) + (e**2).sum(1) - 2 * flat @ e.t()
        codes.append(distance.argmin(1))
        found.append(model(to_images(part))[0])
    return dict(images=torch.cat(found), codes=torch.cat(codes))


def initial():
    model, images = make_model(), torch.load(folder / "images.pt")["train"]
    losses = step(model, *optimizers(model, 1e-9), to_images(images[: request["batch"]]), 1.0)
    return {name: value.item() for name, value in losses.items()}


def train():
    model, images = make_model(), torch.load(folder / "images.pt")
    generator, discriminator = optimizers(model, request["rate"])
    start = request["steps"] * params["disc_from"]
    torch.manual_seed(request["seed"])
    begun = time.perf_counter()
    for i, indices in zip(range(request["steps"]), batches(images["train"])):
        x = to_images(images["train"][indices])
        if i < start:
            step_before_start(model, generator, discriminator, x)
        else:
            step(model, generator, discriminator, x, 1.0)
        if (i + 1) % 25 == 0:
            print(json.dumps(dict(step=i + 1)), flush=True)
    seconds = time.perf_counter() - begun
    out = pathlib.Path(request["out"])
    out.mkdir(parents=True)
    torch.save(reconstruct(model, images["heldOut"]), out / "trained.pt")
    return dict(seconds=seconds)


def end_with_parent():
    """Standard input ends when quality.ts does, even if it was killed."""
    sys.stdin.read()
    os._exit(1)


threading.Thread(target=end_with_parent, daemon=True).start()
print(json.dumps(initial() if request["ask"] == "initial" else train()), flush=True)
