import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const CALLS = '3000';

test('thousands of malformed calls end in results or in errors that name the operator', async (t) => {
  const { stdout } = await run(
    process.execPath,
    ['--import=tsx', 'tests/long/fuzz.ts', CALLS, '--seed', '20'],
    { encoding: 'utf8' },
  );
  t.regex(stdout, new RegExp(`^passed: ${CALLS} calls, 0 signals, 0 over 10 s, 0 files, 0 failures`, 'm'));
});
