/** The group of all processes: joining and leaving it. */
import { ArgumentError, NotImplementedError, translate } from '../core/errors.js';
import { setPeers } from '../core/processes.js';
import type { NativeGroup } from '../native/distributed-binding.js';
import { libtorch, native } from '../native/load.js';
import { meetingOf, type ProcessGroupOptions } from './meeting.js';

interface Joined {
  group: NativeGroup;
  rank: number;
  worldSize: number;
}

let joined: Joined | null = null;
let joining = false;
let groups = 0;

/**
 * Joins the processes that train together; PyTorch's `init_process_group`. By default it reads the variables that
 * torchrun and `tessera-torch launch` set: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Resolves when all processes
 * have connected to each other. There is one group for each process (or worker thread).
 *
 * Connections are neither encrypted nor authenticated: use them in trusted networks only, as with PyTorch.
 *
 * @throws DistNetworkError, DistStoreError or DistBackendError if not all processes came within the timeout
 * @throws ArgumentError for a missing or contradictory setting
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup(); // in each process of `tessera-torch launch`
 * console.log(`process ${torch.distributed.rank()} of ${torch.distributed.worldSize()}`);
 * torch.distributed.destroyProcessGroup();
 * ```
 */
export async function initProcessGroup(options: ProcessGroupOptions = {}): Promise<void> {
  const { host, port, rank, worldSize, timeout } = meetingOf(options);
  checkVersion();
  if (joined !== null || joining) {
    throw new ArgumentError('initProcessGroup was already called: call destroyProcessGroup first');
  }
  setPeers({ rank, worldSize, timeout, address: port === 0 ? host : `${host}:${port}` });
  joining = true;
  try {
    const prefix = `tessera/${process.env['TORCHELASTIC_RESTART_COUNT'] ?? 0}/${groups++}`;
    const milliseconds = Math.ceil(timeout * 1000);
    const group = await native.distributed.openGroup(host, port, rank, worldSize, milliseconds, prefix);
    joined = { group, rank, worldSize };
  } catch (error) {
    const failure = error as Error;
    failure.message = `not all of the ${worldSize} processes have connected: ${failure.message}`;
    throw translate(failure, 'distributed.initProcessGroup');
  } finally {
    joining = false;
  }
}

/** The classes of c10d differ between versions of libtorch, and unlike operators have no schemas that say how. */
function checkVersion(): void {
  const minor = (version: string) => version.split('.').slice(0, 2).join('.');
  const against = native.builtAgainst();
  if (minor(against) === minor(libtorch.version)) return;
  throw new NotImplementedError(
    `process groups need the libtorch that the addon was built against, ${against}, but ${libtorch.version} is loaded; ` +
      'run: npx tessera-torch setup --build',
  );
}

/** Leaves the group. Operations that are still running end first. Does nothing without a group. */
export function destroyProcessGroup(): void {
  if (joined === null) return;
  native.distributed.closeGroup(joined.group);
  joined = null;
}

/** True between {@link initProcessGroup} and {@link destroyProcessGroup}. */
export function isInitialized(): boolean {
  return joined !== null;
}

/** Returns the number of this process in the group, from 0; 0 without a group. PyTorch's `get_rank`. */
export function rank(): number {
  return joined?.rank ?? 0;
}

/** Returns the number of processes in the group; 1 without a group. PyTorch's `get_world_size`. */
export function worldSize(): number {
  return joined?.worldSize ?? 1;
}

/** Returns the group for an operation. @throws ArgumentError without one */
export function groupFor(operator: string): NativeGroup {
  if (joined !== null) return joined.group;
  throw new ArgumentError(
    `${operator}: the process group is not initialized: call await initProcessGroup() first`,
    {
      operator,
    },
  );
}
