/**
 * `npm run bench -- train`: a training step of both stages against plain PyTorch in Python (`train_arm.py`). Ours is the
 * step that the trainers take: `onePassStep` of the first stage with all its losses, LPIPS with random weights, and
 * `transformerStep` of the second. Of the first stage there are two arms in Python: `reference`, the published loop with
 * two forwards and Adam by its defaults, and `tuned`, with one forward, the discriminator frozen for the generator, and
 * fused Adam. All of Python's arms have `F.silu` and `scaled_dot_product_attention`, those of the second stage fused AdamW,
 * and in bfloat16 they run under autocast, while ours has networks in bfloat16 with float32 masters.
 *
 *     npm run bench -- train --only GPT --rounds 31        some cases; more rounds than the 15
 *     npm run bench -- train --precision bfloat16          float32 is the default
 *     npm run bench -- train --profile                     instead, where the time of a step goes, by operator: of each
 *                                                          the least of three profiles
 *
 * Two threads each; every arm a process of its own; rounds alternate, each beginning with another arm. Before anything is
 * timed, all arms take a step at learning rate 0 from the weights of one seed on one batch: losses and norms of gradients
 * must be equal. A table of processor time (user and system, of all threads) follows that of wall time: where other
 * programs run, it is the steadier of the two, but threads that wait for others count as busy.
 * The bounds hold for an idle machine; bfloat16 is judged only on a processor with AMX. Exit code 1 if one is missed.
 * TESSERA_PYTHON names the Python.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import { python, report, startArm, summarize, type Arm, type Comparison } from './arms.js';
import { assertSameStep, type Check } from './train-check.js';
import { trainCases, type TrainCase, type TrainPrecision } from './train-cases.js';
import { leastTimes, printProfiles, type OperatorTime } from './train-profile.js';

/** Profiles of each arm; each operator's least time is printed. */
const PROFILES = 3;

interface Sample {
  /** Milliseconds of the clock, and of all processors together. */
  wall: number;
  cpu: number;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '15' },
    precision: { type: 'string', default: 'float32' },
    profile: { type: 'boolean', default: false },
  },
});
const precision = values.precision as TrainPrecision;
const rounds = Number(values.rounds);
const cases = trainCases.filter(({ name }) => name.includes(values.only));
if (!['float32', 'bfloat16'].includes(precision) || !(rounds > 0) || cases.length === 0) {
  const names = trainCases.map(({ name }) => `'${name}'`).join(', ');
  console.error('usage: npm run bench -- train [--only TEXT] [--rounds N] [--precision P] [--profile]');
  console.error(`P is float32 or bfloat16; TEXT is part of ${names}`);
  process.exit(2);
}

// Of the profiler's messages, errors only.
const env = { OMP_NUM_THREADS: '2', KINETO_LOG_LEVEL: '6' };
const judged = precision === 'float32' || hasAmx();

function hasAmx(): boolean {
  return existsSync('/proc/cpuinfo') && readFileSync('/proc/cpuinfo', 'utf8').includes('amx_bf16');
}

/** Starts our arm and Python's; ours is the first. */
function startArms({ theirs, ...given }: TrainCase): Arm[] {
  const setting = (arm?: string) => JSON.stringify({ ...given, precision, arm });
  return [
    startArm(process.execPath, ['--import=tsx', 'scripts/bench/train-arm.ts', setting()], env),
    ...Object.keys(theirs).map((arm) => startArm(python, ['scripts/bench/train_arm.py', setting(arm)], env)),
  ];
}

/** Takes the samples of all arms, round by round. */
async function sampleRounds(arms: readonly Arm[]): Promise<Sample[][]> {
  for (const arm of arms) await arm.ask('time');
  const samples: Sample[][] = [];
  for (let round = 0; round < rounds; round++) {
    const ofRound: Sample[] = [];
    for (let k = 0; k < arms.length; k++) {
      const i = (round + k) % arms.length;
      ofRound[i] = (await arms[i]!.ask('time')) as Sample;
    }
    samples.push(ofRound);
  }
  return samples;
}

/** Takes the profiles of each arm, in rounds that alternate. */
async function profileRounds(arms: readonly Arm[]): Promise<OperatorTime[][][]> {
  const profiles: OperatorTime[][][] = arms.map(() => []);
  for (let round = 0; round < PROFILES; round++) {
    for (const [i, arm] of arms.entries()) profiles[i]!.push((await arm.ask('profile')) as OperatorTime[]);
  }
  return profiles;
}

/** Compares ours with each of Python's arms, for one step. */
function comparisons(
  { name, steps, theirs }: TrainCase,
  samples: readonly Sample[][],
  clock: keyof Sample,
): Comparison[] {
  const pairs = Object.keys(theirs).map((_, i) =>
    samples.map(([ours, ...others]): [number, number] => [ours![clock] / steps, others[i]![clock] / steps]),
  );
  const names = Object.keys(theirs).map((arm) => `${name}, ${arm}`);
  return summarize(names, pairs).map((result, i) => {
    const wanted = Object.values(theirs)[i]![precision];
    return wanted === null || clock === 'cpu' ? result : { ...result, wanted };
  });
}

const walls: Comparison[] = [];
const cpus: Comparison[] = [];
let pytorch = '';
for (const given of cases) {
  const arms = startArms(given);
  const names = ['ours', ...Object.keys(given.theirs)];
  pytorch = (await arms[1]!.ask('version')) as string;
  const checks: Check[] = [];
  for (const arm of arms) checks.push((await arm.ask('check')) as Check);
  for (const [i, check] of checks.entries()) {
    if (i > 0) assertSameStep(`${given.name}, ${names[i]}`, checks[0]!, check, precision);
  }
  if (values.profile) {
    const profiles = (await profileRounds(arms)).map(leastTimes);
    for (const [i, theirs] of profiles.entries()) {
      if (i > 0) printProfiles(`${given.name}, ${names[i]}`, given.steps, profiles[0]!, theirs);
    }
  } else {
    const samples = await sampleRounds(arms);
    walls.push(...comparisons(given, samples, 'wall'));
    cpus.push(...comparisons(given, samples, 'cpu'));
  }
  for (const arm of arms) arm.stop();
}

if (!values.profile) {
  const versions = { node: process.version, libtorch: torch.version, 'PyTorch from Python': pytorch };
  const file = precision === 'float32' ? 'train' : `train-${precision}`;
  console.log(`\na training step, ${precision}, 2 threads, ${rounds} rounds`);
  report(file, 'ms', versions, walls);
  console.log('\nprocessor time of a step');
  report(`${file}-processor`, 'ms', versions, cpus);
  const missed = walls.filter(({ ratio, wanted }) => wanted !== undefined && ratio > wanted);
  if (!judged) console.log('this processor has no AMX: bfloat16 is not judged');
  for (const { name } of judged ? missed : []) console.error(`${name}: slower than wanted`);
  process.exitCode = judged && missed.length > 0 ? 1 : 0;
}
