/** Implementation of `tessera-torch sample`, after the command line is parsed. Loads libtorch. */
import { join } from 'node:path';
import { isFile } from '../../../files/look.js';
import { guidanceAmong, isGuided } from '../../../sampling/guidance.js';
import { filtersAmong } from '../../../sampling/logits.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { duration } from '../../numbers.js';
import { interruptSignal } from '../../interrupt.js';
import { saveImage, saveRecipe } from '../../images.js';
import { sourceOf } from '../../model-flags.js';
import { openRun } from '../../../runs/open.js';
import type { SampleFlags } from './command.js';
import { chooseCondition } from './condition.js';
import { drawer } from './draw.js';
import { choosePhoto } from './photo.js';
import { drawnSize } from './size.js';
import { UsageError } from '../../usage-error.js';
import { isInteractive } from '../../terminal.js';

export async function sample(run: string, flags: SampleFlags): Promise<void> {
  checkTogether(flags);
  const signal = interruptSignal();
  const { model, config, step, device, classes } = await openRun(
    sourceOf(run, flags),
    'transformer',
    flags.device,
  );
  const { precision = 'float32' } = flags;
  model.transformer.to(precision);
  const { image } = flags;
  const photo = image === undefined ? null : await choosePhoto(model, { ...flags, image }, config.data.size);
  const fitted = photo && ([photo.image.shape[3]!, photo.image.shape[2]!] as const);
  const area = drawnSize(model, config.data.size, flags.size ?? fitted ?? undefined);
  const { size, grid } = area;
  const chosen = await chooseCondition(model, flags, { size, names: classes, run });
  const { temperature, seed, n } = flags;
  const topK = Math.min(flags.topK ?? config.training.topK ?? 100, model.transformer.vocabSize);
  const filters = filtersAmong({ ...flags, topK, topP: flags.topP ?? 1 });
  const guidance = guidanceAmong(flags);
  if (isGuided(guidance) && model.config.nullToken === undefined) {
    throw new UsageError(
      `--guidance ${flags.guidance}: ${run} was trained without dropped conditions; train it with --condition-dropout 0.1`,
    );
  }
  const recipe = {
    command: 'sample',
    run,
    step,
    ...filters,
    ...guidance,
    seed,
    batch: flags.batch,
    precision,
    ...(flags.size && { size: [size[1], size[0]] }),
    ...photoRecipe(flags),
    ...chosen.recipe,
  };
  const out = flags.out ?? (isFile(run) ? 'samples' : join(run, 'samples'));
  const progress = progressOf(flags, n, grid[0] * grid[1]);
  const generator = new torch.Generator(device);
  generator.manualSeed(seed);
  const pick = {
    ...filters,
    ...guidance,
    ...(temperature === 0 && { greedy: true, temperature: 1 }),
    generator,
  };
  using drawing = drawer(model, area, pick, photo);
  const started = performance.now();
  const drawn: Tensor[] = [];
  const files: string[] = [];
  for (let first = 0; first < n; first += flags.batch) {
    signal.throwIfAborted();
    const count = Math.min(flags.batch, n - first);
    const { images, decoded } = torch.scope(() => {
      const rows = chosen.row.repeat([count, ...chosen.row.shape.slice(1).map(() => 1)]);
      let done = 0;
      const onCells = (cells: readonly number[]) => progress(first, count, (done += cells.length));
      const { images, decoded } = drawing.draw({ rows, onCells });
      return { images: images.to('cpu'), decoded: flags.raw ? decoded?.to('cpu') : undefined };
    });
    if (flags.grid) drawn.push(images);
    else {
      for (let i = 0; i < count; i++) {
        const path = join(out, `${String(first + i).padStart(4, '0')}.png`);
        await saveImage(path, images.narrow(0, i, 1), { ...recipe, picture: first + i });
        files.push(path);
        if (decoded) {
          const raw = path.replace(/\.png$/, '-raw.png');
          await saveImage(raw, decoded.narrow(0, i, 1), { ...recipe, picture: first + i, raw: true });
        }
        if (flags.json)
          process.stdout.write(`${JSON.stringify({ picture: path, ...recipe, index: first + i })}\n`);
      }
    }
    // Sampling is synchronous: a signal such as Ctrl-C needs a turn of the event loop.
    await new Promise(setImmediate);
  }
  if (flags.grid) {
    const path = join(out, 'grid.png');
    const columns = Math.min(8, Math.ceil(Math.sqrt(n)));
    const scale = Math.min(...size) < 100 ? 2 : 1;
    await saveImage(path, torch.cat(drawn), { ...recipe, n }, { columns, scale });
    files.push(path);
    if (flags.json) process.stdout.write(`${JSON.stringify({ picture: path, ...recipe, n })}\n`);
  }
  await saveRecipe(join(out, 'samples.json'), { ...recipe, n, pictures: files });
  if (flags.json || flags.quiet) return;
  const seconds = duration((performance.now() - started) / 1000);
  process.stdout.write(
    `${n} ${n === 1 ? 'image' : 'images'}${chosen.described} in ${seconds} (seed ${seed}, top-k ${topK}, temperature ${temperature}): ` +
      `${flags.grid ? files[0] : out}\n`,
  );
}

/** @throws UsageError for flags of `--image` without it */
function checkTogether(flags: SampleFlags): void {
  if (flags.at && !flags.size) {
    throw new UsageError(`--at ${flags.at.join(',')}: name the size of the whole image with --size`);
  }
  if (flags.image !== undefined) return;
  const stray = (['mask', 'keep', 'at', 'raw'] as const).find((name) => flags[name] !== undefined);
  if (stray) throw new UsageError(`--${stray} is for an image to complete: name one with --image`);
}

/** Returns the entries of the recipe that name the image to complete. */
function photoRecipe({ image, mask, keep, at }: SampleFlags): Record<string, unknown> {
  if (image === undefined) return {};
  return {
    image,
    ...(mask !== undefined && { mask }),
    ...(keep !== undefined && { keep }),
    ...(at && { at }),
  };
}

/** Returns a function that redraws a progress line on a terminal, and does nothing elsewhere. */
function progressOf(flags: SampleFlags, n: number, codes: number) {
  const { stderr } = process;
  if (flags.quiet || flags.json || !isInteractive(stderr)) return () => {};
  let last = 0;
  return (first: number, count: number, drawn: number) => {
    const now = Date.now();
    const done = first + count >= n && drawn === codes;
    if (now - last < 100 && !done) return;
    last = now;
    const share = (first + (count * drawn) / codes) / n;
    stderr.write(done ? '\r\x1b[K' : `\r\x1b[Kdrawing codes ${Math.floor(share * 100)}%`);
  };
}
