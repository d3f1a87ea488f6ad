// Kinds of synthesis that the demo draws, trainings that they need, and flags. Does not load libtorch.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** A training: what it is for, its steps, those of `--quick`, and seconds it takes on two processors. */
export interface Task {
  title: string;
  steps: number;
  quickSteps: number;
  seconds: number;
}

/** Trainings in the order in which they are run. */
export const tasks = {
  image: {
    title: 'VQGAN of images: 48 × 48 pixels become 12 × 12 codes out of 256',
    steps: 2600,
    quickSteps: 600,
    seconds: 200,
  },
  labeller: {
    title:
      'network that labels images, to measure the samples with: learns from original scenes only, sharp and blurred',
    steps: 2000,
    quickSteps: 500,
    seconds: 60,
  },
  segmentationMaps: {
    title: 'VQGAN of segmentations: 48 × 48 labels become 12 × 12 codes out of 128',
    steps: 600,
    quickSteps: 250,
    seconds: 50,
  },
  depthMaps: {
    title: 'VQGAN of depth maps: 48 × 48 values become 12 × 12 codes out of 128',
    steps: 400,
    quickSteps: 150,
    seconds: 50,
  },
  class: { title: 'transformer: class → image', steps: 1200, quickSteps: 400, seconds: 60 },
  segmentation: { title: 'transformer: segmentation → image', steps: 3000, quickSteps: 500, seconds: 300 },
  depth: { title: 'transformer: depth → image', steps: 2600, quickSteps: 450, seconds: 270 },
  superResolution: {
    title: 'transformer: low resolution → image',
    steps: 1500,
    quickSteps: 250,
    seconds: 150,
  },
  layout: { title: 'transformer: layout → image', steps: 1500, quickSteps: 300, seconds: 90 },
  panorama: {
    title: 'transformer: class and segmentation → image, of windows of large scenes',
    steps: 4000,
    quickSteps: 350,
    seconds: 420,
  },
} satisfies Record<string, Task>;

export type TaskName = keyof typeof tasks;

/** Kinds of synthesis in the order of the page: what each needs, and seconds that drawing it takes. */
export const kinds = {
  class: { needs: ['image', 'labeller', 'class'], drawing: 35 },
  segmentation: { needs: ['image', 'labeller', 'segmentationMaps', 'segmentation'], drawing: 12 },
  depth: { needs: ['image', 'labeller', 'depthMaps', 'depth'], drawing: 12 },
  completion: { needs: ['image', 'class'], drawing: 20 },
  'super-resolution': { needs: ['image', 'superResolution'], drawing: 15 },
  layout: { needs: ['image', 'layout'], drawing: 12 },
  panorama: { needs: ['image', 'segmentationMaps', 'panorama'], drawing: 70 },
} satisfies Record<string, { needs: readonly TaskName[]; drawing: number }>;

export type Kind = keyof typeof kinds;
export const kindNames = Object.keys(kinds) as Kind[];

export const usage = `usage: npm run demo -- synthesis [--only KIND] [--quick] [--minutes M] [--out FOLDER]
  --only     draw one kind only, and train what it needs; may be repeated: ${kindNames.join(', ')}
  --quick    at most 10 minutes in all: shorter training, poorer images, fewer conditions
  --minutes  train as long as M minutes for everything allow, instead of a fixed number of steps (at most 45 minutes)
  --out      folder for everything, default demo-synthesis; an earlier demo there is replaced`;

export interface SynthesisOptions {
  kinds: readonly Kind[];
  quick: boolean;
  /** Minutes for everything. */
  minutes: number;
  /** True if trainings end after a number of steps, unless the time ends before. */
  bySteps: boolean;
  out: string;
}

/**
 * Reads the flags; null if help is asked for.
 * @throws RangeError or TypeError naming the flag
 */
export function readOptions(args: readonly string[]): SynthesisOptions | null {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const only = { ...text, multiple: true } as const;
  const options = { only, quick: yes, minutes: text, out: text, help: { ...yes, short: 'h' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.help) return null;
  const isKind = (name: string): name is Kind => Object.hasOwn(kinds, name);
  const wrong = values.only?.find((name) => !isKind(name));
  if (wrong !== undefined) {
    throw new RangeError(`--only must be one of ${kindNames.join(', ')}, not ${wrong}`);
  }
  const quick = values.quick ?? false;
  const minutes = Number(values.minutes ?? (quick ? 10 : 45));
  if (!(minutes > 0 && minutes < Infinity)) {
    throw new RangeError(`--minutes must be a number above 0, not ${values.minutes}`);
  }
  return {
    kinds: kindNames.filter((name) => values.only?.includes(name) ?? true),
    quick,
    minutes,
    bySteps: values.minutes === undefined,
    out: values.out ?? 'demo-synthesis',
  };
}

/** File of the metrics, by which an earlier demo is recognised. */
export const FIGURES = 'synthesis.json';

/**
 * Makes the folder, instead of that of an earlier demo.
 * @throws Error if something else is there
 */
export function openFolder({ out, ...options }: SynthesisOptions): void {
  if (existsSync(out) && !existsSync(join(out, FIGURES))) {
    throw new Error(`${out} exists and does not contain this demo; name another folder with --out`);
  }
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, FIGURES), `${JSON.stringify(options)}\n`);
}

/** Returns the trainings that some kinds need, each once. */
export function tasksOf(chosen: readonly Kind[]): TaskName[] {
  const needed = new Set(chosen.flatMap((kind): readonly TaskName[] => kinds[kind].needs));
  return (Object.keys(tasks) as TaskName[]).filter((name) => needed.has(name));
}

/** Seconds before and after each training: encoding all images, measuring, saving. */
const AROUND = 20;

export interface TimeLeft {
  /** Minutes until the demo is to end. */
  minutes: number;
  /** Trainings that are left, the next one first. */
  trainings: readonly TaskName[];
  /** Kinds that are not drawn yet. */
  drawings: readonly Kind[];
  /** With `--quick`, fewer images are encoded and drawn. */
  quick: boolean;
}

/**
 * Returns the minutes for the next training: what is left of the time, without that for drawing, in proportion to how long
 * each training usually takes.
 */
export function minutesFor({ minutes, trainings, drawings, quick }: TimeLeft): number {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const reserved = sum(drawings.map((kind) => kinds[kind].drawing)) + AROUND * trainings.length;
  const share = tasks[trainings[0]!].seconds / sum(trainings.map((name) => tasks[name].seconds));
  const free = minutes - (quick ? reserved / 2 : reserved) / 60;
  // Something must be trained, even if the machine is slow.
  return share * Math.max(free, 0.1 * minutes, 0.1);
}
