// Synthesis demo, given 45 minutes on two cores: trains small models on the built-in scenes, draws for classes, maps, low
// resolutions, layouts, holes and wide scenes, measures how well the images fit, and writes a gallery page.
import { interruptible, TransformerTrainer, VqganTrainer } from 'tessera-torch';
import { writeGallery, type Section } from './gallery.js';
import { drawClasses } from './kinds/classes.js';
import { drawCompletions } from './kinds/completion.js';
import { drawLayouts } from './kinds/layouts.js';
import { drawMaps } from './kinds/maps.js';
import { drawPanoramas } from './kinds/panorama.js';
import { drawSuperResolution } from './kinds/super-resolution.js';
import { measureLabeller, trainLabeller } from './labeller.js';
import { plans, size } from './models.js';
import { trainPanorama } from './panorama-training.js';
import {
  kinds,
  minutesFor,
  openFolder,
  readOptions,
  tasks,
  tasksOf,
  usage,
  type Kind,
  type SynthesisOptions,
  type TaskName,
} from './options.js';
import { drawScenes } from './scenes.js';
import { runOf, type Studio } from './studio.js';
import { fail, follow, say, seconds } from './terminal.js';

const drawings: Record<Kind, (studio: Studio) => Promise<Section>> = {
  class: drawClasses,
  segmentation: (studio) => drawMaps(studio, 'segmentation'),
  depth: (studio) => drawMaps(studio, 'depth'),
  completion: drawCompletions,
  'super-resolution': drawSuperResolution,
  layout: drawLayouts,
  panorama: drawPanoramas,
};

/** Runs the demo with the arguments of the command line. */
export async function synthesis(args: readonly string[]): Promise<void> {
  const options = orEnd(2, `\n\n${usage}`, () => readOptions(args));
  if (options === null) return console.log(usage);
  orEnd(1, '', () => openFolder(options));
  const { signal, release } = interruptible();
  try {
    await runAll(options, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  release();
  if (!signal.aborted) return;
  console.log(`stopped; everything so far is in ${options.out}`);
  process.exitCode = 130;
}

/** Returns what a function returns, or ends the process with its error. */
function orEnd<T>(code: number, ending: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return fail(code, `error: ${(error as Error).message}${ending}`);
  }
}

/** Trains what each kind needs, draws it, and rewrites the page. */
async function runAll(options: SynthesisOptions, signal: AbortSignal): Promise<void> {
  const { out, quick } = options;
  const wide = options.kinds.includes('panorama');
  const counts = {
    whole: quick ? 1024 : 3072,
    heldOut: 128,
    pieces: wide ? (quick ? 48 : 240) : 0,
    panoramas: wide ? 1 : 0,
  };
  say(`drawing ${counts.whole} scenes, ${counts.heldOut} held-out ones and ${counts.pieces} larger ones`);
  const studio: Studio = {
    out,
    quick,
    scenes: await drawScenes(counts, signal),
    labeller: null,
    scores: null,
    panorama: null,
  };
  const sections = new Map<Kind, Section>();
  const steps: Partial<Record<TaskName, number>> = {};
  const left = tasksOf(options.kinds);
  for (const [i, kind] of options.kinds.entries()) {
    for (const task of kinds[kind].needs.filter((name) => left.includes(name))) {
      const rest = [task, ...left.filter((name) => name !== task)];
      const minutes = minutesFor({
        minutes: options.minutes - seconds() / 60,
        trainings: rest,
        drawings: options.kinds.slice(i),
        quick,
      });
      say(tasks[task].title);
      steps[task] = await trainOne(task, studio, { ...options, minutes }, signal);
      signal.throwIfAborted();
      left.splice(left.indexOf(task), 1);
    }
    say(`drawing: ${kind}`);
    const section = await drawings[kind](studio);
    sections.set(kind, section);
    signal.throwIfAborted();
    const facts = { quick, minutes: options.minutes, seconds: seconds(), steps, labeller: studio.scores };
    const page = await writeGallery(out, sections, { lead: leadOf(quick), facts });
    printFigures(section);
    if (i === options.kinds.length - 1) say(`done; open ${page}`);
  }
}

/** Runs a training; returns its number of steps. */
async function trainOne(
  task: TaskName,
  studio: Studio,
  { quick, bySteps, minutes }: Pick<SynthesisOptions, 'quick' | 'bySteps' | 'minutes'>,
  signal: AbortSignal,
): Promise<number> {
  const { out, scenes } = studio;
  const steps = tasks[task][quick ? 'quickSteps' : 'steps'];
  const length = { steps: bySteps ? steps : Infinity, minutes, signal };
  if (task === 'panorama') {
    const { net, taken } = await trainPanorama(out, scenes.pieces, length);
    studio.panorama = net;
    return taken;
  }
  if (task === 'labeller') {
    studio.labeller = await trainLabeller(scenes.whole.train, length);
    if (studio.labeller) studio.scores = await measureLabeller(studio.labeller, scenes.whole.heldOut);
    return steps;
  }
  const { stage, model, training } = plans[task];
  const { vqgan, condition, ...settings } = training;
  const config = {
    model,
    data: { path: 'scenes', size },
    training: {
      ...settings,
      ...(vqgan && { vqgan: runOf(out, vqgan as TaskName) }),
      ...(condition && { condition: runOf(out, condition as TaskName) }),
      ...(bySteps && { steps }),
      minutes,
      threads: Number(process.env['OMP_NUM_THREADS']) || 'auto',
      imagesEvery: '60m',
      saveEvery: '60m',
    },
  };
  const split = stage === 'vqgan' ? scenes.all : scenes.whole;
  const Trainer = stage === 'vqgan' ? VqganTrainer : TransformerTrainer;
  const trainer = await Trainer.create(config, { run: runOf(out, task), images: split });
  return (await follow(trainer, signal, { rate: true })).step;
}

function leadOf(quick: boolean): string {
  const time = `${Math.floor(seconds() / 60)} minutes ${Math.round(seconds() % 60)} seconds`;
  return (
    `One VQGAN of images, VQGANs of maps, and a transformer of 4 layers and width 128 for each kind, trained in ${time} on ` +
    `this machine${quick ? ' with --quick: shorter training, poorer images and fewer conditions than without' : ''}.`
  );
}

function printFigures({ figures }: Section): void {
  for (const { name, text, aim, note, reached } of figures) {
    const mark = reached === undefined ? ' ' : reached ? '✓' : '✗';
    const remark = [note, aim && `aim: ${aim}`].filter(Boolean).join('; ');
    console.log(`${mark} ${name.padEnd(54)} ${text.padStart(10)}  ${remark}`);
  }
}
