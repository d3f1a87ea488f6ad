/** LPIPS put together from what its publishers, or others' checkpoints, hold. */
import { join } from 'node:path';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { loadCheckpoint } from '../torch/io/index.js';
import type { LazyTensorMap } from '../torch/io/index.js';
import { cacheRoot } from '../torch/native/libtorch/platform.js';
import { isFile } from '../torch/native/libtorch/probe.js';
import { LPIPS } from './perceptual.js';

/** Where `tessera-torch setup --weights lpips` puts them. */
export function lpipsPath(): string {
  return join(cacheRoot(), 'weights', 'lpips.safetensors');
}

/** The same where the file is there; null where it is not, or where there is no place for it. */
export function storedLpips(): string | null {
  try {
    const path = lpipsPath();
    return isFile(path) ? path : null;
  } catch {
    return null;
  }
}

/** The weights that `tessera-torch setup --weights lpips` put in place, in a new LPIPS; an error says how to get them. */
export async function publishedLpips(): Promise<LPIPS> {
  const path = lpipsPath();
  const checkpoint = await loadCheckpoint(path).catch((cause: unknown) => {
    throw new torch.TorchError(
      `LPIPS has no weights at ${path}; run: npx tessera-torch setup --weights lpips`,
      {
        cause,
      },
    );
  });
  try {
    const lpips = new LPIPS();
    lpips.loadStateDict(checkpoint.all);
    return lpips;
  } finally {
    checkpoint.close();
  }
}

/** Our key → the key in torchvision's VGG16. */
function vggKey(key: string): string | null {
  const match = /^net\.slice\d\.(\d+)\.(weight|bias)$/.exec(key);
  return match ? `features.${match[1]}.${match[2]}` : null;
}

/** Prefixes under which LPIPS lies in checkpoints of VQGANs, of losses, and by itself. */
const prefixes = ['loss.perceptual_loss.', 'perceptual_loss.', 'lpips.', ''];

/**
 * The tensors of LPIPS that the sources hold together: whole ones (a VQGAN's training checkpoint has all of them),
 * torchvision's VGG16, the published weightings. What the network's scaling needs is known without a file.
 *
 * @returns null for the tensors where some are missing, and the names of what is
 */
export function collectLpips(sources: readonly LazyTensorMap[]): {
  tensors: Map<string, Tensor> | null;
  missing: string[];
} {
  const model = torch.scope(() => torch.keep([...new LPIPS().stateDict()]));
  const found = new Map<string, Tensor>();
  for (const [key, own] of model) {
    const value = lookUp(key, own.shape, sources);
    if (value !== null) found.set(key, value);
    else if (key.startsWith('scaling_layer.')) found.set(key, own);
  }
  const missing = model.map(([key]) => key).filter((key) => !found.has(key));
  return { tensors: missing.length === 0 ? found : null, missing };
}

function lookUp(key: string, shape: readonly number[], sources: readonly LazyTensorMap[]): Tensor | null {
  const vgg = vggKey(key);
  const names = [...prefixes.map((prefix) => `${prefix}${key}`), ...(vgg === null ? [] : [vgg])];
  for (const source of sources) {
    for (const name of names) {
      const info = source.info(name);
      if (info === undefined) continue;
      if (info.shape.join() !== shape.join()) {
        throw new torch.ShapeError(
          `${name} has shape [${info.shape.join(', ')}], LPIPS needs [${shape.join(', ')}]`,
        );
      }
      return source.get(name)!.float();
    }
  }
  return null;
}
