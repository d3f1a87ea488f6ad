/** Implementation of `tessera-torch launch`. Does not load libtorch. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { isFile } from '../../../files/look.js';
import { INTERRUPTED, USAGE } from '../../exit-codes.js';
import type { LaunchFlags } from './command.js';

/** Milliseconds that the other processes have to end by themselves when one has failed. */
const GRACE = 10_000;

/** Thrown if one of the processes fails; the message says which one and how it ended. */
export class LaunchError extends Error {
  override name = 'LaunchError';
}

interface Ended {
  rank: number;
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Starts a command in several processes, passes signals on to them, and waits for all. Sets the exit code.
 *
 * @throws LaunchError if one of them fails; the others are ended then
 */
export async function launch(
  args: readonly string[],
  { processes, port, timeout }: LaunchFlags,
): Promise<void> {
  const meeting = {
    WORLD_SIZE: String(processes),
    LOCAL_WORLD_SIZE: String(processes),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port ?? (await freePort())),
    ...(timeout !== undefined && { TESSERA_TIMEOUT: String(timeout) }),
  };
  const [first = ''] = args;
  const program = /\.[cm]?[jt]s$/.test(first) && isFile(first) ? args : [process.argv[1]!, ...args];
  const children = Array.from({ length: processes }, (_, rank) => start(program, rank, meeting));
  const pass = passSignals(children);
  const failed = await firstFailure(children, pass);
  pass.end();
  if (pass.interrupted()) process.exitCode = INTERRUPTED;
  else if (failed?.code === USAGE) process.exitCode = USAGE;
  else if (failed) {
    const how = failed.signal === null ? `with exit code ${failed.code}` : `by ${failed.signal}`;
    throw new LaunchError(
      `process ${failed.rank} of ${processes} ended ${how}, and the others were ended with it: see the output above`,
    );
  }
}

/** Starts one process, in a group of its own: Ctrl-C in a terminal would reach it a second time. */
function start(program: readonly string[], rank: number, meeting: NodeJS.ProcessEnv): ChildProcess {
  const env = { ...process.env, ...meeting, RANK: String(rank), LOCAL_RANK: String(rank) };
  const output = rank === 0 ? ('inherit' as const) : ('pipe' as const);
  const child = spawn(process.execPath, [...process.execArgv, ...program], {
    env,
    detached: true,
    // The channel tells them if this process dies.
    stdio: ['ignore', output, output, 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface(stream).on('line', (line) => process.stderr.write(`[${rank}] ${line}\n`));
  }
  return child;
}

function passSignals(children: readonly ChildProcess[]) {
  let interrupted = false;
  const pass = (signal: NodeJS.Signals) => {
    interrupted = true;
    for (const child of children) child.kill(signal);
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, pass);
  return {
    interrupted: () => interrupted,
    end() {
      for (const name of names) process.off(name, pass);
    },
  };
}

/** Waits for all; when one has failed, ends those that do not end by themselves. Returns the first that failed. */
async function firstFailure(
  children: readonly ChildProcess[],
  { interrupted }: { interrupted(): boolean },
): Promise<Ended | null> {
  let failed: Ended | null = null;
  let patience: NodeJS.Timeout | undefined;
  const endAll = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  const ends = children.map(async (child, rank) => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (code === 0 || interrupted()) return;
    failed ??= { rank, code, signal };
    patience ??= setTimeout(endAll, GRACE);
  });
  try {
    await Promise.all(ends);
  } finally {
    clearTimeout(patience);
    // Also if a process could not be started.
    endAll();
  }
  return failed;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
