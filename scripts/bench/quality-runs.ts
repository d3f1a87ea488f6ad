// The trainings that quality.ts compares: what they are asked for, and what is kept of them.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codebookUse, loadCheckpoint, psnr, torch } from 'tessera-torch';
import { replaceNow } from '../../src/files/atomic-file.js';

export type ArmName = 'ours' | 'theirs';

/** A training of one arm. */
export interface Run {
  arm: ArmName;
  rate: number;
  seed: number;
}

/** What an arm reads from its command line; everything else is in the folder. */
export interface Request extends Partial<Run> {
  /** `initial`: losses of the first batch under the seed's initial weights; `train`: a whole training. */
  ask: 'initial' | 'train';
  folder: string;
  /** The arm's own folder, which it fills. */
  out: string;
  seed: number;
  steps: number;
  batch: number;
  threads: number;
}

/** Losses of the first batch, before any update. */
export type Losses = Record<'nll' | 'codebook' | 'generator' | 'discriminator' | 'weight', number>;

/** Metrics of held-out images. */
export interface Quality {
  psnr: number;
  perplexity: number;
  /** Number of distinct codes. */
  used: number;
}

/** What is kept of a finished training. */
export interface Finished extends Run {
  seconds: number;
  quality: Quality;
  /** With averaged weights; only ours. */
  averaged?: Quality;
}

/** The folder of a benchmark: images, initial weights, and a JSON file for each thing that is finished. */
export class Records {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  read<T>(name: string): T | null {
    const path = this.path(`${name}.json`);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : null;
  }

  /** Writes a record, which is whole or not there. */
  write(name: string, value: unknown): void {
    replaceNow(this.path(`${name}.json`), `${JSON.stringify(value, null, 2)}\n`);
  }

  /** Compares the settings with those of the records that are there. @throws Error that names the difference */
  settle(settings: Record<string, number>): void {
    const before = this.read<Record<string, number>>('settings');
    if (before === null) return this.write('settings', settings);
    for (const [name, value] of Object.entries(settings)) {
      if (before[name] === value) continue;
      throw new Error(
        `${this.folder} holds runs with --${name} ${before[name]}, not ${value}: give the same, or another --folder`,
      );
    }
  }
}

export const nameOf = ({ arm, rate, seed }: Run): string => `${arm}-rate${rate}-seed${seed}`;

/** Measures reconstructions that an arm has saved, by the same code for both arms. */
export async function measure(records: Records, out: string, codes: number): Promise<Quality> {
  using images = await loadCheckpoint(records.path('images.pt'));
  using found = await loadCheckpoint(records.path(out));
  const original = images.tensors.get('heldOut')!;
  const [image, ids] = [found.tensors.get('images')!, found.tensors.get('codes')!];
  const decibels = torch.scope(() => psnr(original.to('float32').div(127.5).sub(1), image));
  const { perplexity, used } = codebookUse(ids, codes);
  torch.dispose([original, image, ids]);
  return { psnr: decibels.reduce((sum, value) => sum + value, 0) / decibels.length, perplexity, used };
}
