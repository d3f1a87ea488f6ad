/** Counts of the codes that images use, and what a smaller model makes of them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { inOrder } from '../../../data/batches/loader.js';
import type { ImageSource } from '../../../data/image-source.js';
import { countCodesOf } from '../../../metrics/codebook-use.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { TwoStage } from '../../../models/two-stage.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { loadCheckpoint } from '../../../torch/io/index.js';
import { codesFile } from '../../../training/stages/transformer/codes.js';
import { inputOf, namesOf } from '../../../training/stages/vqgan/held-out.js';
import { UsageError } from '../../usage-error.js';

/** Images, and how they are read and encoded. */
export interface Encoded {
  sources: readonly ImageSource[];
  /** Map that is encoded instead of the images. */
  field: string | null;
  /** True if mirrored images count, too. */
  flip: boolean;
  batch: number;
  device: torch.Device;
  onProgress(done: number): void;
}

/** Calls the function with batches of all images [B, C, H, W], in a scope. */
async function each(
  { sources, field, flip, batch, device, onProgress }: Encoded,
  use: (images: Tensor) => void,
) {
  let done = 0;
  for (const source of sources) {
    for await (const given of inOrder(source, batch, { device, fields: namesOf(field) })) {
      const images = inputOf(given, field);
      torch.scope(() => {
        use(images);
        if (flip) use(images.flip([3]));
      });
      done += images.shape[0]!;
      images.dispose();
      onProgress(done);
    }
  }
}

const codesOf = (model: FirstStage, images: Tensor): Tensor =>
  torch.noGrad(() => model.quantize.indices(model.encodeToPrequant(images)));

const numbers = (codes: Tensor): BigInt64Array =>
  codes.flatten().to('int64').to('cpu').toTypedArray() as BigInt64Array;

/** Returns how often the images choose each code of a first stage. */
export async function countsOf(model: FirstStage, encoded: Encoded): Promise<Float64Array> {
  const counts = new Float64Array(model.nCodes);
  await each(encoded, (images) => {
    countCodesOf(numbers(codesOf(model, images)), counts.length).forEach(
      (count, code) => (counts[code]! += count),
    );
  });
  return counts;
}

/** True if images of the condition have codes of the first stage, which the transformer sees as those of the image. */
const sharesCodes = (net: TwoStage): boolean => net.condStageModel === net.firstStageModel;

/**
 * Throws if a condition has codes of the first stage that would not be counted: images alone do not tell those of a map,
 * or of an image that is resized; only the codes that the run was trained on do.
 *
 * @param images folder of images that count instead of those of the run
 * @throws UsageError that says why
 */
export async function checkConditionCounts(
  run: string,
  net: TwoStage,
  images: string | undefined,
): Promise<void> {
  const { field } = net.condition;
  const { downsampleCondSize: size } = net.config;
  if (!sharesCodes(net) || (field === 'image' && size === -1)) return;
  if (images === undefined && (await hasConditions(join(run, codesFile)))) return;
  const which = size === -1 ? `"${field}"` : `"${field}", resized to ${size} × ${size},`;
  const why =
    images === undefined
      ? `${run} has no ${codesFile} that tells them: trim a run that has the file`
      : 'the images of --images do not tell which: leave --images out';
  throw new UsageError(
    `the condition ${which} of ${run} is encoded by its VQGAN too, so that its codes must stay, but ${why}`,
  );
}

async function hasConditions(file: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  using checkpoint = await loadCheckpoint(file);
  return checkpoint.tensors.has('conditions');
}

/**
 * Adds the codes that the run of a transformer was trained on, which are those of other crops, too, and of its conditions
 * if the first stage encodes them.
 */
export async function addTrainedCodes(run: string, net: TwoStage, counts: Float64Array): Promise<void> {
  const file = join(run, codesFile);
  if (!existsSync(file)) return;
  using checkpoint = await loadCheckpoint(file);
  const conditions = sharesCodes(net) ? ['conditions', 'heldOutConditions'] : [];
  for (const key of ['train', 'heldOut', ...conditions]) {
    torch.scope(() => {
      const codes = checkpoint.tensors.get(key);
      if (codes)
        countCodesOf(numbers(codes), counts.length).forEach((count, code) => (counts[code]! += count));
    });
  }
}

/** Number of images whose codes or pixels differ between a model and a smaller one with the codes `used`. */
export async function differing(
  model: FirstStage,
  smaller: FirstStage,
  used: readonly number[],
  encoded: Encoded,
): Promise<number> {
  let count = 0;
  const old = torch.tensor(used.map(BigInt), { device: encoded.device });
  await each(encoded, (images) => {
    const [before, after] = [codesOf(model, images), codesOf(smaller, images)];
    const unlike = old.indexSelect(0, after.flatten()).reshape(after.shape).ne(before).flatten(1).any(1); // [B]
    const [was, is] = torch.noGrad(() => [model.decodeIndices(before), smaller.decodeIndices(after)]);
    count += Number(unlike.logicalOr(was.ne(is).flatten(1).any(1)).sum().item());
  });
  old.dispose();
  return count;
}
