/** `npm run test:cuda` as a part: every test counts. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Findings } from './results.js';
import { say } from './rounds.js';
import type { Settings } from './rounds.js';

export async function runTests({ device, tiny, seconds }: Settings, findings: Findings): Promise<void> {
  findings.conditions = { device, node: process.version };
  say('the tests of tests/cuda');
  const env = {
    ...process.env,
    FORCE_COLOR: '0',
    TESSERA_TEST_DEVICE: device,
    ...(tiny && { TESSERA_TEST_STEPS: '100' }),
  };
  const ava = join('node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const child = spawn(process.execPath, [ava, '--config', 'tests/cuda/ava.config.mjs'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const overdue = setTimeout(() => child.kill('SIGINT'), 1000 * seconds);
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
  findings.rows.push({
    what: 'tests that passed',
    value: passed,
    unit: `of ${passed + failed.length}`,
    bound: 'all',
    reached: code === 0 && failed.length === 0 && passed > 0,
  });
  findings.notes.push(...failed.map((line) => line.trim()), ...(skipped > 0 ? [`${skipped} skipped`] : []));
  if (code !== 0 && failed.length === 0)
    findings.notes.push(`the run ended with ${code === null ? 'a signal' : `code ${code}`}`);
  findings.raw['output'] = output;
}
