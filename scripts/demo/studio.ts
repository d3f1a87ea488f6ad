// Everything that the kinds of synthesis draw with: the trained models, held-out scenes and the folder of the page.
import { join } from 'node:path';
import { openRun, torch, type Net2NetTransformer, type Tensor } from 'tessera-torch';
import type { Labeller, LabellerScores } from './labeller.js';
import { side } from './models.js';
import type { TaskName } from './options.js';
import type { DemoScenes } from './scenes.js';

export interface Studio {
  out: string;
  quick: boolean;
  scenes: DemoScenes;
  /** Trained if a kind needs it. */
  labeller: Labeller | null;
  scores: LabellerScores | null;
  /** Trained if panoramas are drawn. */
  panorama: Net2NetTransformer | null;
}

/** Code grid of an image. */
export const grid = [side, side] as const;

/** Returns the folder of a training's run. */
export const runOf = (out: string, task: TaskName): string => join(out, 'runs', task);

/** Opens the transformer of a training. */
export async function openTransformer({ out }: Studio, task: TaskName): Promise<Net2NetTransformer> {
  const { model } = await openRun(runOf(out, task), 'transformer', 'cpu');
  return model;
}

/** Returns the labeller of the demo. */
export function labellerOf({ labeller, scores }: Studio): { labeller: Labeller; scores: LabellerScores } {
  if (!labeller || !scores) throw new Error('the labeller has not been trained');
  return { labeller, scores };
}

/** Returns a generator of its own, so that an image depends on the weights and the seed alone. */
export function seeded(seed: number): torch.Generator {
  const generator = new torch.Generator('cpu');
  generator.manualSeed(seed);
  return generator;
}

/** Calls a function with rows [some, …] of the inputs, and joins what it returns. */
export async function inParts(inputs: Tensor, most: number, draw: (part: Tensor) => Tensor): Promise<Tensor> {
  const drawn: Tensor[] = [];
  for (const part of inputs.split(most)) {
    drawn.push(torch.noGrad(() => draw(part)));
    await new Promise(setImmediate); // A signal such as Ctrl-C needs a turn of the event loop.
  }
  return torch.cat(drawn);
}

/** Returns the mean of numbers. */
export const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
