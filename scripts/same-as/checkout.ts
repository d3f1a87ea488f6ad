/** A built checkout, which answers through its command line, or through its public entry in a separate process. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as entry from '../../src/index.js';

/** The exports of the package. Only the types come from here: `ask.ts` imports the checkout in question. */
export type Api = typeof entry;

/** Answers of a checkout, by the name of the question. */
export type Rows = Record<string, string>;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

const ASKER = fileURLToPath(new URL('ask.ts', import.meta.url));
/** Milliseconds after which a process is killed; none takes a tenth of it. */
const LIMIT = 240_000;
const LOADER = import.meta.resolve('tsx');
const STILL_CLOCK = new URL('still-clock.mjs', import.meta.url).href;

/** Runs a program to its end, for which time stands still. */
function run(args: readonly string[], cwd: string): Promise<Outcome> {
  const child = spawn(process.execPath, [`--import=${STILL_CLOCK}`, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', OMP_NUM_THREADS: '1', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT,
  });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...outcome, code }));
  });
}

/** One of the checkouts that are compared. */
export class Checkout {
  /** Name in the output. */
  readonly name: string;
  /** Its folder. */
  readonly root: string;
  /** Its own working folder; the images for both lie in `../images` as seen from there. */
  readonly folder: string;
  #asked = 0;

  /** @throws Error if it is not built */
  constructor(name: string, root: string, folder: string) {
    this.name = name;
    this.root = root;
    this.folder = folder;
    for (const file of ['dist/index.js', 'dist/cli/main.js', 'build']) {
      if (existsSync(join(root, file))) continue;
      throw new Error(`${root} is not a built checkout: it has no ${file}; run npm ci there`);
    }
    mkdirSync(folder, { recursive: true });
  }

  /** Runs its command line, by default in its working folder. */
  tessera(args: readonly string[], folder: string = this.folder): Promise<Outcome> {
    return run([join(this.root, 'dist', 'cli', 'main.js'), ...args], folder);
  }

  /**
   * Runs a subject of `ask.ts` in a process that imports the public entry of this checkout, and returns the answer.
   * @throws Error with the output of the process if it failed
   */
  async ask(subject: string, input: unknown = null): Promise<Rows> {
    const answer = join(this.folder, `.answer-${this.#asked++}.json`);
    const args = [`--import=${LOADER}`, ASKER, this.root, subject, answer, JSON.stringify(input)];
    const { code, stderr } = await run(args, this.folder);
    if (code !== 0) throw new Error(`${this.name}: asking for ${subject} ended with ${code}:\n${stderr}`);
    const rows = JSON.parse(readFileSync(answer, 'utf8')) as Rows;
    rmSync(answer);
    return rows;
  }

  /** Returns the text with placeholders for parts that differ between checkouts or calls, such as paths. */
  masked(text: string): string {
    return text
      .replaceAll(this.folder, '<folder>')
      .replaceAll(join(this.folder, '..'), '<temp>')
      .replaceAll(this.root, '<package>')
      .trimEnd();
  }
}
