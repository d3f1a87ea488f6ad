import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, fetch } from 'undici';
import type { Progress } from './progress.js';

const CONNECT_TIMEOUT = 4_000;
/** Limit from the request to the first byte of the answer: a proxy may accept a connection and then never answer. */
const ANSWER_TIMEOUT = 8_000;
const SILENCE_TIMEOUT = 30_000;
const ATTEMPTS = 3;

export interface DownloadOptions {
  /** Expected size, for the progress if the server does not send one. */
  bytes: number;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * Downloads one file, through a proxy if HTTPS_PROXY, HTTP_PROXY and NO_PROXY say so. An interrupted transfer is
 * resumed where it stopped; an address that cannot be reached fails within seconds.
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<void> {
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_TIMEOUT },
    proxyTls: { timeout: CONNECT_TIMEOUT },
    headersTimeout: SILENCE_TIMEOUT,
    bodyTimeout: SILENCE_TIMEOUT,
  });
  try {
    for (let attempt = 1; ; attempt++) {
      const before = await sizeOf(path);
      try {
        return await transfer(url, path, before, agent, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        // Only a transfer that had begun is worth another try.
        if (attempt === ATTEMPTS || (await sizeOf(path)) === before)
          throw new Error(reason(error), { cause: error });
        options.progress.line(`the download was interrupted (${reason(error)}); resuming`);
      }
    }
  } finally {
    await agent.destroy();
  }
}

async function transfer(
  url: string,
  path: string,
  offset: number,
  agent: EnvHttpProxyAgent,
  { bytes, progress, signal }: DownloadOptions,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('no answer in time')), ANSWER_TIMEOUT);
  const response = await fetch(url, {
    dispatcher: agent,
    headers: offset > 0 ? { range: `bytes=${offset}-` } : {},
    signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
  }).finally(() => clearTimeout(timer));
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
  }
  const resumed = response.status === 206;
  let done = resumed ? offset : 0;
  const length = Number(response.headers.get('content-length') ?? 0);
  const total = length > 0 ? done + length : bytes;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      progress.step('downloading', done, total);
      next(null, chunk);
    },
  });
  const target = createWriteStream(path, { flags: resumed ? 'a' : 'w' });
  await pipeline(Readable.fromWeb(response.body), counter, target, { signal });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

/** Returns the innermost message: undici wraps the informative one in `fetch failed`. */
function reason(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (inner instanceof AggregateError && inner.errors[0] instanceof Error) return inner.errors[0].message;
  return inner instanceof Error ? inner.message : String(inner);
}
