/** Where processes meet, from options and from the environment variables that launchers set. */
import { ArgumentError } from '../core/errors.js';

/** Options of {@link initProcessGroup}, by PyTorch's names. */
export interface ProcessGroupOptions {
  /** Library that carries the data; `gloo` is the only one so far. Default `gloo`. */
  backend?: 'gloo';
  /**
   * Where the processes meet: `env://` reads MASTER_ADDR and MASTER_PORT, `tcp://host:port` names them, and
   * `file:///path` is a new file that all of them see. Default `env://`.
   */
  initMethod?: string;
  /** Number of this process, from 0. Default RANK. */
  rank?: number;
  /** Number of processes. Default WORLD_SIZE. */
  worldSize?: number;
  /** Seconds to wait for other processes, at the start and in each operation. Default 1,800, as in PyTorch. */
  timeout?: number;
}

/** Environment variables. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** A place to meet: a path if the port is 0. */
export interface Meeting {
  host: string;
  port: number;
  rank: number;
  worldSize: number;
  timeout: number;
}

/** The variables that torchrun, Slurm's launchers and `tessera-torch launch` set for every process. */
const RANK = 'RANK';
const WORLD_SIZE = 'WORLD_SIZE';

/** True if the environment says that this process is one of several, or the only one of a launcher. */
export function launched(env: Variables = process.env): boolean {
  return env[RANK] !== undefined && env[WORLD_SIZE] !== undefined;
}

/** Returns an integer of at least 0 from the environment. @throws ArgumentError with the variable and what it holds */
export function integerIn(env: Variables, name: string): number {
  const text = env[name];
  if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  throw new ArgumentError(
    `the environment variable ${name} must be an integer of at least 0, ${text === undefined ? 'but is not set' : `not '${text}'`}: ` +
      'start the processes with "tessera-torch launch" or torchrun, or pass rank, worldSize and initMethod',
  );
}

/** Returns where the processes meet. @throws ArgumentError for a missing or contradictory setting */
export function meetingOf(options: ProcessGroupOptions, env: Variables = process.env): Meeting {
  const { backend = 'gloo', timeout = 1800, initMethod = 'env://' } = options;
  if (backend !== 'gloo')
    throw new ArgumentError(`initProcessGroup: backend must be 'gloo', not '${String(backend)}'`);
  if (!(timeout > 0) || timeout > 1e9)
    throw new ArgumentError(`initProcessGroup: timeout must be a number of seconds above 0, not ${timeout}`);
  const rank = options.rank ?? integerIn(env, RANK);
  const worldSize = options.worldSize ?? integerIn(env, WORLD_SIZE);
  if (
    !Number.isSafeInteger(worldSize) ||
    worldSize < 1 ||
    !Number.isSafeInteger(rank) ||
    rank < 0 ||
    rank >= worldSize
  ) {
    throw new ArgumentError(
      `initProcessGroup: rank must be an integer from 0 to worldSize − 1, got rank ${rank} and worldSize ${worldSize}`,
    );
  }
  return { ...placeOf(initMethod, env), rank, worldSize, timeout };
}

function placeOf(initMethod: string, env: Variables): Pick<Meeting, 'host' | 'port'> {
  if (initMethod === 'env://') {
    const host = env['MASTER_ADDR'];
    if (!host) {
      throw new ArgumentError(
        'the environment variable MASTER_ADDR is not set: it is the host name of the process with rank 0, which ' +
          '"tessera-torch launch" and torchrun set',
      );
    }
    return { host, port: portOf(integerIn(env, 'MASTER_PORT'), 'MASTER_PORT') };
  }
  if (initMethod.startsWith('file:///')) return { host: initMethod.slice('file://'.length), port: 0 };
  const [, host, port] = /^tcp:\/\/(.+):(\d+)$/.exec(initMethod) ?? [];
  if (host !== undefined)
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: portOf(Number(port), 'initMethod') };
  throw new ArgumentError(
    `initProcessGroup: initMethod must be 'env://', 'tcp://host:port' or 'file:///path', not '${initMethod}'`,
  );
}

function portOf(port: number, name: string): number {
  if (port >= 1 && port <= 65_535) return port;
  throw new ArgumentError(`${name}: a port is a number from 1 to 65535, not ${port}`);
}
