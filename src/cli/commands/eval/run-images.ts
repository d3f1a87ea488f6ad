/** The images on which a run is measured: those that it held out, or those of `--images`. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ImageSource } from '../../../data/image-source.js';
import { isFile } from '../../../files/look.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { RunConfig } from '../../../runs/config.js';
import type { Tensor } from '../../../torch/index.js';
import { openRunImages } from '../../../training/images.js';
import { interruptSignal } from '../../interrupt.js';
import { isTokenFolder } from '../../../data/files/token-folder.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';

/** True for a run, and for a checkpoint file with its configuration. */
export const isModel = (what: string, { config }: Pick<EvalFlags, 'config'>): boolean =>
  config !== undefined || isFile(join(what, 'config.yaml'));

/** Images that are measured. */
export interface MeasuredImages {
  source: ImageSource;
  close(): Promise<void>;
}

/**
 * Opens the images, of side `--size` or as in training.
 *
 * @param use what to do with the images of `--images`, for errors: `reconstruct`
 * @throws UsageError if there are none
 */
export async function openMeasured(
  run: string,
  config: RunConfig,
  { images, size = config.data.size }: Pick<EvalFlags, 'images' | 'size'>,
  use: string,
): Promise<MeasuredImages> {
  const { heldOutPath: _, ...shared } = config.data;
  // All images of a named folder, none held out.
  const data =
    images === undefined ? { ...config.data, size } : { ...shared, path: images, heldOut: 0, size };
  if (!data.path) {
    throw new UsageError(`${run} was trained elsewhere; name images to ${use} with --images`);
  }
  if (images === undefined && isTokenFolder(data.path)) {
    throw new UsageError(
      `${run} was trained on the tokens in ${data.path}, which have no pixels; name images to ${use} with --images, such as ` +
        'those that it held out',
    );
  }
  const opened = await openRunImages({ ...config, data }, { signal: interruptSignal() }, []);
  const source = images === undefined ? opened.heldOut : opened.train;
  const close = () => opened.close();
  if (source.length > 0) return { source, close };
  await close();
  throw new UsageError(`${run} held out no images; name images to ${use} with --images`);
}

/** @throws UsageError for a side that is not a whole number of codes */
export function expectSize(size: number, stride: number): void {
  if (size % stride === 0) return;
  throw new UsageError(
    `--size ${size} is not a whole number of codes, ${stride} × ${stride} pixels each; give a multiple of ${stride}`,
  );
}

/** @throws UsageError for images that are not a whole number of codes, or more codes than the transformer takes */
export function expectFits(run: string, { firstStageModel, transformer }: TwoStage, size: number): void {
  if (!(firstStageModel instanceof FirstStage)) return;
  const { stride } = firstStageModel;
  expectSize(size, stride);
  const most = Math.floor(Math.sqrt(transformer.blockSize)) * stride;
  if (size <= most) return;
  throw new UsageError(
    `${run} takes at most ${transformer.blockSize} codes, but images of ${size} pixels have ${(size / stride) ** 2}: give ` +
      `the --size that it was trained on, at most ${most}`,
  );
}

/** Returns images in [−1, 1] as bytes of the same shape. */
export const bytesOf = (images: Tensor): Tensor => images.clamp(-1, 1).add(1).mul(127.5).round().to('uint8');

/** The SHA-256 of the pixels of images, which says in a protocol which images were measured. */
export class PixelHash {
  readonly #hash = createHash('sha256');

  /** Adds a batch [B, C, H, W] in [−1, 1]. */
  update(images: Tensor): void {
    this.#hash.update(bytesOf(images).to('cpu').contiguous().toTypedArray() as Uint8Array);
  }

  /** Returns the hash, after which no batch can be added. */
  digest(): string {
    return `sha256 ${this.#hash.digest('hex')}`;
  }
}
