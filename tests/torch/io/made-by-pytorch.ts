import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { loadCheckpoint } from '../../../src/torch/io/index.js';
import type { Checkpoint } from '../../../src/torch/io/index.js';

/** File names of the checkpoints in a folder that tests/fixtures/make/checkpoints.py wrote. */
export function madeByPytorch(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(pt|pth|ckpt)$/.test(name))
    .sort();
}

/** The bytes of a tensor's elements, row-major; sparse ones dense, quantized ones as their integers. */
export function elementBytes(tensor: Tensor): Buffer {
  return torch.scope(() => {
    let plain = tensor.detach();
    if (plain.dtype.startsWith('q')) plain = plain.intRepr();
    // Only dense elements have one address.
    if (plain.storage.address === 0 && plain.numel() > 0) plain = plain.toDense();
    const values = plain.toTypedArray();
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  });
}

/** What differs between a checkpoint, moved to a device, and what PyTorch said of it: nothing, where it was read right. */
export async function differences(
  folder: string,
  name: string,
  device: torch.Device = 'cpu',
): Promise<string[]> {
  const expected = await loadCheckpoint(join(folder, name.replace(/\.\w+$/, '.safetensors')));
  const found = await loadCheckpoint(join(folder, name));
  try {
    return compare(found, expected, device);
  } finally {
    expected.close();
    found.close();
  }
}

function compare(found: Checkpoint, expected: Checkpoint, device: torch.Device): string[] {
  const described = JSON.parse(expected.metadata['tensors'] as string) as Record<
    string,
    { dtype: string; shape: number[] }
  >;
  const wrong: string[] = [];
  const keys = Object.keys(described);
  if (JSON.stringify([...found.all.keys()].sort()) !== JSON.stringify(keys.sort())) {
    wrong.push(`keys ${[...found.all.keys()].join(' ')} where there are ${keys.join(' ')}`);
  }
  const together = found.all.getMany(keys);
  for (const key of keys) {
    const info = found.all.info(key);
    const { dtype, shape } = described[key]!;
    if (info?.dtype !== dtype || JSON.stringify(info.shape) !== JSON.stringify(shape)) {
      wrong.push(`${key}: ${JSON.stringify(info)} where PyTorch has ${dtype} ${JSON.stringify(shape)}`);
      continue;
    }
    const bytes = elementBytes(expected.all.get(key) as Tensor);
    for (const tensor of [found.all.get(key) as Tensor, together.get(key) as Tensor]) {
      const moved = tensor.dtype.startsWith('q') ? tensor : tensor.to(device); // a GPU has few kernels for quantized ones
      if (!elementBytes(moved).equals(bytes)) wrong.push(`${key}: other values`);
    }
  }
  return wrong;
}
