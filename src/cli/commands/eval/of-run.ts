/** Measures a first stage by the reconstructions of images. */
import { createHash } from 'node:crypto';
import type { ImageSource } from '../../../data/image-source.js';
import { metricsOf } from '../../../metrics/definitions.js';
import type { Evaluation } from '../../../metrics/evaluation.js';
import { featuresOf, weightsHash } from '../../../metrics/extract.js';
import { frechetDistance } from '../../../metrics/frechet.js';
import type { InceptionV3 } from '../../../metrics/inception/inception.js';
import type { Protocol } from '../../../metrics/protocol.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { openRun } from '../../../runs/open.js';
import { openRunImages } from '../../../training/images.js';
import { mapOf } from '../../../training/stages/vqgan/check.js';
import { measureSource } from '../../../training/stages/vqgan/held-out.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { interruptSignal } from '../../interrupt.js';
import { sourceOf } from '../../model-flags.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';

/** Opens a run and measures the reconstructions of its held-out images, or of `--images`. */
export async function evaluateRun(
  run: string,
  flags: EvalFlags,
  network: InceptionV3 | null,
): Promise<Evaluation> {
  const { model, config, device } = await openRun(sourceOf(run, flags), 'vqgan', flags.device);
  const { images, size = config.data.size, batch } = flags;
  expectImages(run, model);
  expectSize(size, model.stride);
  const { heldOutPath: _, ...shared } = config.data;
  // All images of a named folder, none held out.
  const data =
    images === undefined ? { ...config.data, size } : { ...shared, path: images, heldOut: 0, size };
  if (!data.path) {
    throw new UsageError(`${run} was trained elsewhere; name images to reconstruct with --images`);
  }
  const opened = await openRunImages({ ...config, data }, { signal: interruptSignal() }, []);
  try {
    const source = images === undefined ? opened.heldOut : opened.train;
    if (source.length === 0) {
      throw new UsageError(`${run} held out no images; name images to reconstruct with --images`);
    }
    const field = mapOf(config);
    const pass = new Pass(network);
    const onBatch = (given: Tensor, reconstruction: Tensor) => pass.take(given, reconstruction);
    const values = await measureSource(model, source, device, field, { batch, onBatch });
    return {
      what: run,
      values: { ...values, ...pass.values() },
      protocol: { ...protocolOf(source, field), ...pass.protocol() },
    };
  } finally {
    await opened.close();
  }
}

function expectImages(run: string, model: FirstStage): void {
  const { inChannels } = model.config.ddconfig;
  if (inChannels === 1 || inChannels === 3) return;
  throw new UsageError(`${run} was trained on label maps of ${inChannels} channels; name a run of images`);
}

function expectSize(size: number, stride: number): void {
  if (size % stride === 0) return;
  throw new UsageError(
    `--size ${size} is not a whole number of codes, ${stride} × ${stride} pixels each; give a multiple of ${stride}`,
  );
}

function protocolOf(source: ImageSource, field: string | null): Protocol {
  const ofMetrics = metricsOf.vqgan.flatMap(({ name, protocol = {} }) =>
    Object.entries(protocol).map(([key, value]) => [`${name}.${key}`, value] as const),
  );
  return {
    measured: field === null ? 'reconstructions' : `reconstructions of ${field}`,
    count: source.length,
    size: source.size,
    crop: 'centre square',
    ...Object.fromEntries(ofMetrics),
  };
}

/** A pass over the images: their hash, and with a network the features of both sides. */
class Pass {
  readonly #network: InceptionV3 | null;
  readonly #hash = createHash('sha256');
  readonly #originals: Tensor[] = [];
  readonly #reconstructions: Tensor[] = [];

  constructor(network: InceptionV3 | null) {
    this.#network = network;
  }

  /** Takes a batch of images and their reconstructions [B, C, H, W]. */
  take(images: Tensor, reconstruction: Tensor): void {
    this.#hash.update(bytesOf(images).to('cpu').contiguous().toTypedArray() as Uint8Array);
    const network = this.#network;
    if (!network) return;
    // As if saved as a file, like every published FID.
    const rounded = bytesOf(reconstruction).float().div(127.5).sub(1);
    this.#originals.push(torch.keep(featuresOf(network, images)));
    this.#reconstructions.push(torch.keep(featuresOf(network, rounded)));
  }

  values(): Record<string, number> {
    if (!this.#network) return {};
    return { rfid: frechetDistance(torch.cat(this.#originals), torch.cat(this.#reconstructions)) };
  }

  protocol(): Protocol {
    const images = `sha256 ${this.#hash.digest('hex')}`;
    if (!this.#network) return { images };
    return {
      images,
      ...this.#network.protocol,
      weights: `sha256 ${weightsHash(this.#network)}`,
      rounding: '8 bits',
    };
  }
}

/** Returns images in [−1, 1] as bytes of the same shape. */
const bytesOf = (images: Tensor): Tensor => images.clamp(-1, 1).add(1).mul(127.5).round().to('uint8');
