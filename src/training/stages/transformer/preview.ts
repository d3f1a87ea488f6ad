/** Draws the image grid of a second stage in training: samples of its classes, or for held-out conditions. */
import { LABEL } from '../../../data/fields/example.js';
import { saveImageGrid } from '../../../data/pictures/image-grid.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { TwoStage } from '../../../models/two-stage.js';
import { sampleImages } from '../../../sampling/images.js';
import * as F from '../../../torch/nn/functional.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { shownImages } from '../shown-images.js';
import { keepingGenerators } from '../../engine/generators.js';
import { classesAmong, spreadOver } from './classes.js';
import type { Codes } from './codes.js';
import { saveLabelledGrid } from '../../../reports/labelled-grid.js';
import { conditionOf } from './held-out.js';

export interface PreviewOptions {
  /** Number of samples. */
  samples: number;
  topK: number;
  seed: number;
  device: torch.Device;
  /** Side of an image in pixels. */
  size: number;
  /** Names of the classes. */
  classes: readonly string[];
}

/**
 * Writes samples as one PNG: each class equally often, with its name, if the condition is a class; each next to its
 * condition if that is a map.
 *
 * @throws LogitsError if the model's logits are not finite
 */
export async function saveSamples(
  path: string,
  net: TwoStage,
  codes: Codes,
  options: PreviewOptions,
): Promise<void> {
  const scale = Math.max(1, Math.floor(128 / options.size));
  const classes = net.condition.field === LABEL ? classesAmong(codes.train.labels) : [0];
  const shown = spreadOver(classes, options.samples);
  const given = conditionsOf(codes, options.samples);
  const images = torch.scope(() => {
    const condition = given ?? net.encodeToC(labelsOf(shown, options.device)).indices; // [N, C]
    const samples = sample(net, codes, condition, options); // [N, 3, H, W]
    return given ? nextToConditions(net, given, samples) : samples;
  });
  try {
    if (net.condition.field === LABEL) {
      const names = shown.map((n) => ({ class: n, name: options.classes[n] ?? `class ${n}` }));
      await saveLabelledGrid(path, images, names, { scale });
    } else {
      const pairs = given && images.shape[0]! > given.shape[0]!;
      const columns = pairs ? { columns: 2 * Math.ceil(Math.sqrt(given.shape[0]!)) } : {};
      await saveImageGrid(path, images, { scale, ...columns });
    }
  } finally {
    torch.dispose([images, given]);
  }
}

const labelsOf = (classes: readonly number[], device: torch.Device): Tensor =>
  torch.tensor(BigInt64Array.from(classes, BigInt), { device }); // [N]

/** Returns the condition of the first held-out images, or of the first training images if none are held out. */
function conditionsOf({ heldOut, train }: Codes, count: number): Tensor | null {
  const rows = heldOut.codes.shape[0]! > 0 ? heldOut : train;
  const { device } = rows.codes;
  return conditionOf(rows, torch.arange(Math.min(count, rows.codes.shape[0]!), { dtype: 'int64', device }));
}

function sample(
  net: TwoStage,
  codes: Codes,
  condition: Tensor,
  { device, seed, topK }: PreviewOptions,
): Tensor {
  return keepingGenerators(device, () => {
    torch.manualSeed(seed); // The same random numbers each time, so that only the model changes.
    const side = Math.round(Math.sqrt(codes.train.codes.shape[1]!));
    const k = Math.min(topK, net.transformer.vocabSize);
    return sampleImages(net, condition, { grid: [side, side], topK: k });
  });
}

/** Puts the image of each condition [N, C] before its sample [N, 3, H, W], where the condition decodes to an image. */
function nextToConditions(net: TwoStage, condition: Tensor, samples: Tensor): Tensor {
  const stage = net.condStageModel;
  if (!(stage instanceof FirstStage)) return samples;
  const side = Math.round(Math.sqrt(condition.shape[1]!));
  const decoded = stage.decodeIndices(condition.reshape([-1, side, side])); // [N, K, h, w]
  const images = shownImages(stage, decoded); // [N, 3, h, w]
  const sized = F.interpolate(images, { size: samples.shape.slice(2), mode: 'nearest' });
  return torch.stack([sized, samples], 1).flatten(0, 1); // [2N, 3, H, W]
}
