/** Implementation of `tessera-torch reconstruct`, after the command line is parsed. Loads libtorch. */
import { join } from 'node:path';
import { shownPath } from '../../../files/file-names.js';
import { bytesToImages } from '../../../data/pictures/image-tensor.js';
import { readFitted } from '../../../tokenizer/fit.js';
import { imagesOf, indicesOf } from '../../../tokenizer/indices.js';
import { setDType, type TokenizerDType } from '../../../tokenizer/dtype.js';
import { psnr } from '../../../metrics/psnr.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { imagePaths, UniqueNames } from '../../image-paths.js';
import { byteProgress } from '../../byte-progress.js';
import { interruptSignal } from '../../interrupt.js';
import { LeftOut } from '../../left-out.js';
import { saveImage, saveRecipe } from '../../images.js';
import { sourceOf } from '../../model-flags.js';
import { countOf } from '../../numbers.js';
import type { ReconstructFlags } from './command.js';
import { describeRun } from '../../../runs/open.js';
import { UsageError } from '../../usage-error.js';

/** Maximum number of images in a grid; more would be too large to view. */
const gridLimit = 64;

interface Result {
  file: string;
  picture: string;
  psnr: number;
}

export async function reconstruct(run: string, images: string[], flags: ReconstructFlags): Promise<void> {
  const signal = interruptSignal();
  const leftOut = new LeftOut(flags.json ?? false);
  const files = await imagePaths(images, leftOut);
  if (files.length === 0) throw leftOut.nothingElse();
  const described = await describeRun(sourceOf(run, flags), 'vqgan');
  const { model, config } = described;
  const { inChannels } = model.config.ddconfig;
  if (inChannels !== 1 && inChannels !== 3) {
    throw new UsageError(
      `${run} was trained on maps with ${inChannels} channels (${config.data.maps?.join(', ') ?? 'labels'}), not on images: ` +
        'name the run of a VQGAN of images',
    );
  }
  const unit = model.stride;
  const size = flags.size ?? config.data.size;
  if (size < unit)
    throw new UsageError(
      `--size ${size} is smaller than one code, ${unit} × ${unit} pixels; give at least ${unit}`,
    );
  const reading = byteProgress(flags);
  const { step, device, ema } = await described.load(flags.device, reading.tell).finally(reading.end);
  const { precision = 'float32' } = flags;
  setDType(model, precision);
  const recipe = { command: 'reconstruct', run, step, size, precision, ...(ema && { ema }) };
  const say = (text: string, record: object) => {
    if (flags.json) process.stdout.write(`${JSON.stringify(record)}\n`);
    else if (!flags.quiet) process.stdout.write(`${text}\n`);
  };

  const rows: Tensor[] = [];
  const results: Result[] = [];
  const unique = new UniqueNames('.png');
  const names = files.map((file) => unique.of(file));
  const target = { stride: unit, channels: inChannels, size };
  const square = flags.grid ?? false;
  let looked = 0;
  for (const [i, file] of files.entries()) {
    signal.throwIfAborted();
    if (flags.grid && results.length === gridLimit) break;
    looked++;
    const image = await leftOut.unless(file, () => readFitted(file, file, target, { square }));
    if (image === null) continue;
    const { height, width } = image;
    const original = bytesToImages(image.pixels, [height, width], inChannels, device); // [1, C, H, W]
    const result = torch.noGrad(() => torch.scope(() => pass(model, original, precision)));
    const path = join(flags.out, flags.grid ? 'grid.png' : names[i]!);
    if (flags.grid) rows.push(original, result.image);
    else {
      await saveImage(path, result.image, { ...recipe, file });
      original.dispose();
      result.image.dispose();
    }
    results.push({ file, picture: path, psnr: result.psnr });
    const codes = `${height / unit} × ${width / unit} codes`;
    const place = flags.grid ? '' : ` → ${shownPath(path)}`;
    say(`${shownPath(file)}: ${result.psnr.toFixed(2)} dB, ${codes}, ${result.used} different${place}`, {
      ...results.at(-1),
      codes: [height / unit, width / unit],
      used: result.used,
    });
  }
  if (results.length === 0) throw leftOut.nothingElse();
  if (flags.grid) await saveGrid(join(flags.out, 'grid.png'), rows, recipe);
  await saveRecipe(join(flags.out, 'reconstructions.json'), {
    ...recipe,
    pictures: results,
    ...leftOut.record,
  });
  if (looked < files.length) {
    process.stderr.write(`note: the grid shows the first ${results.length} of ${files.length} images\n`);
  }
  const mean = results.reduce((sum, { psnr: value }) => sum + value, 0) / results.length;
  if (!flags.json)
    say(`${countOf(results.length, 'image')}, ${mean.toFixed(2)} dB on average, in ${flags.out}`, {});
  leftOut.tell();
}

function pass(model: FirstStage, original: Tensor, precision: TokenizerDType) {
  const indices = indicesOf(model, original, precision);
  const reconstruction = imagesOf(model, indices, precision);
  const used = new Set(indices.flatten().toTypedArray() as BigInt64Array).size;
  return { image: reconstruction.to('cpu'), psnr: psnr(reconstruction, original)[0]!, used };
}

/** Saves rows of up to eight originals, each above the row of their reconstructions. */
async function saveGrid(path: string, pairs: readonly Tensor[], recipe: object): Promise<void> {
  const count = pairs.length / 2;
  const columns = Math.min(8, count);
  const blank = torch.ones(pairs[0]!.shape);
  const cells: Tensor[] = [];
  for (let first = 0; first < count; first += columns) {
    for (const part of [0, 1]) {
      for (let i = first; i < first + columns; i++) cells.push(pairs[2 * i + part]?.to('cpu') ?? blank);
    }
  }
  const side = pairs[0]!.shape.at(-1)!;
  await saveImage(path, torch.cat(cells), { ...recipe }, { columns, scale: side < 100 ? 2 : 1 });
}
