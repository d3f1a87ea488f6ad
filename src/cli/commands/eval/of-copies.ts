/** Measures whether generated images are copies of training images, and shows them next to the nearest ones. */
import type { ImageSource } from '../../../data/image-source.js';
import { inOrder } from '../../../data/batches/loader.js';
import { shownPath } from '../../../files/file-names.js';
import { copyFigures, pixelFeatures, pixelProtocol } from '../../../metrics/copies.js';
import type { Evaluation } from '../../../metrics/evaluation.js';
import { featuresOf, weightsHash } from '../../../metrics/extract.js';
import type { InceptionV3 } from '../../../metrics/inception/inception.js';
import { NearestAmong, type Neighbours } from '../../../metrics/nearest-among.js';
import { deviceFor } from '../../../runs/open.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { interruptSignal } from '../../interrupt.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';
import { openFolder, openTraining, type SampledImages, type TrainingImages } from './copy-images.js';
import { saveCopies } from './copy-sheet.js';
import { drawImages } from './drawn-images.js';
import { isModel, PixelHash } from './run-images.js';

/** Number of training images shown next to each sample if `--neighbours` is not given. */
const NEIGHBOURS = 3;

/** Compares a folder of images, or images that a run draws, with training images, and writes the image `--copies`. */
export async function evaluateCopies(
  what: string,
  flags: EvalFlags,
  network: InceptionV3 | null,
): Promise<Evaluation> {
  expectFlags(flags);
  const images = await openTraining(what, flags);
  const { train, heldOut } = images;
  try {
    const samples = isModel(what, flags)
      ? await drawImages(what, flags, images)
      : await openFolder(what, images);
    try {
      return await compared(what, flags, { train, heldOut, samples, network });
    } finally {
      await samples.close();
    }
  } finally {
    await images.close();
  }
}

interface Sets extends Pick<TrainingImages, 'train' | 'heldOut'> {
  samples: SampledImages;
  network: InceptionV3 | null;
}

async function compared(
  what: string,
  flags: EvalFlags,
  { train, heldOut, samples, network }: Sets,
): Promise<Evaluation> {
  const comparing = new Comparing(flags, network);
  const k = Math.min(flags.neighbours ?? NEIGHBOURS, train.length);
  const found = await comparing.nearest([samples.source, heldOut], train, k);
  const nearest = ({ distances }: Neighbours) => distances.map(([first]) => first!);
  const [ofSamples, ofHeldOut] = found.neighbours as [Neighbours, Neighbours];
  const values = copyFigures(nearest(ofSamples), heldOut.length > 0 ? nearest(ofHeldOut) : null);
  await saveCopies(flags.copies!, values, {
    train,
    samples: samples.source,
    heldOut,
    ofSamples,
    ofHeldOut,
  });
  return {
    what,
    values,
    protocol: {
      measured: 'nearest training images',
      ...comparing.protocol(),
      size: train.size,
      crop: 'centre square',
      count: samples.source.length,
      ...samples.protocol,
      'training.count': train.length,
      'training.images': found.hashes[2]!,
      'heldOut.count': heldOut.length,
      'heldOut.images': heldOut.length > 0 ? found.hashes[1]! : null,
    },
  };
}

const OTHERS = ['reference', 'images', 'saveFeatures', 'lpips', 'stage'] as const;

/** @throws UsageError for flags of other measurements, and for an image file that is not a PNG */
function expectFlags(flags: EvalFlags): void {
  const stray = OTHERS.find((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    const name = stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(
      `--${name} does not go with --copies, which compares images with training images: leave it out`,
    );
  }
  if (flags.copies!.toLowerCase().endsWith('.png')) return;
  throw new UsageError(
    `--copies ${shownPath(flags.copies!)}: the image is a PNG; name a file that ends in .png`,
  );
}

/** Compares images by a network, or by their pixels. */
class Comparing {
  readonly #flags: EvalFlags;
  readonly #network: InceptionV3 | null;

  constructor(flags: EvalFlags, network: InceptionV3 | null) {
    this.#flags = flags;
    this.#network = network;
  }

  /**
   * Returns the nearest images of a reference for those of each source, or for their mirror images, whichever are nearer,
   * and the hashes of the sources and of the reference.
   */
  async nearest(sources: readonly ImageSource[], reference: ImageSource, k: number) {
    const features: Tensor[] = [];
    const mirrored: Tensor[] = [];
    const hashes = [...sources, reference].map(() => new PixelHash());
    for (const [i, source] of sources.entries()) {
      for await (const images of this.#batches(source, hashes[i]!)) {
        features.push(this.#features(images));
        mirrored.push(torch.scope(() => torch.keep(this.#features(images.flip([3])))));
      }
    }
    const among = torch.scope(() => new NearestAmong([torch.cat(features), torch.cat(mirrored)], k));
    torch.dispose([features, mirrored]);
    for await (const images of this.#batches(reference, hashes.at(-1)!)) {
      torch.scope(() => among.take(this.#features(images)));
    }
    const { distances, rows } = among.finish();
    let from = 0;
    const neighbours = sources.map(({ length }): Neighbours => {
      const part = [from, (from += length)] as const;
      return { distances: distances.slice(...part), rows: rows.slice(...part) };
    });
    return { neighbours, hashes: hashes.map((hash) => hash.digest()) };
  }

  async *#batches(source: ImageSource, hash: PixelHash): AsyncGenerator<Tensor> {
    if (source.length === 0) return;
    const { batch, device } = this.#flags;
    for await (const { images } of inOrder(source, batch, { device: deviceFor(device) })) {
      interruptSignal().throwIfAborted();
      torch.scope(() => hash.update(images));
      yield images;
      images.dispose();
    }
  }

  #features(images: Tensor): Tensor {
    return this.#network ? featuresOf(this.#network, images) : pixelFeatures(images);
  }

  protocol() {
    const network = this.#network;
    const by = network
      ? { ...network.protocol, weights: `sha256 ${weightsHash(network)}`, distance: 'Euclidean' }
      : pixelProtocol;
    return { ...by, mirrored: true };
  }
}
