/** Measures a first stage by the reconstructions of images. */
import type { ImageSource } from '../../../data/image-source.js';
import { metricsOf } from '../../../metrics/definitions.js';
import type { Evaluation } from '../../../metrics/evaluation.js';
import { featuresOf, weightsHash } from '../../../metrics/extract.js';
import { frechetDistance } from '../../../metrics/frechet.js';
import type { InceptionV3 } from '../../../metrics/inception/inception.js';
import { lpipsMetric } from '../../../metrics/lpips.js';
import type { Protocol } from '../../../metrics/protocol.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { LPIPS } from '../../../models/losses/lpips.js';
import { openRun } from '../../../runs/open.js';
import { mapOf } from '../../../training/stages/vqgan/check.js';
import { measureSource } from '../../../training/stages/vqgan/held-out.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { sourceOf } from '../../model-flags.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';
import { lpipsProtocol } from './perceptual.js';
import { bytesOf, expectSize, openMeasured, PixelHash } from './run-images.js';

/** Networks that measure reconstructions, where their weights are given. */
export interface Networks {
  /** For rFID. */
  inception: InceptionV3 | null;
  lpips: LPIPS | null;
}

/** Opens a run and measures the reconstructions of its held-out images, or of `--images`. */
export async function evaluateRun(
  run: string,
  flags: EvalFlags,
  { inception, lpips }: Networks,
): Promise<Evaluation> {
  const { model, config, device } = await openRun(sourceOf(run, flags), 'vqgan', flags.device);
  const { size = config.data.size, batch } = flags;
  expectImages(run, model);
  expectSize(size, model.stride);
  if (lpips) expectSides(size);
  const { source, close } = await openMeasured(run, config, flags, 'reconstruct');
  try {
    const field = mapOf(config);
    const pass = new Pass(inception);
    const onBatch = (given: Tensor, reconstruction: Tensor) => pass.take(given, reconstruction);
    const perceptual = lpips && ((a: Tensor, b: Tensor) => lpips.forward(a, b));
    const values = await measureSource(model, source, device, field, { batch, perceptual, onBatch });
    return {
      what: run,
      values: { ...values, ...pass.values() },
      protocol: {
        ...protocolOf(source, field),
        ...(lpips && lpipsProtocol(lpips)),
        ...pass.protocol(),
      },
    };
  } finally {
    await close();
  }
}

/** @throws UsageError for images that LPIPS cannot take */
function expectSides(size: number): void {
  const { leastSide } = LPIPS;
  if (size >= leastSide) return;
  throw new UsageError(
    `--lpips needs images of at least ${leastSide} pixels, but they have ${size}: give a larger --size, or leave it out`,
  );
}

function expectImages(run: string, model: FirstStage): void {
  const { inChannels } = model.config.ddconfig;
  if (inChannels === 1 || inChannels === 3) return;
  throw new UsageError(`${run} was trained on label maps of ${inChannels} channels; name a run of images`);
}

function protocolOf(source: ImageSource, field: string | null): Protocol {
  // LPIPS's holds only where it is measured.
  const always = metricsOf.vqgan.filter((metric) => metric !== lpipsMetric);
  const ofMetrics = always.flatMap(({ name, protocol = {} }) =>
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
  readonly #hash = new PixelHash();
  readonly #originals: Tensor[] = [];
  readonly #reconstructions: Tensor[] = [];

  constructor(network: InceptionV3 | null) {
    this.#network = network;
  }

  /** Takes a batch of images and their reconstructions [B, C, H, W]. */
  take(images: Tensor, reconstruction: Tensor): void {
    this.#hash.update(images);
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
    const images = this.#hash.digest();
    if (!this.#network) return { images };
    return {
      images,
      ...this.#network.protocol,
      weights: `sha256 ${weightsHash(this.#network)}`,
      rounding: '8 bits',
    };
  }
}
