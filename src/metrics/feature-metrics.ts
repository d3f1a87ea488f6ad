/** Metrics that compare the features of two sets of images, with one definition each. */
import type { Tensor } from '../torch/index.js';
import { frechetDistance } from './frechet.js';
import { inceptionScore } from './inception-score.js';
import { kernelDistance } from './kernel-distance.js';
import type { Shown } from './metric.js';
import { memorisation } from './nearest-neighbours.js';
import { precisionRecall } from './precision-recall.js';
import type { Protocol } from './protocol.js';

/** Definitions, in the order in which they are reported. */
export const featureMetrics: readonly Shown[] = [
  { name: 'rfid', label: 'rFID', digits: 3, better: 'lower' },
  { name: 'fid', label: 'FID', digits: 3, better: 'lower' },
  { name: 'kid', label: 'KID', digits: 6, better: 'lower' },
  { name: 'kidStd', label: 'KID, standard deviation over subsets', digits: 6 },
  { name: 'is', label: 'IS', digits: 3, better: 'higher' },
  { name: 'isStd', label: 'IS, standard deviation over splits', digits: 3 },
  { name: 'precision', label: 'precision', digits: 4, better: 'higher' },
  { name: 'recall', label: 'recall', digits: 4, better: 'higher' },
  { name: 'density', label: 'density', digits: 4, better: 'higher' },
  { name: 'coverage', label: 'coverage', digits: 4, better: 'higher' },
  { name: 'nearest', label: 'distance to the nearest reference image, median', digits: 4 },
  { name: 'authenticity', label: 'authenticity: share not nearer than references are', digits: 4 },
];

/** Features of generated and of reference images. */
export interface FeatureSets {
  /** [N, D]. */
  reference: Tensor;
  /** [M, D]. */
  generated: Tensor;
  /** Class probabilities of the generated images, [M, K]; null if the network has none. */
  probabilities?: Tensor | null;
}

/** Published settings, which are reduced for small sets. */
const [KID_SUBSETS, KID_SIZE, KID_SEED, NEIGHBOURS, SPLITS] = [100, 1000, 0, 5, 10];

/**
 * Measures generated images by every metric of features. Precision, recall, density and coverage need more than 5 images
 * in both sets, and IS needs probabilities; without them they are left out.
 *
 * @returns values by the names in `featureMetrics`, and the settings they depend on
 *
 * @example
 * ```ts
 * const sets = { reference: torch.randn([40, 8]), generated: torch.randn([30, 8]) };
 * const { values, protocol } = measureFeatures(sets); // fid, kid, precision …
 * ```
 */
export function measureFeatures({ reference, generated, probabilities = null }: FeatureSets): {
  values: Record<string, number>;
  protocol: Protocol;
} {
  const least = Math.min(reference.shape[0]!, generated.shape[0]!);
  const subsetSize = Math.min(KID_SIZE, least);
  const kid = kernelDistance(reference, generated, { subsets: KID_SUBSETS, subsetSize, seed: KID_SEED });
  const { median, authenticity } = memorisation(generated, reference);
  const splits = Math.min(SPLITS, generated.shape[0]!);
  const score = probabilities && inceptionScore(probabilities, { splits });
  const balls = least > NEIGHBOURS ? precisionRecall(reference, generated, { k: NEIGHBOURS }) : null;
  return {
    values: {
      fid: frechetDistance(reference, generated),
      kid: kid.mean,
      kidStd: kid.std,
      ...(score && { is: score.mean, isStd: score.std }),
      ...balls,
      nearest: median,
      authenticity,
    },
    protocol: {
      'kid.subsets': KID_SUBSETS,
      'kid.subsetSize': subsetSize,
      'kid.seed': KID_SEED,
      ...(score && { 'is.splits': splits }),
      ...(balls && { 'precision.k': NEIGHBOURS, 'precision.rule': 'prdc' }),
    },
  };
}
