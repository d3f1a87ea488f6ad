import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startArm } from '../../scripts/bench/arms.js';
import { agreement, speedup, within } from '../../scripts/gpu/rounds.js';
import type { Part, PartResult, Results, Row } from '../../scripts/gpu/results.js';
import * as torch from '../../src/torch/index.js';

interface Ended {
  code: number | null;
  output: string;
}

async function ended(command: string, args: string[], environment: NodeJS.ProcessEnv): Promise<Ended> {
  const child = spawn(command, args, { env: { ...process.env, ...environment } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output };
}

/** Runs gpu-check without its build, which has been done by whoever runs this. */
const check = (...args: string[]) =>
  ended(process.execPath, ['build/tested/scripts/gpu/main.js', ...args], {});

const run = torch.cudaIsAvailable() ? test.skip : test.serial;
// Each of its parts: npm run test:long -- suite
run('all: without a GPU it says that it is ready and needs one', async (t) => {
  const { code, output } = await check('all');
  t.is(code, 3);
  t.regex(output, /^gpu-check all: all is built and ready; a GPU is needed .* CUDA is not available/m);
});

for (const args of [['everything'], [], ['--device', 'cpu']]) {
  test.serial(`without a part, ${JSON.stringify(args)}, it builds nothing and names the parts`, async (t) => {
    const { code, output } = await ended('scripts/gpu-check', args, {});
    t.is(code, 2);
    t.regex(output, /name one part first: all, smoke, tests, vqgan, sample, gpt, host, or table; got /);
  });
}

test.serial('a time that is none is refused before anything runs', async (t) => {
  const { code, output } = await check('host', '--seconds', 'long');
  t.is(code, 2);
  t.regex(output, /--seconds must be a positive number, got 'long'/);
});

test.serial('the table merges the parts that were measured, without libtorch', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-gpu-check-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const result = { date: '2026-11-23T12:00:00Z', conditions: { gpu: 'a GPU' }, notes: ['a note'], raw: {} };
  const host = { what: 'empty', value: 440, unit: 'ns', against: 'Python', theirs: 550, ratio: 0.8 };
  const sampling = { what: 'ms a token', value: 1.25, unit: 'ms', bound: 'aim 1.5', reached: true };
  const entry = (part: Part, row: Row): PartResult => ({
    ...result,
    part,
    status: 'complete',
    seconds: 9,
    command: `scripts/gpu-check ${part}`,
    rows: [row],
  });
  const results: Results = { host: entry('host', host), sample: entry('sample', sampling) };
  writeFileSync(join(folder, 'gpu-results.json'), JSON.stringify(results));
  const nowhere = { OUT: folder, LIBTORCH: '', TESSERA_ADDON: '', HOME: folder, XDG_CACHE_HOME: folder };
  const { code, output } = await ended(process.execPath, ['build/tested/scripts/gpu/table.js'], nowhere);
  t.is(code, 0);
  t.regex(output, /^sample +ms a token +1\.25 ms +aim 1\.5 +reached$/m);
  t.regex(output, /^host +empty +440 ns +Python 550 +0\.80×/m);
  t.regex(
    output,
    /^sample: complete after 9 s, 2026-11-23T12:00, scripts\/gpu-check sample; gpu a GPU\n {2}a note$/m,
  );
});

test('a speed-up is the median of the rounds’ own', (t) => {
  const round = (ours: number, theirs: number) => ({
    ours: { seconds: ours, host: 0 },
    theirs: { seconds: theirs, host: 0 },
  });
  t.deepEqual(speedup([round(1, 2), round(2, 6), round(1, 1)], 'ours', 'theirs'), {
    ratio: 2,
    lowest: 1,
    highest: 3,
  });
});

test('an arm that takes too long is an error, after which it can be ended', async (t) => {
  const arm = startArm(process.execPath, ['-e', 'process.stdin.resume()']);
  const answer = arm.ask('anything');
  await t.throwsAsync(within(0.05, answer), { message: /it took more than 0 s/ });
  arm.kill();
  await t.throwsAsync(answer, { message: /ended before it answered 'anything'/ });
  t.notThrows(() => arm.stop());
  t.is(await within(60, Promise.resolve(3)), 3);
});

test('arms that compute something else do not reach the bound', (t) => {
  const reached = (a: number[], b: number[], tolerance: number) =>
    agreement('losses', a, b, tolerance).reached;
  t.true(reached([1, 2], [1, 2], 0));
  t.true(reached([1, 2.01], [1, 2], 0.01));
  t.false(reached([1, 2.1], [1, 2], 0.01));
  t.false(reached([NaN], [1], 0.01));
  t.false(reached([1], [1, 2], 0.01));
});
