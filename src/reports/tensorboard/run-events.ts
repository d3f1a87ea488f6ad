/** Writes a run's losses, metrics and images as event files, which TensorBoard shows while the run goes on. */
import { appendFileSync, mkdirSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { LogEvent, TrainingEvent } from '../../runs/events.js';
import { encodeEvent, recordOf, type EventContent } from './event.js';

/** Folder of the event files in a run. */
export const tensorboardFolder = 'tensorboard';

/** The event file of a run from its start, or from where it was resumed, to its end. */
export class RunEvents {
  readonly #run: string;
  readonly #now: () => number;
  #file: string | null = null;

  /** @param now returns the time in milliseconds since 1970 */
  constructor(run: string, now: () => number = Date.now) {
    this.#run = run;
    this.#now = now;
  }

  /** Writes the parts of an event of the run that TensorBoard shows. @throws the system's error */
  async take(event: TrainingEvent): Promise<void> {
    if (event.type === 'start') this.#begin(event.step);
    else if (event.type === 'log') this.#write({ scalars: scalarsOf(event) }, event.step);
    else if (event.type === 'end' && event.metrics) {
      this.#write({ scalars: named('final', event.metrics) }, event.step);
    } else if (event.type === 'images') {
      for (const { kind, path } of picturesBeside(event.path)) {
        this.#write({ image: { tag: `images/${kind}`, png: await readFile(path) } }, event.step);
      }
    }
  }

  #begin(step: number): void {
    const folder = join(this.#run, tensorboardFolder);
    mkdirSync(folder, { recursive: true });
    // TensorBoard reads the files of a folder in the order of their names, and only those with this word.
    const at = (this.#now() / 1000).toFixed(3).padStart(14, '0');
    this.#file = join(folder, `events.out.tfevents.${at}.${hostname()}.${process.pid}`);
    this.#write({ version: true }, 0);
    if (step > 0) this.#write({ restart: true }, step + 1);
  }

  #write(content: EventContent, step: number): void {
    if (this.#file === null) return;
    appendFileSync(this.#file, recordOf(encodeEvent(content, { step, time: this.#now() / 1000 })));
  }
}

const named = (group: string, values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));

function scalarsOf({ losses, metrics = {}, ...event }: LogEvent): Record<string, number> {
  const { learningRate, stepsPerSecond, imagesPerSecond, dataWait } = event;
  return {
    ...named('train', { ...losses, learningRate }),
    ...named('held-out', metrics),
    ...named('speed', { stepsPerSecond, imagesPerSecond, dataWait }),
  };
}

/** Returns the images of the same step as one, which it is among, by their kinds: `samples-0000012.png` is of samples. */
function picturesBeside(path: string): { kind: string; path: string }[] {
  const ending = /-\d+\.png$/.exec(path)?.[0];
  if (ending === undefined) return [];
  return readdirSync(dirname(path))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({ kind: name.slice(0, -ending.length), path: join(dirname(path), name) }));
}
