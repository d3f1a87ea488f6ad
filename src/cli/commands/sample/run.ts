/** Implementation of `tessera-torch sample`, after the command line is parsed. Loads libtorch. */
import { join } from 'node:path';
import { lowResolutionOf } from '../../../data/low-resolution.js';
import { isFile } from '../../../files/look.js';
import type { ConditionInput } from '../../../models/conditions/condition.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { ImageSampler } from '../../../sampling/images.js';
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
import { UsageError } from '../../usage-error.js';
import { isInteractive } from '../../terminal.js';

export async function sample(run: string, flags: SampleFlags): Promise<void> {
  const signal = interruptSignal();
  const { model, config, step, device, classes } = await openRun(
    sourceOf(run, flags),
    'transformer',
    flags.device,
  );
  const { precision = 'float32' } = flags;
  model.transformer.to(precision);
  const grid = codeGrid(model, config.data.size);
  const { size } = config.data;
  const low = lowResolutionOf(config.data);
  const chosen = await chooseCondition(model, flags, { size, names: classes, run, low });
  const { temperature, seed, n } = flags;
  const topK = Math.min(flags.topK ?? config.training.topK ?? 100, model.transformer.vocabSize);
  const filters = filtersAmong({ ...flags, topK, topP: flags.topP ?? 1 });
  const guidance = guidanceAmong(flags);
  if (isGuided(guidance) && !model.isGuidable) {
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
    ...chosen.recipe,
  };
  const out = flags.out ?? (isFile(run) ? 'samples' : join(run, 'samples'));
  const draw = progressOf(flags, n, grid[0] * grid[1]);
  const generator = new torch.Generator(device);
  generator.manualSeed(seed);
  const pick = {
    ...filters,
    ...guidance,
    ...(temperature === 0 && { greedy: true, temperature: 1 }),
    generator,
  };
  using sampler = new ImageSampler(model, pick);
  const started = performance.now();
  const drawn: Tensor[] = [];
  const files: string[] = [];
  for (let first = 0; first < n; first += flags.batch) {
    signal.throwIfAborted();
    const count = Math.min(flags.batch, n - first);
    const images = torch.scope(() => {
      const condition = conditionOf(model, first, count, chosen.row);
      const onToken = (token: number) => draw(first, count, token);
      return sampler.sample(condition, { grid, onToken }).to('cpu');
    });
    if (flags.grid) drawn.push(images);
    else {
      for (let i = 0; i < count; i++) {
        const path = join(out, `${String(first + i).padStart(4, '0')}.png`);
        await saveImage(path, images.narrow(0, i, 1), { ...recipe, picture: first + i });
        files.push(path);
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
    const scale = config.data.size < 100 ? 2 : 1;
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

/** Returns the size of the code grid of an image with the training size. */
function codeGrid(model: Net2NetTransformer, size: number): [number, number] {
  const first = model.firstStageModel;
  const side = Math.round(size / (first instanceof FirstStage ? first.stride : 16));
  return [side, side];
}

/** Returns the encoded condition of `count` images from number `first` on, which get the given rows in turn. */
function conditionOf(model: Net2NetTransformer, first: number, count: number, given: ConditionInput): Tensor {
  const { device } = model.transformer.posEmb;
  const inTurn = (rows: Tensor) => {
    const numbers = BigInt64Array.from({ length: count }, (_, i) => BigInt((first + i) % rows.shape[0]!));
    return rows.indexSelect(0, torch.tensor(numbers)).to(device);
  };
  return model.encodeToC(given instanceof torch.Tensor ? inTurn(given) : given.map(inTurn)).indices;
}

/** Returns a function that redraws a progress line on a terminal, and does nothing elsewhere. */
function progressOf(flags: SampleFlags, n: number, codes: number) {
  const { stderr } = process;
  if (flags.quiet || flags.json || !isInteractive(stderr)) return () => {};
  let last = 0;
  return (first: number, count: number, token: number) => {
    const now = Date.now();
    const done = first + count >= n && token === codes - 1;
    if (now - last < 100 && !done) return;
    last = now;
    const share = (first + (count * (token + 1)) / codes) / n;
    stderr.write(done ? '\r\x1b[K' : `\r\x1b[Kdrawing codes ${Math.floor(share * 100)}%`);
  };
}
