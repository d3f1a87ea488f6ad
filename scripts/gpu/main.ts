/**
 * The parts of `scripts/gpu-check`, which builds what this needs and starts it. Each part takes less than eight minutes,
 * runs the arms that are compared in processes of their own and by turns, prints the table of all parts measured so far
 * last, and leaves its figures as JSON in $OUT or bench-results.
 *
 * Exit codes: 0 measured, whatever the figures; 1 failed, or tests failed; 2 usage; 3 no device to measure on.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import { measureGpt } from './gpt.js';
import { measureHost } from './host.js';
import { parts, printTable, writeResult } from './results.js';
import type { Findings, Part, Row } from './results.js';
import type { Settings } from './rounds.js';
import { measureSampling } from './sample.js';
import { hashOfSources } from './sources.js';
import { runTests } from './tests.js';
import { measureVqgan } from './vqgan.js';

const run: Record<Part, (settings: Settings, findings: Findings) => Promise<void>> = {
  tests: runTests,
  vqgan: measureVqgan,
  gpt: measureGpt,
  sample: measureSampling,
  host: measureHost,
};

const NO_DEVICE = 3;

/** What keeps CUDA from being used; null where nothing does. */
function whyNoCuda(): string | null {
  try {
    torch.requireCuda();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A pack's dist/ is of no use with other sources than it was made from. */
function checkPack(): void {
  const manifest = process.env['TESSERA_GPU_PACK'];
  if (!manifest) return;
  const { sources } = JSON.parse(readFileSync(manifest, 'utf8')) as { sources: string };
  if (sources === hashOfSources()) return;
  throw new Error('gpu-check: src/ has changed since .gpu-pack was made: run npm run gpu-pack again');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cuda:0' },
    tiny: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '440' },
  },
});
const [name = ''] = positionals;
const { device, tiny } = values;

const seconds = Number(values.seconds);

if (!Object.hasOwn(run, name)) {
  console.error(`gpu-check: name one part: ${parts.join(', ')}; got '${name}'`);
  process.exitCode = 2;
} else if (!(seconds > 0)) {
  console.error(`gpu-check: --seconds must be a positive number, got '${values.seconds}'`);
  process.exitCode = 2;
} else {
  await measure(name as Part);
}

async function measure(part: Part): Promise<void> {
  checkPack();
  const reason = device.startsWith('cuda') ? whyNoCuda() : null;
  if (reason !== null) {
    console.log(`gpu-check ${part}: all is built and ready; a GPU is needed from here on: ${reason}`);
    process.exitCode = NO_DEVICE;
    return;
  }
  const settings: Settings = { device, tiny, seconds };
  const command = ['scripts/gpu-check', ...process.argv.slice(2)].join(' ');
  const findings: Findings = { conditions: {}, rows: [], notes: [], raw: {} };
  try {
    await run[part](settings, findings);
  } catch (error) {
    findings.notes.push(`ended early by an error: ${(error as Error).message}`);
    console.error(error);
    process.exitCode = 1;
  }
  // What is promised is not promised of toys.
  const rows = findings.rows.map(({ bound, reached, ...row }): Row =>
    tiny && part !== 'tests'
      ? row
      : { ...row, ...(bound !== undefined && { bound }), ...(reached !== undefined && { reached }) },
  );
  writeResult({ part, date: new Date().toISOString(), command, ...findings, rows }, tiny);
  printTable(tiny);
  if (part === 'tests' && rows.some(({ reached }) => reached === false)) process.exitCode = 1;
}
