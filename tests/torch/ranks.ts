import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TorchWorker } from './in-worker.js';

/** Ranks of a process group, each in a worker: a group belongs to its thread. */
export class Ranks {
  readonly workers: readonly TorchWorker[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'tessera-group-'));

  constructor(count = 2) {
    this.workers = Array.from({ length: count }, () => new TorchWorker());
  }

  /** Joins all of them in a group that waits so many seconds. */
  async join(timeout: number): Promise<void> {
    const initMethod = `file://${join(this.#folder, 'store')}`;
    const worldSize = this.workers.length;
    const options = (rank: number) => JSON.stringify({ initMethod, rank, worldSize, timeout });
    const joining = this.workers.map((worker, rank) =>
      worker.run(`torch.distributed.initProcessGroup(${options(rank)})`),
    );
    await Promise.all(joining);
  }

  /** Runs the body of an async function of (d, rank) in each, d being torch.distributed; what it returns, by rank. */
  run(body: string): Promise<unknown[]> {
    const call = (rank: number) => `(async (d, rank) => { ${body} })(torch.distributed, ${rank})`;
    return Promise.all(this.workers.map((worker, rank) => worker.run(call(rank))));
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker[Symbol.asyncDispose]()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
