/** Values of `tests/fixtures/net2net.safetensors` (made by `tests/fixtures/make/net2net.py`) and a first stage to run them with. */
import { fileURLToPath } from 'node:url';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import * as nn from '../../src/torch/nn/index.js';
import type { Encoded } from '../../src/models/encoded.js';

/** A function from names to the fixture's tensors. */
export async function net2netFixture(): Promise<(name: string) => Tensor> {
  const path = fileURLToPath(new URL('../fixtures/net2net.safetensors', import.meta.url));
  const file = await loadCheckpoint(path);
  const tensors = new Map([...file.tensors.keys()].map((key) => [key, torch.keep(file.tensors.get(key)!)]));
  file.close();
  return (name) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`the fixture has no ${name}`);
    return tensor;
  };
}

/** A first stage whose images are grids of code indices: `[B, 1, h, w]` floats. It counts what it is asked. */
export class GridStage extends nn.Module {
  readonly dropout = new nn.Dropout(0.5);
  readonly scale = new nn.Parameter(torch.ones([1]));
  encoded = 0;

  encode(x: Tensor): Encoded {
    this.encoded += 1;
    return { quantized: x, loss: null, indices: x.squeeze(1).long() };
  }

  decodeIndices(indices: Tensor): Tensor {
    return indices.unsqueeze(1).double();
  }
}
