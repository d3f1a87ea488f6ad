/** Implementation of `tessera-torch launch`. Does not load libtorch. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { onInterrupt } from '../../../files/interrupt.js';
import { isFile } from '../../../files/look.js';
import { INTERRUPTED, USAGE } from '../../exit-codes.js';
import type { LaunchFlags } from './command.js';

/** Milliseconds that the other processes have to end by themselves when one has failed, or has saved and ended. */
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
 * Starts a command in several processes, passes the first signal on to them, and waits for all. Sets the exit code.
 *
 * @throws LaunchError if one of them fails; the others are ended then
 */
export async function launch(
  args: readonly string[],
  { processes, port, timeout }: LaunchFlags,
  grace = GRACE,
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
  const failed = await firstFailure(children, pass, grace);
  pass.release();
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

/** Kills what is left of the processes. */
function endAll(children: readonly ChildProcess[]): void {
  for (const child of children) child.kill('SIGKILL');
}

/**
 * Passes the first signal on, so that the processes save and end; at the second, kills them and quits. A terminal that
 * closes (SIGHUP) ends them as SIGTERM does.
 */
function passSignals(children: readonly ChildProcess[]) {
  let interrupted = false;
  const { release } = onInterrupt(
    (signal) => {
      interrupted = true;
      for (const child of children) child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    },
    () => {
      endAll(children);
      process.exit(INTERRUPTED);
    },
    ['SIGINT', 'SIGTERM', 'SIGHUP'],
  );
  return { interrupted: () => interrupted, release };
}

/**
 * Waits for all. Those that do not end by themselves are killed after a while, when one has failed or, in an interrupted
 * launch, the first, which saves. Returns the first that failed.
 */
async function firstFailure(
  children: readonly ChildProcess[],
  { interrupted }: { interrupted(): boolean },
  grace: number,
): Promise<Ended | null> {
  let failed: Ended | null = null;
  let patience: NodeJS.Timeout | undefined;
  const ends = children.map(async (child, rank) => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (interrupted() ? rank > 0 : code === 0) return;
    if (!interrupted()) failed ??= { rank, code, signal };
    patience ??= setTimeout(() => endAll(children), grace);
  });
  try {
    await Promise.all(ends);
  } finally {
    clearTimeout(patience);
    // Also if a process could not be started.
    endAll(children);
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
