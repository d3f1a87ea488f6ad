import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type Answers, answersOf } from '../../scripts/same-as/old-run-answers.js';
import { OLD_RUNS, restoreOldRuns } from '../../scripts/same-as/old-runs.js';
import * as api from '../../src/index.js';

/**
 * Processors differ in how they round. Adam divides a gradient by its own size: where that is next to nothing, rounding
 * moves a weight by as much as the learning rate, which adds up in sums. npm run same-as compares to the bit, on one machine.
 */
const close = (key: string, value: number): number => (key === 'sums' ? 3e-2 : 2e-3) + 1e-3 * Math.abs(value);

/** The numbers that are not close to those recorded. */
function unlike(found: Answers, recorded: Answers): string[] {
  return Object.entries(recorded).flatMap(([key, values]) => {
    const own = found[key] ?? [];
    if (own.length !== values.length) return [`${key}: ${own.length} numbers, ${values.length} recorded`];
    return values.flatMap((value, i) =>
      Math.abs(own[i]! - value) <= close(key, value) ? [] : [`${key}[${i}]: ${own[i]}, recorded: ${value}`],
    );
  });
}

const recorded = JSON.parse(readFileSync(join(OLD_RUNS, 'answers.json'), 'utf8')) as Record<string, Answers>;
let found: Record<string, Answers>;

test.before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-old-runs-'));
  const place = process.cwd();
  try {
    restoreOldRuns(folder);
    // The runs name their images and first stages as seen from here.
    process.chdir(folder);
    found = await answersOf(api);
  } finally {
    process.chdir(place);
    rmSync(folder, { recursive: true, force: true });
  }
});

for (const name of Object.keys(recorded)) {
  test(`runs of version 0.1 give what they gave: ${name}`, (t) => {
    t.deepEqual(unlike(found[name]!, recorded[name]!), []);
  });
}
