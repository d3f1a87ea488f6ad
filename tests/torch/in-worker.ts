import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

/** A worker with the package loaded as `torch`, `nn` and the rest, which runs texts of code one after the other. */
export class TorchWorker {
  readonly #worker: Worker;

  constructor(options: { env?: NodeJS.ProcessEnv } = {}) {
    const code = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(entry)}).then((tessera) => {
        parentPort.on('message', async (text) => {
          try {
            const run = new Function('tessera', 'const { torch, nn, F, optim } = tessera; return ' + text);
            parentPort.postMessage({ result: await run(tessera) });
          } catch (error) {
            parentPort.postMessage({ error: String(error) });
          }
        });
      });`;
    this.#worker = new Worker(code, { eval: true, execArgv: [], ...options });
  }

  /** The value of an expression there. */
  async run(expression: string): Promise<unknown> {
    this.#worker.postMessage(expression);
    const [{ result, error }] = (await once(this.#worker, 'message')) as [
      { result?: unknown; error?: string },
    ];
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
