/**
 * `npm run test:long`: the proofs that take minutes, by name.
 *
 *     npm run test:long -- --list              what there is, and about how long each takes
 *     npm run test:long -- resume flat         one or more of them
 *     npm run test:long -- fuzz 5000 --seed 7  one, with arguments of its own
 *     npm run test:long -- --quick             those that take a few minutes each, the longer of them cut short
 *     npm run test:long                        all but those that need Python or 3 GB from the network
 *
 * Exit codes: 0 all passed, 1 one failed, 2 usage.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

interface LongTest {
  name: string;
  what: string;
  /** About how long it takes on two cores. */
  minutes: number;
  /** Arguments with which `--quick` runs it, if it does. */
  quick?: readonly string[];
  /** Further requirements; a test that has some runs only when it is named. */
  needs?: string;
  /** The program and its arguments, unless it is the file of this name next to this one. */
  command?: readonly [string, ...string[]];
}

const PYTHON = 'Python with PyTorch (TESSERA_PYTHON, else python3)';

/** The quickest first. */
export const longTests: readonly LongTest[] = [
  { name: 'trajectory', what: 'twelve training steps of the reference in float64', minutes: 1, quick: [] },
  {
    name: 'suite',
    what: 'tests like those of npm test that take too long for it',
    minutes: 2,
    quick: [],
    command: ['node_modules/.bin/ava', '--config', 'tests/long/ava.config.mjs'],
  },
  { name: 'golden', what: 'each weight of every model matters to a recorded value', minutes: 2, quick: [] },
  { name: 'lifetimes', what: 'tensors used after their end, threads and processes ended', minutes: 3 },
  {
    name: 'exits',
    what: 'processes and workers that end while they compute',
    minutes: 4,
    quick: ['60', '40'],
  },
  {
    name: 'distributed',
    what: 'training in several processes against one, and the end of one of them',
    minutes: 2,
    quick: ['10', '2'],
  },
  {
    name: 'launches',
    what: 'a run in two processes: killed, by torchrun, in two network namespaces; four against one',
    minutes: 4,
    quick: ['2'],
  },
  { name: 'resume', what: 'runs killed at any moment', minutes: 20, quick: ['2'] },
  { name: 'equal-tokens', what: 'every way of sampling, token by token', minutes: 4, quick: ['32'] },
  { name: 'encode', what: 'tokens of 2,000 images, killed at any moment', minutes: 6, quick: ['200', '3'] },
  // Not in --quick: 2,000 steps end before the engine's first full collection, which the slope has to contain.
  { name: 'flat', what: 'memory over 10,000 steps', minutes: 10 },
  { name: 'checkpoints', what: 'damaged and malicious files', minutes: 10, quick: ['1000'] },
  { name: 'gradients', what: 'every operator against finite differences', minutes: 10 },
  { name: 'sanitizer', what: 'the native tests under AddressSanitizer', minutes: 15 },
  { name: 'fuzz', what: 'a million malformed calls', minutes: 30, quick: ['100000'] },
  {
    name: 'gpu-check',
    what: 'every part of gpu-check with toys on the CPU, against PyTorch',
    minutes: 4,
    needs: PYTHON,
    command: ['scripts/gpu-check', 'all', '--device', 'cpu', '--tiny', '--seconds', '420'],
  },
  {
    name: 'optimizer-states',
    what: 'PyTorch goes on from optimizers and schedules saved here',
    minutes: 1,
    needs: PYTHON,
  },
  {
    name: 'checkpoints-full-size',
    what: 'loading 6 GB: time and memory, compared with PyTorch',
    minutes: 10,
    needs: `${PYTHON} and 7 GB of disk`,
  },
  {
    name: 'cuda-build',
    what: 'the CUDA build loads and passes the tests of the CPU',
    minutes: 15,
    needs: '3 GB from the network, no GPU',
  },
];

function commandOf({ name, command }: LongTest): [string, ...string[]] {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  return command ? [...command] : [process.execPath, '--import=tsx', file];
}

function list(): void {
  for (const { name, what, minutes, quick, needs } of longTests) {
    const when = quick ? ', in --quick' : '';
    console.log(
      `${name.padEnd(22)}${`${minutes} min`.padStart(7)}  ${what}${needs ? `; needs ${needs}` : when}`,
    );
  }
}

function runAll(chosen: readonly (readonly [LongTest, readonly string[]])[]): void {
  const failed: string[] = [];
  for (const [test, more] of chosen) {
    const [program, ...args] = [...commandOf(test), ...more] as [string, ...string[]];
    const start = performance.now();
    console.log(`\n${test.name}${more.length > 0 ? ` ${more.join(' ')}` : ''}: ${test.what}`);
    const { status } = spawnSync(program, args, { stdio: 'inherit' });
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(`${test.name}: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
    if (status !== 0) failed.push(test.name);
  }
  const names = failed.length > 0 ? `: ${failed.join(', ')}` : '';
  console.log(`\n${chosen.length - failed.length} passed, ${failed.length} failed${names}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function refuse(message: string): void {
  console.error(`test:long: ${message}; npm run test:long -- --list names the tests`);
  process.exitCode = 2;
}

function main(given: readonly string[]): void {
  const [first] = given;
  if (first === '--list') return list();
  if (first === '--quick') {
    if (given.length > 1) return refuse('--quick goes alone');
    return runAll(longTests.flatMap((test) => (test.quick ? [[test, test.quick] as const] : [])));
  }
  if (first === undefined) {
    return runAll(longTests.flatMap((test) => (test.needs === undefined ? [[test, []] as const] : [])));
  }
  const known = (name: string) => longTests.find((test) => test.name === name);
  const end = given.findIndex((word) => !known(word));
  const named = given.slice(0, end < 0 ? given.length : end).map((name) => known(name)!);
  const more = end < 0 ? [] : given.slice(end);
  if (named.length === 0) return refuse(`there is no '${first}'`);
  if (named.length > 1 && more.length > 0) {
    return refuse(`there is no '${more[0]}', and arguments go to one test only`);
  }
  runAll(named.map((test) => [test, more] as const));
}

if (process.argv[1] !== undefined && existsSync(process.argv[1])) {
  if (import.meta.url === pathToFileURL(process.argv[1]).href) main(process.argv.slice(2));
}
