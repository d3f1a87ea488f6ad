/**
 * Runs the parts of `scripts/gpu-check`, which builds everything needed and starts this. Each part runs the compared
 * arms alternately, in separate processes, and saves each measurement at once; `all` runs the parts in order.
 *
 * Exit codes: 0 measured, whatever the results; 1 failed, or tests failed; 2 usage; 3 no device to measure on.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import { runAll } from './all.js';
import { measureGpt } from './gpt.js';
import { measureHost } from './host.js';
import { Findings, parts, printTable } from './results.js';
import type { Part } from './results.js';
import type { Settings } from './rounds.js';
import { measureSampling } from './sample.js';
import { runSmoke } from './smoke.js';
import { hashOfSources } from './sources.js';
import { runTests } from './tests.js';
import { measureVqgan } from './vqgan.js';

const run: Record<Part, (settings: Settings, findings: Findings) => Promise<void>> = {
  smoke: runSmoke,
  tests: runTests,
  vqgan: measureVqgan,
  sample: measureSampling,
  gpt: measureGpt,
  host: measureHost,
};

const NO_DEVICE = 3;

/** Returns the reason why CUDA cannot be used; null if it can. */
function whyNoCuda(): string | null {
  try {
    torch.requireCuda();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Throws if the dist/ of a pack was built from other sources than those here. */
function checkPack(): void {
  const manifest = process.env['TESSERA_GPU_PACK'];
  if (!manifest) return;
  const { sources } = JSON.parse(readFileSync(manifest, 'utf8')) as { sources: string };
  if (sources === hashOfSources()) return;
  throw new Error('gpu-check: src/ has changed since .gpu-pack was made; run npm run gpu-pack again');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cuda:0' },
    tiny: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '420' },
    /** Results of an earlier run: its finished parts are kept, unfinished ones run first. */
    resume: { type: 'string' },
  },
});
const [name = ''] = positionals;
const { device, tiny } = values;

const seconds = Number(values.seconds);

if (name !== 'all' && !Object.hasOwn(run, name)) {
  console.error(`gpu-check: name one part: all, ${parts.join(', ')}; got '${name}'`);
  process.exitCode = 2;
} else if (!(seconds > 0)) {
  console.error(`gpu-check: --seconds must be a positive number, got '${values.seconds}'`);
  process.exitCode = 2;
} else {
  await measure(name);
}

async function measure(what: string): Promise<void> {
  checkPack();
  const reason = device.startsWith('cuda') ? whyNoCuda() : null;
  if (reason !== null) {
    console.log(`gpu-check ${what}: all is built and ready; a GPU is needed from here on: ${reason}`);
    process.exitCode = NO_DEVICE;
    return;
  }
  const settings: Settings = { device, tiny, seconds };
  if (what === 'all') {
    process.exitCode = (await runAll(settings, values.resume)) ? 0 : 1;
    return;
  }
  const command = ['scripts/gpu-check', ...process.argv.slice(2)].join(' ');
  const findings = new Findings(what as Part, command, tiny);
  try {
    await run[what as Part](settings, findings);
    findings.end('ran');
  } catch (error) {
    findings.note(`ended early by an error: ${(error as Error).message}`);
    findings.end('failed');
    console.error(error);
    process.exitCode = 1;
  }
  if (!process.env['TESSERA_GPU_CHECK_ALL']) printTable(tiny);
  const counts = what === 'tests' || what === 'smoke';
  if (counts && findings.rows.some(({ reached }) => reached === false)) process.exitCode = 1;
}
