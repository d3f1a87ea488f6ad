/** Joining the processes that a launcher started, and what they have to agree on before a run is opened. */
import { interrupt } from '../../interrupt.js';
import * as torch from '../../../torch/index.js';
import { UsageError } from '../../usage-error.js';

const { distributed } = torch;

/** Joins the other processes if the environment says that there are any: see `tessera-torch launch`. */
export async function joinProcesses(): Promise<void> {
  if (!distributed.launched() || process.env['WORLD_SIZE'] === '1') return;
  const given = process.env['TESSERA_TIMEOUT'];
  if (given !== undefined && !(Number(given) > 0))
    throw new UsageError(`TESSERA_TIMEOUT must be a number of seconds above 0, not '${given}'`);
  stopWithLauncher();
  await distributed.initProcessGroup(given === undefined ? {} : { timeout: Number(given) });
}

/** Stops as Ctrl-C does if the launcher dies: nobody would be there to pass a signal on. */
function stopWithLauncher(): void {
  process.once('disconnect', () => void interrupt());
  process.channel?.unref();
}

/** True in the process that writes and prints. */
export const isFirst = (): boolean => distributed.rank() === 0;

/** Returns the text of the first process, which looked at the folders before any of them wrote. */
export function ofFirst(text: () => string): string {
  if (distributed.worldSize() === 1) return text();
  return torch.scope(() => {
    const bytes = Buffer.from(isFirst() ? text() : '');
    const length = torch.tensor([bytes.length], { dtype: 'int64' });
    distributed.broadcast(length, 0);
    const given = new Uint8Array(length.item());
    given.set(bytes);
    const all = torch.tensor(given);
    distributed.broadcast(all, 0);
    return Buffer.from(all.toTypedArray() as Uint8Array).toString();
  });
}

/** Leaves the group. */
export const leaveProcesses = (): void => distributed.destroyProcessGroup();
