/** Measures a set of images, by its features, against a reference set. */
import { createHash } from 'node:crypto';
import { readPicture } from '../../../data/pictures/decode.js';
import { findImages } from '../../../data/files/find-images.js';
import { bytesToImages } from '../../../data/pictures/image-tensor.js';
import { isFile } from '../../../files/look.js';
import { shownPath } from '../../../files/file-names.js';
import { differingField, UnlikeProtocolsError, type Evaluation } from '../../../metrics/evaluation.js';
import { featuresOf, weightsHash } from '../../../metrics/extract.js';
import { loadFeatures, saveFeatures } from '../../../metrics/feature-file.js';
import { measureFeatures } from '../../../metrics/feature-metrics.js';
import type { InceptionV3 } from '../../../metrics/inception/inception.js';
import type { Protocol } from '../../../metrics/protocol.js';
import { deviceFor } from '../../../runs/open.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { interruptSignal } from '../../interrupt.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';

/** Features of a set of images, and the class probabilities if the network has them. */
export interface ImageSet {
  what: string;
  features: Tensor;
  probabilities: Tensor | null;
  /** Conditions under which the features were made; `images` identifies the set. */
  protocol: Protocol;
}

type SetFlags = Pick<EvalFlags, 'size' | 'batch' | 'device'> & { saveFeatures?: string | undefined };

const isFeatureFile = (path: string) => isFile(path) && /\.(npy|safetensors|pt|pth|ckpt|bin)$/i.test(path);

/** Reads features from a file, or computes those of a folder or list of images. */
export async function openSet(what: string, flags: SetFlags, network: InceptionV3 | null): Promise<ImageSet> {
  const set = isFeatureFile(what) ? await ofFile(what, network) : await ofImages(what, flags, network);
  if (flags.saveFeatures !== undefined) await saveFeatures(flags.saveFeatures, set.features, set.protocol);
  return set;
}

async function ofFile(what: string, network: InceptionV3 | null): Promise<ImageSet> {
  const { features, protocol } = await loadFeatures(what);
  const count = features.shape[0]!;
  const known = protocol ?? { network: 'not said by the file', count, images: hashOf(features) };
  // Only where they are those of the network that is at hand.
  const own = network !== null && protocol?.['weights'] === weightsOf(network);
  return { what, features, probabilities: own ? network.probabilities(features) : null, protocol: known };
}

async function ofImages(
  what: string,
  { size, batch, device }: SetFlags,
  network: InceptionV3 | null,
): Promise<ImageSet> {
  if (!network) {
    throw new UsageError(
      `${shownPath(what)} is not a file of features; name the weights of FID's Inception with --features, to compute them`,
    );
  }
  const { files } = await findImages(what);
  const signal = interruptSignal();
  const hash = createHash('sha256');
  const on = deviceFor(device);
  const square = size === undefined ? undefined : ([size, size] as const);
  const parts: Tensor[] = [];
  for (let from = 0; from < files.length; from += batch) {
    signal.throwIfAborted();
    const some = files.slice(from, from + batch);
    const pictures = await Promise.all(some.map((file) => readPicture(file, square)));
    for (const { pixels } of pictures) hash.update(pixels);
    parts.push(
      torch.scope(() => {
        // Each is resized on its own: they may have different sizes.
        const inputs = pictures.map(({ pixels, width, height }) =>
          network.prepared(bytesToImages(pixels, [height, width], 3, on)),
        );
        return torch.keep(featuresOf(network, torch.cat(inputs)));
      }),
    );
  }
  const features = torch.cat(parts);
  return {
    what,
    features,
    probabilities: network.probabilities(features),
    protocol: {
      ...network.protocol,
      weights: weightsOf(network),
      crop: size === undefined ? 'none' : `centre square of ${size} pixels`,
      count: files.length,
      images: `sha256 ${hash.digest('hex')}`,
    },
  };
}

const weightsOf = (network: InceptionV3): string => `sha256 ${weightsHash(network)}`;

function hashOf(features: Tensor): string {
  const bytes = features.to('cpu').double().contiguous().toTypedArray() as Float64Array;
  return `sha256 of features ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Fields that say which images a set has; all others must be the same for both sets. */
const OF_IMAGES = new Set(['count', 'images']);
const made = ({ protocol }: ImageSet): Protocol =>
  Object.fromEntries(Object.entries(protocol).filter(([field]) => !OF_IMAGES.has(field)));

/** Compares a set with a reference. @throws UnlikeProtocolsError if their features were made differently */
export function evaluateSet(what: string, set: ImageSet, reference: ImageSet): Evaluation {
  const difference = differingField(made(set), made(reference));
  if (difference) {
    const [a, b] = [set, reference].map(({ what: name, protocol }) => ({ what: name, values: {}, protocol }));
    throw new UnlikeProtocolsError([a!, b!], difference);
  }
  const { values, protocol } = measureFeatures({
    reference: reference.features,
    generated: set.features,
    probabilities: set.probabilities,
  });
  const { count = reference.features.shape[0]!, images = null } = reference.protocol;
  return {
    what,
    values,
    protocol: {
      measured: 'generated images',
      ...made(set),
      count: set.features.shape[0]!,
      'reference.count': count,
      'reference.images': images,
      ...protocol,
    },
  };
}
