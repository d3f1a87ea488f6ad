/**
 * `npm run test:long`: proofs that take minutes, by name.
 *
 *     npm run test:long -- --list       what there is
 *     npm run test:long -- gpu-check    one or more of them
 *     npm run test:long                 all, the quickest first
 *
 * Exit codes: 0 all passed, 1 one failed, 2 usage.
 */
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

interface LongTest {
  name: string;
  what: string;
  /** About how long it takes on two cores. */
  minutes: number;
  command: readonly [string, ...string[]];
  /** It compares with PyTorch: TESSERA_PYTHON, else python3, has to have it. */
  python?: boolean;
}

const script = (name: string): readonly [string, ...string[]] => ['npm', 'run', '-s', name];

/** The quickest first. */
export const longTests: readonly LongTest[] = [
  {
    name: 'gpu-check',
    what: 'every part of gpu-check with toys on the CPU, against PyTorch',
    minutes: 4,
    command: ['scripts/gpu-check', 'all', '--device', 'cpu', '--tiny', '--seconds', '420'],
    python: true,
  },
  {
    name: 'golden',
    what: 'every model against recorded values',
    minutes: 2,
    command: script('prove:golden'),
  },
  {
    name: 'exits',
    what: 'processes and workers that end while they compute',
    minutes: 4,
    command: script('prove:exits'),
  },
  { name: 'resume', what: 'runs killed at any moment', minutes: 10, command: script('prove:resume') },
  { name: 'flat', what: 'memory over 10,000 steps', minutes: 10, command: script('prove:flat') },
  {
    name: 'checkpoints',
    what: 'damaged and malicious files',
    minutes: 10,
    command: script('prove:checkpoints'),
  },
  {
    name: 'gradients',
    what: 'every operator against finite differences',
    minutes: 10,
    command: script('prove:gradients'),
  },
  {
    name: 'sanitizer',
    what: 'the native tests under AddressSanitizer',
    minutes: 15,
    command: script('prove:sanitizer'),
  },
  { name: 'fuzz', what: 'a million malformed calls', minutes: 30, command: script('prove:fuzz') },
];

function list(): void {
  for (const { name, what, minutes, python } of longTests) {
    const needs = python ? ' (needs Python with PyTorch)' : '';
    console.log(`${name.padEnd(14)}${`${minutes} min`.padStart(7)}  ${what}${needs}`);
  }
}

function runAll(chosen: readonly LongTest[]): void {
  const failed: string[] = [];
  for (const {
    name,
    command: [program, ...args],
  } of chosen) {
    const start = performance.now();
    console.log(`\n${name}: ${program} ${args.join(' ')}`);
    const { status } = spawnSync(program, args, { stdio: 'inherit' });
    console.log(
      `${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${((performance.now() - start) / 1000).toFixed(0)} s`,
    );
    if (status !== 0) failed.push(name);
  }
  console.log(
    `\n${chosen.length - failed.length} passed, ${failed.length} failed${failed.length ? `: ${failed.join(', ')}` : ''}`,
  );
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { list: { type: 'boolean', default: false } },
  });
  if (values.list) return list();
  const unknown = positionals.filter((name) => !longTests.some((test) => test.name === name));
  if (unknown.length > 0) {
    console.error(`test:long: there is no '${unknown[0]}'; npm run test:long -- --list names them`);
    process.exitCode = 2;
    return;
  }
  runAll(longTests.filter(({ name }) => positionals.length === 0 || positionals.includes(name)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
