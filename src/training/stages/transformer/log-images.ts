/** Draws the reference's log_images of a second stage: a few held-out images, reconstructions of them, and samples. */
import { LABEL } from '../../../data/fields/example.js';
import type { ImageSource } from '../../../data/image-source.js';
import type { Condition, ConditionInput, Stage } from '../../../models/conditions/condition.js';
import { Several } from '../../../models/conditions/several.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { TwoStage } from '../../../models/two-stage.js';
import { saveLabelledGrid } from '../../../reports/labelled-grid.js';
import { logImages } from '../../../sampling/images.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import * as F from '../../../torch/nn/functional.js';
import { keepingGenerators } from '../../engine/generators.js';
import { shownImages } from '../shown-images.js';
import { fieldsToEncode } from './check.js';
import type { Codes } from './codes.js';
import { conditionOf } from './held-out.js';
import type { PreviewOptions } from './preview.js';

/** Most images in a grid, as in the reference: each is drawn three times. */
const MOST = 4;

/** Images, and their conditions as the model's `encodeToC` takes them. */
export interface LoggedImages {
  /** [B, C, H, W] */
  inputs: Tensor;
  condition: ConditionInput;
  /** Class of each image; 0 if there are no classes. */
  labels: number[];
}

/** Reads the first held-out images, or the first training images if none are held out. The caller owns the result. */
export async function readLogged(
  net: TwoStage,
  codes: Codes,
  { train, heldOut }: { train: ImageSource; heldOut: ImageSource },
  { samples, device }: Pick<PreviewOptions, 'samples' | 'device'>,
): Promise<LoggedImages> {
  const [source, rows] = heldOut.length > 0 ? [heldOut, codes.heldOut] : [train, codes.train];
  const which = Array.from({ length: Math.min(MOST, samples, source.length) }, (_, i) => i);
  const fields = fieldsToEncode(net.condition);
  const squares = await source.readSquares(which, fields);
  return torch.scope(() => {
    const { image: inputs, fields: values } = source.toExample(squares, device);
    const labels = which.map((index) => source.label(index) ?? 0);
    const views = rows.codes.shape[0]! / source.length; // Rows of an image are consecutive.
    const index = torch.tensor(
      BigInt64Array.from(which, (i) => BigInt(i * views)),
      { device },
    );
    const ofFields = fields.map((field) => values[field]!);
    const single =
      ofFields[0] ?? conditionOf(rows, index) ?? torch.tensor(BigInt64Array.from(labels, BigInt), { device });
    const condition = net.condition.fields ? ofFields : single;
    return torch.keep({ inputs, condition, labels });
  });
}

/**
 * Writes the result of `logImages` as one PNG, a row for each image: the image, above the name of its class if that is
 * the condition; its reconstruction; its condition if that is a map; samples with the first half of the codes given, with
 * none given, and of the most likely codes.
 *
 * @throws LogitsError if the model's logits are not finite
 */
export async function saveLog(
  path: string,
  net: TwoStage,
  logged: LoggedImages,
  options: Omit<PreviewOptions, 'samples'>,
): Promise<void> {
  const columns = columnsOf(net, logged, options);
  const images = torch.scope(() => torch.stack(Object.values(columns), 1).flatten(0, 1)); // [N · columns, 3, H, W]
  try {
    const names = Object.keys(columns);
    const ofClasses = [net.condition.field, ...(net.condition.fields ?? [])].includes(LABEL);
    const captions = logged.labels.flatMap((label) =>
      names.map((name, i) => ({
        class: label,
        name: i === 0 && ofClasses ? (options.classes[label] ?? `class ${label}`) : name,
      })),
    );
    const scale = Math.max(1, Math.floor(128 / options.size));
    await saveLabelledGrid(path, images, captions, { scale, columns: names.length, listedAs: 'captions' });
  } finally {
    torch.dispose([columns, images]);
  }
}

/** Returns the images of each column [N, 3, H, W], by its caption. */
function columnsOf(
  net: TwoStage,
  { inputs, condition }: LoggedImages,
  { device, seed, topK }: Omit<PreviewOptions, 'samples'>,
): Record<string, Tensor> {
  return keepingGenerators(device, () => {
    torch.manualSeed(seed); // The same random numbers each time, so that only the model changes.
    const log = logImages(net, inputs, condition, { topK: Math.min(topK, net.transformer.vocabSize) });
    const shown = (images: Tensor) => pictureOf(net.firstStageModel, {}, images) ?? images;
    return {
      input: shown(log.inputs),
      reconstruction: shown(log.reconstructions),
      ...conditionColumns(net, condition, inputs.shape.slice(2)),
      'half given': shown(log.samplesHalf),
      sampled: shown(log.samplesNopix),
      greedy: shown(log.samplesDet),
    };
  });
}

/** Returns the conditions that are maps as images [N, 3, H, W] of the given size, each under its field. */
function conditionColumns(
  { condition, condStageModel }: TwoStage,
  given: ConditionInput,
  size: number[],
): Record<string, Tensor> {
  const stages = condStageModel instanceof Several ? condStageModel.parts : [{ condStageModel, condition }];
  const values = given instanceof torch.Tensor ? [given] : given;
  const columns = stages.flatMap(({ condStageModel: stage, condition: of }, i) => {
    const picture = pictureOf(stage, of, values[i]!); // Smaller than the image if it is one of low resolution.
    return picture ? [[of.field!, F.interpolate(picture, { size, mode: 'nearest' })] as const] : [];
  });
  return Object.fromEntries(columns);
}

/** Returns inputs or outputs of a stage, [B, C, H, W], as images [B, 3, H, W] in [−1, 1]; null if they are not images. */
function pictureOf(stage: Stage, condition: Pick<Condition, 'shown'>, values: Tensor): Tensor | null {
  if (stage instanceof FirstStage) return shownImages(stage, values);
  return condition.shown?.(values) ?? null;
}
