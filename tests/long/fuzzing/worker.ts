/**
 * Makes the calls of the fuzz in a process of its own: `worker.ts SEED FIRST END STATUS LOG [OVERLOAD]`. Before each call
 * its number goes into the status file; what is not as it should be goes into the log, one JSON line each.
 */
import { openSync, writeSync } from 'node:fs';
import * as torch from '../../../src/torch/index.js';
import { makeCall } from './call.js';
import { describeCall } from './text.js';
import { targets } from './targets.js';

const [seed, first, end, statusFile, logFile, overload] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string?,
];
const chosen = overload
  ? targets.filter(
      ({ name }) => name === overload || (overload.endsWith('*') && name.startsWith(overload.slice(0, -1))),
    )
  : targets;
if (chosen.length === 0) throw new Error(`no overload ${overload}`);
torch.setMemoryBudget(256 * 2 ** 20);
torch.setNumThreads(1);

const status = openSync(statusFile, 'w');
const log = openSync(logFile, 'a');
const place = new Float64Array(1);
const bytes = new Uint8Array(place.buffer);

if (process.env['FUZZ_SHOW']) {
  const call = makeCall(chosen, Number(seed), Number(first), ({ name }) => writeSync(1, `${name}: `));
  console.log(describeCall(call));
  process.exit(0);
}

function write(entry: object): void {
  writeSync(log, `${JSON.stringify(entry)}\n`);
}

/** Returns the fault of an error that is not as it should be; null if it is. */
function fault(error: unknown): string | null {
  if (!(error instanceof torch.TorchError))
    return `${(error as Error)?.constructor?.name}: ${String((error as Error)?.message)}`;
  if (error.operator === null) return `without operator: ${error.constructor.name}: ${error.message}`;
  return null;
}

const counts = { calls: 0, results: 0, errors: 0 };
const classes: Record<string, number> = {};
const worked = new Set<string>();
for (let number = Number(first); number < Number(end); number++) {
  place[0] = number;
  writeSync(status, bytes, 0, 8, 0);
  counts.calls++;
  const start = performance.now();
  try {
    torch.scope(() => {
      const call = makeCall(chosen, Number(seed), number);
      try {
        call.run();
        counts.results++;
        worked.add(call.target.name);
      } catch (error) {
        counts.errors++;
        const wrong = fault(error);
        const kind = (error as Error)?.constructor?.name ?? String(error);
        classes[kind] = (classes[kind] ?? 0) + 1;
        if (wrong)
          write({
            number,
            target: call.target.name,
            wrong: wrong.slice(0, 400),
            stack: String((error as Error)?.stack)
              .split('\n')
              .slice(1, 5)
              .join('|'),
          });
      }
    });
  } catch (error) {
    write({ number, target: 'the fuzz itself', wrong: String((error as Error)?.stack).slice(0, 800) });
  }
  const took = performance.now() - start;
  if (took > 1000) write({ number, slow: Math.round(took) });
}
write({ done: counts, classes, worked: [...worked] });
process.exit(0);
