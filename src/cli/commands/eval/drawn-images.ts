/** Images that a run draws for `eval --copies`. */
import { ImageSource, type Channels } from '../../../data/image-source.js';
import { MemoryStore, type MemoryItem } from '../../../data/built-in/memory-store.js';
import type { TwoStage } from '../../../models/two-stage.js';
import { openRun } from '../../../runs/open.js';
import { isForeign, type RunConfig } from '../../../runs/config.js';
import { ImageSampler } from '../../../sampling/images.js';
import { encodeCentres } from '../../../training/stages/transformer/codes.js';
import { encodersOf } from '../../../training/stages/transformer/encoders.js';
import { tokensOf } from '../../../training/stages/transformer/held-out.js';
import { vectorsOf } from '../../../training/stages/transformer/vectors.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { Tensor } from '../../../torch/index.js';
import { interruptSignal } from '../../interrupt.js';
import { sourceOf } from '../../model-flags.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';
import type { SampledImages, TrainingImages } from './copy-images.js';
import { bytesOf, expectFits } from './run-images.js';

/** Number of images drawn if `--samples` is not given. */
const SAMPLES = 64;

/**
 * Draws images of a transformer. Conditions are those of the held-out images, in turn.
 *
 * @throws UsageError for a condition without held-out images
 */
export async function drawImages(
  run: string,
  flags: EvalFlags,
  images: TrainingImages,
): Promise<SampledImages> {
  const { samples = SAMPLES, seed = 1, batch } = flags;
  const { model: net, config, device } = await openRun(sourceOf(run, flags), 'transformer', flags.device);
  expectAlike(run, config, images.train);
  expectFits(run, net, images.train.size);
  const signal = interruptSignal();
  const conditions = await conditionsOf(run, net, config, {
    device,
    images: flags.training === undefined ? images : null,
  });
  const side = await gridOf(net, images.train, device);
  const topK = Math.min(config.training.topK ?? 100, net.transformer.vocabSize);
  using sampler = new ImageSampler(net, { topK });
  torch.manualSeed(seed);
  const items: MemoryItem[] = [];
  while (items.length < samples) {
    signal.throwIfAborted();
    const numbers = Array.from(
      { length: Math.min(batch, samples - items.length) },
      (_, i) => items.length + i,
    );
    torch.scope(() => {
      const drawn = sampler.sample(conditions.of(numbers), { grid: [side, side] });
      items.push(...itemsOf(drawn, items.length));
    });
  }
  conditions.dispose();
  const store = new MemoryStore(items);
  const condition = { 'samples.condition': conditions.described };
  return {
    source: new ImageSource(store, images.train.size, undefined, images.train.channels),
    protocol: { 'samples.seed': seed, 'samples.topK': topK, ...condition },
    close: () => store.close(),
  };
}

/**
 * @throws UsageError for training images of another size or other channels than the model's, where it is known: a file does
 *   not say the size
 */
function expectAlike(run: string, config: RunConfig, { size, channels }: ImageSource): void {
  const { data } = config;
  const own: Channels = data.channels ?? 3;
  if ((isForeign(config) || data.size === size) && own === channels) return;
  throw new UsageError(
    `${run} draws images of ${data.size} pixels and ${own} channels, but the training images have ${size} and ${channels}: ` +
      `give --size ${data.size}, or draw images with tessera-torch sample and name their folder`,
  );
}

/** The conditions of images that are drawn. */
interface Conditions {
  described: string;
  /** Returns those of some images, tokens [B, N] or vectors [B, N, D]. */
  of(numbers: number[]): Tensor;
  dispose(): void;
}

interface Conditioning {
  device: torch.Device;
  /** The model's own images; null if others are named. */
  images: TrainingImages | null;
}

async function conditionsOf(
  run: string,
  net: TwoStage,
  config: RunConfig,
  { device, images }: Conditioning,
): Promise<Conditions> {
  const { condition } = net;
  if (condition.field === null && !condition.fields) {
    const of = (numbers: number[]) =>
      net.encodeToC(torch.zeros([numbers.length], { dtype: 'int64', device })).indices;
    return { described: 'none', of, dispose: () => {} };
  }
  const { heldOut = null } = images ?? {};
  if (!heldOut || heldOut.length === 0) {
    throw new UsageError(
      `${run} is conditioned on ${condition.fields?.join(' and ') ?? condition.field}, but has no held-out images of its own whose ` +
        'conditions it could draw for: draw images with tessera-torch sample, and name their folder and --training',
    );
  }
  const vectors = await vectorsOf(config, { train: heldOut, heldOut });
  const signal = interruptSignal();
  const rows = await encodeCentres(heldOut, { ...encodersOf(net, device), vectors, device, signal });
  torch.dispose(vectors);
  signal.throwIfAborted();
  return {
    described: 'those of the held-out images',
    of: (numbers) =>
      tokensOf(
        net,
        rows!,
        numbers.map((n) => n % heldOut.length),
      ).c,
    dispose: () => torch.dispose(rows),
  };
}

/** Returns the codes per side of an image. */
async function gridOf(net: TwoStage, { size, channels }: ImageSource, device: torch.Device): Promise<number> {
  const { encode } = encodersOf(net, device);
  return unrecorded(() =>
    Math.round(Math.sqrt(encode(torch.zeros([1, channels, size, size], { device })).numel())),
  );
}

/** Returns images [B, C, H, W] as bytes, as if they had been saved as files. */
function itemsOf(images: Tensor, from: number): MemoryItem[] {
  const [count, , height, width] = images.shape as [number, number, number, number];
  const colours = bytesOf(images).expand([-1, 3, -1, -1]).permute([0, 2, 3, 1]);
  const bytes = colours.to('cpu').contiguous().toTypedArray() as Uint8Array;
  const size = height * width * 3;
  return Array.from({ length: count }, (_, i) => ({
    name: `sample ${from + i + 1}`,
    hash: String(from + i),
    width,
    height,
    pixels: bytes.slice(i * size, (i + 1) * size),
  }));
}
