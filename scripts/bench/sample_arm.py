"""Python's arm of sample.ts: milliseconds to draw an image's tokens, for each line of input; or a number that tells the
weights."""

import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "pytorch"))
import gpt_torch  # noqa: E402

VOCABULARY, TOP_K, WINDOW = 1024, 100, 16


def windows(gpt, batch, height, width):
    """A whole window, condition and codes, for each code in turn, as the reference samples images of any size."""
    condition = torch.zeros(batch, height, width, dtype=torch.long)
    codes = torch.zeros(batch, height, width, dtype=torch.long)
    half = WINDOW // 2

    def local(i, size):
        return i if i <= half else WINDOW - (size - i) if size - i < half else half

    for i in range(height):
        for j in range(width):
            row, column = local(i, height), local(j, width)
            rows, columns = slice(i - row, i - row + WINDOW), slice(j - column, j - column + WINDOW)
            patches = [x[:, rows, columns].reshape(batch, -1) for x in (condition, codes)]
            logits, _ = gpt.with_past(torch.cat(patches, 1)[:, :-1], None, 0)
            codes[:, i, j] = gpt_torch.draw(logits[:, WINDOW**2 - 1 + row * WINDOW + column], TOP_K)[:, 0]
    return codes


@torch.no_grad()
def run(gpt, case):
    start = torch.zeros(case["batch"], 1, dtype=torch.long)
    if case["theirs"] == "windows":
        windows(gpt, case["batch"], *case["window"]).tolist()
    elif case["theirs"] == "cached":
        gpt.sample(start, case["tokens"], TOP_K).tolist()
    else:
        gpt.sample_uncached(start, case["tokens"], TOP_K).tolist()


if __name__ == "__main__":
    case = json.loads(sys.argv[1])
    torch.manual_seed(0)
    gpt = gpt_torch.GPT(VOCABULARY, 512, case["layers"], case["width"] // 64, case["width"]).eval()
    for line in sys.stdin:
        start = time.perf_counter()
        if line.strip() == "check":
            with torch.no_grad():
                print(json.dumps(gpt(torch.arange(16)[None]).abs().sum().item()), flush=True)
            continue
        run(gpt, case)
        print(json.dumps((time.perf_counter() - start) * 1000), flush=True)
