/** `npm run test:cuda` as a part: every test counts. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Findings } from './results.js';
import { say } from './rounds.js';
import type { Settings } from './rounds.js';

export async function runTests({ device, tiny, seconds }: Settings, findings: Findings): Promise<void> {
  findings.conditions({ device, node: process.version });
  say('the tests of tests/cuda');
  const env = {
    ...process.env,
    FORCE_COLOR: '0',
    TESSERA_TEST_DEVICE: device,
    // Ten thousand steps take minutes; a thousand show a leak of a tensor a step as well.
    TESSERA_TEST_STEPS: tiny ? '20' : '1000',
    // Nothing is timed here: files share the device and the processors.
    TESSERA_TEST_JOBS: tiny ? '1' : '8',
  };
  const ava = join('node_modules', 'ava', 'entrypoints', 'cli.mjs');
  // Toys are what two processors manage.
  const files = tiny ? ['tests/cuda/group-norm.test.ts', 'tests/cuda/streams.test.ts'] : [];
  const child = spawn(process.execPath, [ava, '--config', 'tests/cuda/ava.config.mjs', ...files], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const overdue = setTimeout(() => child.kill('SIGINT'), 1000 * (seconds - 2));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(overdue);
  const marks = (pattern: RegExp) => output.match(pattern)?.length ?? 0;
  const passed = marks(/^ +✔ /gm);
  const failed = output.split('\n').filter((line) => line.startsWith('  ✘ '));
  const skipped = marks(/^ +- \[skip\] /gm);
  findings.keep('output', output);
  findings.row({
    what: 'tests that passed',
    value: passed,
    unit: `of ${passed + failed.length}`,
    bound: 'all',
    reached: code === 0 && failed.length === 0 && passed > 0,
  });
  findings.note(...failed.map((line) => line.trim()), ...(skipped > 0 ? [`${skipped} skipped`] : []));
  const memory = /resident memory grows .* a step/.exec(output)?.[0];
  if (memory) findings.note(memory);
  if (code !== 0 && failed.length === 0) {
    findings.note(`the run ended with ${code === null ? 'a signal' : `code ${code}`}`);
  }
}
