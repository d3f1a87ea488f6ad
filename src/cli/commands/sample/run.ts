/** Implementation of `tessera-torch sample`, after the command line is parsed. Loads libtorch. */
import { join } from 'node:path';
import { lowResolutionOf } from '../../../data/fields/low-resolution.js';
import { isFile } from '../../../files/look.js';
import { describeRun } from '../../../runs/open.js';
import * as torch from '../../../torch/index.js';
import { byteProgress } from '../../byte-progress.js';
import { interruptSignal } from '../../interrupt.js';
import { sourceOf } from '../../model-flags.js';
import { countOf, duration } from '../../numbers.js';
import type { SampleFlags } from './command.js';
import { chooseConditions } from './condition.js';
import { drawer, type OnCells } from './draw.js';
import { SampleFiles } from './files.js';
import { choosePhoto } from './photo.js';
import { batchOf, planImages } from './pictures.js';
import { progressOf } from './progress.js';
import { checkTogether, drawSettings, imageRecipe } from './settings.js';
import { drawnSize } from './size.js';
import { Watcher } from './watch.js';
import { checkWindow } from './window.js';

export async function sample(run: string, flags: SampleFlags): Promise<void> {
  checkTogether(flags);
  const signal = interruptSignal();
  const described = await describeRun(sourceOf(run, flags), 'transformer');
  const { model, config, classes } = described;
  const { precision = 'float32', seed } = flags;
  const photo = await choosePhoto(model, flags, config.data.size);
  const fitted = photo && ([photo.image.shape[3]!, photo.image.shape[2]!] as const);
  const area = drawnSize(model, config.data.size, flags.size ?? fitted ?? undefined);
  const conditions = await chooseConditions(model, flags, {
    size: area.size,
    names: classes,
    run,
    low: lowResolutionOf(config.data),
  });
  const { pick, filters, guidance } = drawSettings(model, flags, { config, run });
  checkWindow(model, area, conditions, run);
  // After all checks, as the weights of a large model take minutes.
  const reading = byteProgress(flags);
  const { step, device, ema } = await described.load(flags.device, reading.tell).finally(reading.end);
  model.transformer.to(precision);
  const recipe = {
    command: 'sample',
    run,
    step,
    ...(ema && { ema }),
    ...filters,
    ...guidance,
    seed,
    batch: flags.batch,
    precision,
    ...imageRecipe(flags),
  };
  const out = flags.out ?? (isFile(run) ? 'samples' : join(run, 'samples'));
  const planned = planImages(conditions, flags);
  const each = planned.length / conditions.length;
  const files = new SampleFiles(flags, { out, recipe, each, conditions: conditions.length });
  const progress = progressOf(flags, planned.length, area.grid[0] * area.grid[1]);
  const generator = new torch.Generator(device);
  generator.manualSeed(seed);
  using drawing = drawer(model, area, { ...pick, generator }, photo);
  const watcher = new Watcher(flags, { model, area, photo, files });
  const started = performance.now();
  for (let first = 0; first < planned.length; first += flags.batch) {
    signal.throwIfAborted();
    const together = planned.slice(first, first + flags.batch);
    watcher.begin(together);
    const drawn = torch.scope(() => {
      let done = 0;
      const onCells: OnCells = (cells, tokens) => {
        progress(first, together.length, (done += cells.length));
        watcher.add(cells, tokens);
      };
      const { images, decoded } = drawing.draw({ ...batchOf(together), onCells });
      return { images: images.to('cpu'), ...(flags.raw && decoded && { decoded: decoded.to('cpu') }) };
    });
    progress(first + together.length, 0, 0);
    watcher.end(drawn.images);
    await files.add(together, drawn);
    // Sampling is synchronous: a signal such as Ctrl-C needs a turn of the event loop.
    await new Promise(setImmediate);
  }
  await files.finish();
  await watcher.save();
  if (flags.json || flags.quiet) return;
  const seconds = duration((performance.now() - started) / 1000);
  const count = countOf(planned.length, 'image');
  const of = conditions.length > 1 ? ` of ${conditions.length} classes` : conditions[0]!.described;
  const seeds = flags.seeds ? `seeds ${flags.seeds.join(',')}` : `seed ${seed}`;
  process.stdout.write(
    `${count}${of} in ${seconds} (${seeds}, top-k ${filters.topK}, temperature ${filters.temperature}): ` +
      `${flags.grid ? files.paths[0] : out}\n`,
  );
}
