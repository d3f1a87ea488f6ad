/** Features of images by a network, and the network's identity in a protocol. */
import { createHash } from 'node:crypto';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import * as nn from '../torch/nn/index.js';

/** Network from images [B, C, H, W] in [−1, 1] to features [B, D], or to maps [B, D, h, w], which are averaged. */
export type FeatureNetwork = nn.Module | ((images: Tensor) => Tensor);

/**
 * Returns the features [N, D], float32 on the CPU, of batches of images, in their order. A module runs in evaluation
 * mode and without gradients, and is left in the mode that it was in.
 *
 * @param batches images [B, C, H, W] in [−1, 1]; each batch may have another size. They are not disposed of
 * @throws ShapeError for a network whose output is neither [B, D] nor [B, D, h, w], and for no batches
 *
 * @example
 * ```ts
 * const network = new nn.Conv2d(3, 8, 4, { stride: 4 }); // any module; its maps are averaged
 * const features = await extractFeatures(network, [torch.zeros([2, 3, 16, 16])]); // [2, 8]
 * ```
 */
export async function extractFeatures(
  network: FeatureNetwork,
  batches: Iterable<Tensor> | AsyncIterable<Tensor>,
): Promise<Tensor> {
  const parts: Tensor[] = [];
  for await (const images of batches) parts.push(torch.keep(featuresOf(network, images)));
  if (parts.length === 0) throw new torch.ShapeError('extractFeatures got no batches of images');
  const whole = torch.cat(parts);
  for (const part of parts) part.dispose();
  return whole;
}

/**
 * Returns the features [B, D], float32 on the CPU, of one batch.
 *
 * @example
 * ```ts
 * const features = featuresOf(new nn.Conv2d(3, 8, 4, { stride: 4 }), torch.zeros([2, 3, 16, 16])); // [2, 8]
 * ```
 */
export function featuresOf(network: FeatureNetwork, images: Tensor): Tensor {
  const run = (): unknown => (network instanceof nn.Module ? forwardOf(network)(images) : network(images));
  return unrecorded(() => {
    const output = network instanceof nn.Module ? nn.inEvaluation(network, run) : run();
    const isTensor = output instanceof torch.Tensor;
    const maps = isTensor && output.ndim === 4 ? output.mean([2, 3]) : output;
    if (!(maps instanceof torch.Tensor) || maps.ndim !== 2 || maps.shape[0] !== images.shape[0]) {
      const got = isTensor ? `[${output.shape.join(', ')}]` : typeof output;
      throw new torch.ShapeError(
        `a feature network returns features [B, D] or maps [B, D, h, w] of ${images.shape[0]} images, got ${got}; ` +
          'pass a function that picks the features of its output',
      );
    }
    return maps.to('cpu').float();
  });
}

/** A module's own `forward`, whose output is checked by the caller. */
const forwardOf = (module: nn.Module) => (images: Tensor) =>
  (module as nn.Module & { forward(x: Tensor): unknown }).forward(images);

/** Entries that training counts in, and that no output depends on. */
const COUNTER = /(^|\.)num_batches_tracked$/;

/**
 * Returns the SHA-256 of a network's state dict as hexadecimal digits: of keys, shapes and float32 values in the order of
 * the keys. The same weights have the same hash in every file format; counters of batch normalisation do not count.
 *
 * @example
 * ```ts
 * const hash = weightsHash(new nn.Linear(2, 3)); // 64 digits
 * ```
 */
export function weightsHash(network: nn.Module): string {
  const hash = createHash('sha256');
  const entries = [...network.stateDict()].filter(([key]) => !COUNTER.test(key));
  for (const [key, tensor] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${key} [${tensor.shape.join(', ')}]\n`);
    torch.scope(() =>
      hash.update(tensor.detach().to('cpu').float().contiguous().toTypedArray() as Float32Array),
    );
  }
  return hash.digest('hex');
}
