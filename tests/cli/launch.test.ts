import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { launch } from '../../src/cli/commands/launch/run.js';
import { packageRoot } from '../../src/files/package.js';
import { tessera, tesseraHere } from './tessera.js';

const main = join(packageRoot(), 'dist', 'cli', 'main.js');

/** A program of which `launch` starts several; without libtorch, so that they start quickly. */
function program(t: ExecutionContext, code: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-launch-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'program.mjs');
  writeFileSync(path, `const rank = Number(process.env.RANK);\n${code}`);
  return path;
}

const waits = `setInterval(() => {}, 1000); process.once('disconnect', () => process.exit(9));`;

test('every process gets its rank and the place where they meet, and the arguments', async (t) => {
  const path = program(
    t,
    `const { RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TESSERA_TIMEOUT } = process.env;
     console.log(JSON.stringify([RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TESSERA_TIMEOUT, ...process.argv.slice(2)]));`,
  );
  const args = [
    'launch',
    '--processes',
    '2',
    '--port',
    '29517',
    '--timeout',
    '7',
    '--',
    path,
    '--steps',
    '3',
  ];
  const { code, stdout, stderr } = await tessera(args);
  const line = (rank: string) =>
    JSON.stringify([rank, rank, '2', '2', '127.0.0.1', '29517', '7', '--steps', '3']);
  t.deepEqual([code, stdout, stderr], [0, `${line('0')}\n`, `[1] ${line('1')}\n`]);
});

const failures: [title: string, code: string, exit: number, message: RegExp][] = [
  [
    'a process that fails ends the launch, with its rank and exit code',
    `if (rank === 1) { console.error('out of luck'); process.exitCode = 3; }`,
    1,
    /\[1\] out of luck\n[^]*error: process 1 of 2 ended with exit code 3/,
  ],
  [
    'so does one that is killed, with the signal',
    `if (rank === 1) process.kill(process.pid, 'SIGKILL');`,
    1,
    /error: process 1 of 2 ended by SIGKILL/,
  ],
  ['wrong usage stays wrong usage', `process.exitCode = 2;`, 2, /^$/],
];
for (const [title, code, exit, message] of failures)
  test(title, async (t) => {
    const outcome = await tesseraHere(['launch', '--processes', '2', '--', program(t, code)]);
    t.is(outcome.code, exit);
    t.regex(outcome.stderr, message);
  });

/** Launches two processes of a program, sends signals when both have said that they are ready, and waits for its end. */
async function signalled(
  path: string,
  ...signals: NodeJS.Signals[]
): Promise<{ code: unknown; text: string }> {
  const child = spawn(process.execPath, [main, 'launch', '--processes', '2', '--', path]);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (more: Buffer) => {
      text += String(more);
      if (text.split('ready').length === 3) for (const signal of signals.splice(0)) child.kill(signal);
    });
  // Its output is the launched processes', too: it closes when all have ended.
  return { code: await new Promise((resolve) => child.on('close', resolve)), text };
}

/** Never reaches its event loop again, like a process that hangs in native code. */
const hangs = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;

for (const [sent, taken] of [
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGTERM'],
  ['SIGHUP', 'SIGTERM'],
] as const)
  test(`${sent} reaches every process once, as ${taken}, and the launch ends as interrupted`, async (t) => {
    const path = program(
      t,
      `let signals = 0;
       const wait = setInterval(() => {}, 1000);
       process.on('${taken}', () => { signals += 1; console.log('stopped', rank, signals); clearInterval(wait); process.exitCode = 130; });
       process.channel.unref();
       console.log('ready');`,
    );
    const { code, text } = await signalled(path, sent);
    t.is(code, 130);
    t.deepEqual(text.match(/stopped \d \d/g)?.sort(), ['stopped 0 1', 'stopped 1 1']);
  });

test('a second signal ends processes that hang, and the launch', async (t) => {
  const path = program(
    t,
    `import { writeSync } from 'node:fs';
     for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => {});
     writeSync(1, 'ready\\n');
     ${hangs}`,
  );
  // Of two kinds: two of the same kind may arrive as one.
  t.like(await signalled(path, 'SIGINT', 'SIGTERM'), { code: 130 });
});

test.serial(
  'once the first process has saved and ended, one that hangs does not keep the launch',
  async (t) => {
    const path = program(
      t,
      `import { writeFileSync } from 'node:fs';
     process.on('SIGTERM', () => process.exit(rank === 0 ? 130 : 7));
     writeFileSync(process.argv[1] + '.ready-' + rank, '');
     if (rank === 1) ${hangs}
     ${waits}`,
    );
    const { exitCode } = process;
    const folder = dirname(path);
    const changes = watch(folder);
    const ended = launch([path], { processes: 2 }, 1);
    for await (const _ of changes) if (readdirSync(folder).length === 3) break;
    process.emit('SIGTERM', 'SIGTERM');
    await ended;
    t.is(process.exitCode, 130);
    process.exitCode = exitCode;
  },
);

test('the processes are told if the launcher dies', async (t) => {
  const path = program(t, `${waits} console.log('ready');`);
  const child = spawn(process.execPath, [main, 'launch', '--processes', '1', '--', path]);
  child.stdout.once('data', () => child.kill('SIGKILL'));
  // Its output is the launched process's, too: it closes when both have ended.
  t.is(await new Promise((resolve) => child.on('close', (_, signal) => resolve(signal))), 'SIGKILL');
});
