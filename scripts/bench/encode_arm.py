"""Python's arm of encode.ts: milliseconds to encode the folder's images, for each line of input; or the ids."""

import json
import pathlib
import sys
import time

import numpy
import torch
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))
import vqgan_torch as vqgan  # noqa: E402

SIZE = 128


class Files(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.files = sorted(folder.iterdir(), key=lambda path: path.name)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        image = Image.open(self.files[i]).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS, box)
        return torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)


@torch.no_grad()
def encode(model, loader):
    rows = []
    for batch in loader:
        z = model.quant_conv(model.encoder(batch.float().div(127.5).sub(1)))
        flat, e = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]), model.quantize.embedding.weight
        distance = (flat**2).sum(1, keepdim=True) + (e**2).sum(1) - 2 * flat @ e.t()
        rows.append(distance.argmin(1))
    return torch.cat(rows)


if __name__ == "__main__":
    torch.manual_seed(0)
    shape = dict(ch=32, mult=(1, 1, 2, 2, 4), blocks=2, attention=(8,), resolution=SIZE, z=64, colours=3)
    model = vqgan.VQModel(width=64, shape=shape).eval()
    files = Files(pathlib.Path(sys.argv[1]) / "images")
    for line in sys.stdin:
        workers = 1 if line.strip() == "DataLoader" else 0
        start = time.perf_counter()
        ids = encode(model, torch.utils.data.DataLoader(files, batch_size=16, num_workers=workers))
        elapsed = (time.perf_counter() - start) * 1000
        print(json.dumps(ids.tolist() if line.strip() == "ids" else elapsed), flush=True)
