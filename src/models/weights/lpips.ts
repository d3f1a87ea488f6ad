/** Assembles LPIPS from its published files or from other checkpoints. */
import { join } from 'node:path';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { loadCheckpoint, type LazyTensorMap } from '../../torch/io/index.js';
import { placesOf } from '../../torch/nn/wrapped-keys.js';
import { cacheRoot } from '../../setup/platform.js';
import { attempt, isFile } from '../../files/look.js';
import { LPIPS } from '../losses/lpips.js';

/** Returns the path to which `tessera-torch setup --weights lpips` writes the weights. */
export function lpipsPath(): string {
  return join(cacheRoot(), 'weights', 'lpips.safetensors');
}

/** Returns `lpipsPath()` if the file exists; null if it does not, or if there is no directory for it. */
export function storedLpips(): string | null {
  const path = attempt(lpipsPath);
  return path !== null && isFile(path) ? path : null;
}

/**
 * Returns a new LPIPS with the weights from `tessera-torch setup --weights lpips`; errors say how to get them.
 *
 * @example
 * ```ts
 * const lpips = await publishedLpips();
 * const [a, b] = [torch.zeros([1, 3, 64, 64]), torch.ones([1, 3, 64, 64])];
 * const distance = lpips.forward(a, b); // [1, 1, 1, 1]
 * ```
 */
export async function publishedLpips(): Promise<LPIPS> {
  const path = lpipsPath();
  using checkpoint = await loadCheckpoint(path).catch((cause: unknown) => {
    throw new torch.TorchError(
      `there are no LPIPS weights at ${path}; to install them, run: npx tessera-torch setup --weights lpips`,
      { cause },
    );
  });
  const lpips = new LPIPS();
  lpips.loadStateDict(checkpoint.all);
  return lpips;
}

/** Returns the key in torchvision's VGG16 for a key of `LPIPS`, or null if there is none. */
function vggKey(key: string): string | null {
  const match = /^net\.slice\d\.(\d+)\.(weight|bias)$/.exec(key);
  return match ? `features.${match[1]}.${match[2]}` : null;
}

/**
 * Collects the tensors of LPIPS from several sources: complete ones (such as a VQGAN's training checkpoint),
 * torchvision's VGG16 and the published weightings. The constants of the scaling layer do not need a file.
 *
 * @returns the tensors, or null if some are missing, and the names of the missing ones
 */
export function collectLpips(sources: readonly LazyTensorMap[]): {
  tensors: Map<string, Tensor> | null;
  missing: string[];
} {
  const model = torch.scope(() => torch.keep([...new LPIPS().stateDict()]));
  const found = new Map<string, Tensor>();
  const keys = model.map(([key]) => key);
  const wrapped = sources.map((source) => wrappedKeys(keys, source));
  for (const [key, own] of model) {
    const value = lookUp(key, own.shape, wrapped);
    if (value !== null) found.set(key, value);
    else if (key.startsWith('scaling_layer.')) found.set(key, own);
  }
  const missing = keys.filter((key) => !found.has(key));
  return { tensors: missing.length === 0 ? found : null, missing };
}

interface Wrapped {
  source: LazyTensorMap;
  /** Map from keys of LPIPS to keys in the source. */
  names: Map<string, string>;
}

/**
 * Finds LPIPS and torchvision's VGG16 in a source: at the top level, under `loss.perceptual_loss.` in a VQGAN, or
 * under wrapper prefixes.
 */
function wrappedKeys(own: readonly string[], source: LazyTensorMap): Wrapped {
  const vgg = own.flatMap((key) => vggKey(key) ?? []);
  const places = [own, vgg].map((keys) => placesOf(new Set(keys), source.keys())[0]?.prefix);
  const names = own.map((key): [string, string] => {
    const name = `${places[0] ?? ''}${key}`;
    const other = vggKey(key);
    return [key, source.has(name) || other === null ? name : `${places[1] ?? ''}${other}`];
  });
  return { source, names: new Map(names) };
}

function lookUp(key: string, shape: readonly number[], sources: readonly Wrapped[]): Tensor | null {
  for (const { source, names } of sources) {
    const name = names.get(key)!;
    const info = source.info(name);
    if (info !== undefined) {
      if (info.shape.join() !== shape.join()) {
        throw new torch.ShapeError(
          `${name} has shape [${info.shape.join(', ')}], but LPIPS needs [${shape.join(', ')}]`,
        );
      }
      return source.get(name)!.float();
    }
  }
  return null;
}
