/** Kinds, flags and budgets of the synthesis demo; nothing is trained. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { plans, side, size } from '../../scripts/demo/models.js';
import {
  kindNames,
  kinds,
  minutesFor,
  openFolder,
  readOptions,
  tasks,
  tasksOf,
  type Kind,
  type TaskName,
} from '../../scripts/demo/options.js';
import { packageRoot } from '../../src/files/package.js';
import { modelFromConfig, type ModelConfig } from '../../src/models/registry/from-config.js';
import type { VQModel } from '../../src/models/autoencoder/vqgan.js';
import * as torch from '../../src/torch/index.js';
import { run } from './user-programs.js';

const demo = (...args: string[]) => run(join(packageRoot(), 'build', 'tested', 'scripts', 'demo.js'), args);

test('demos have names, which --list prints, and another name is refused', async (t) => {
  const list = await demo('--list');
  t.is(list.code, 0);
  t.deepEqual(list.stdout.match(/^\S+/gm), ['landscapes', 'synthesis']);
  const { code, stderr } = await demo('landscape');
  t.is(code, 2);
  t.regex(stderr, /there is no 'landscape'; npm run demo -- --list names the demos/);
});

test('a mistake in the flags of the synthesis demo ends it with its usage', async (t) => {
  const { code, stderr } = await demo('synthesis', '--only', 'sketch');
  t.is(code, 2);
  t.regex(stderr, /--only must be one of class, [^]*, not sketch[^]*usage: npm run demo -- synthesis/);
});

const everything = { kinds: kindNames, quick: false, minutes: 45, bySteps: true, out: 'demo-synthesis' };
const accepted: [flags: string, options: object | null][] = [
  ['', everything],
  ['--quick', { ...everything, quick: true, minutes: 10 }],
  ['--only depth', { ...everything, kinds: ['depth'] }],
  ['--only layout --only class', { ...everything, kinds: ['class', 'layout'] }],
  ['--minutes 90', { ...everything, minutes: 90, bySteps: false }],
  ['--quick --minutes 3 --out x', { ...everything, quick: true, minutes: 3, bySteps: false, out: 'x' }],
  ['--help', null],
];
for (const [flags, options] of accepted) {
  test(`flags are read: ${flags || 'none'}`, (t) => {
    t.deepEqual(readOptions(flags.split(' ').filter(Boolean)), options);
  });
}

const refused: [flags: string, message: RegExp][] = [
  ['--only', /--only/],
  ['--minutes soon', /--minutes must be a number above 0, not soon/],
  ['--minutes 0', /above 0, not 0/],
  ['--fast', /--fast/],
  ['depth', /depth/],
];
for (const [flags, message] of refused) {
  test(`flags are refused: ${flags}`, (t) => {
    t.throws(() => readOptions(flags.split(' ')), { message });
  });
}

test('an earlier demo is replaced, and no other folder', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'tessera-demo-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const options = { ...everything, out: join(root, 'demo') };
  openFolder(options);
  writeFileSync(join(root, 'demo', 'old.png'), '');
  openFolder(options);
  t.false(existsSync(join(root, 'demo', 'old.png')));
  mkdirSync(join(root, 'photos'));
  t.throws(() => openFolder({ ...options, out: join(root, 'photos') }), {
    message: /photos exists and does not contain this demo; name another folder with --out/,
  });
  t.true(existsSync(join(root, 'photos')));
});

const order = Object.keys(tasks) as TaskName[];

/** The tasks whose models a task uses. */
function partsOf(task: TaskName): { vqgan?: string; condition?: string } {
  if (task === 'labeller') return {};
  return task === 'panorama' ? { vqgan: 'image', condition: 'segmentationMaps' } : plans[task].training;
}

for (const kind of kindNames) {
  test(`${kind}: what it needs is trained after what that needs`, (t) => {
    const needed: readonly TaskName[] = tasksOf([kind]);
    t.deepEqual(new Set(needed), new Set(kinds[kind].needs));
    for (const task of needed) {
      const { vqgan, condition } = partsOf(task);
      for (const part of [vqgan, condition].filter((name) => name !== undefined)) {
        const before = kinds[kind].needs.slice(0, (kinds[kind].needs as TaskName[]).indexOf(task));
        t.true((before as string[]).includes(part), `${task} needs ${part}`);
      }
    }
  });
}

test('what several kinds need is trained once', (t) => {
  t.deepEqual(tasksOf(kindNames), order);
  t.deepEqual(tasksOf(['class', 'completion']), ['image', 'labeller', 'class']);
});

const budgets: [drawings: readonly Kind[], minutes: number, quick: boolean][] = [
  [kindNames, 45, false],
  [kindNames, 10, true],
  [['class'], 10, false],
];
for (const [drawings, minutes, quick] of budgets) {
  test(`trainings and drawings of ${drawings.length} kinds fit ${minutes} minutes`, (t) => {
    const [around, drawing] = [20, drawings.reduce((sum, kind) => sum + kinds[kind].drawing, 0)].map(
      (seconds) => (quick ? seconds / 2 : seconds) / 60,
    ) as [number, number];
    let left = minutes;
    for (const trainings = [...tasksOf(drawings)]; trainings.length > 0; trainings.shift()) {
      const given = minutesFor({ minutes: left, trainings, drawings, quick });
      t.true(given > 0.2, `${given} minutes for ${trainings[0]}`);
      left -= given + around;
    }
    t.true(Math.abs(left - drawing) < 1e-9, `${left} minutes are left for ${drawing} of drawing`);
  });
}

test('a training that has taken too long leaves some time for the next ones', (t) => {
  t.true(minutesFor({ minutes: -1, trainings: ['depth'], drawings: ['depth'], quick: true }) > 0);
});

test('usual times of everything fit its 45 minutes', (t) => {
  const trained = order.reduce((sum, name) => sum + tasks[name].seconds + 20, 0);
  const drawn = kindNames.reduce((sum, kind) => sum + kinds[kind].drawing, 0);
  t.true(trained + drawn <= 45 * 60, `${trained + drawn} seconds`);
});

for (const task of ['image', 'segmentationMaps', 'depthMaps'] as const) {
  test(`the ${tasks[task].title.split(':')[0]} gives a grid of codes`, (t) => {
    const { model, stage } = plans[task];
    t.is(stage, 'vqgan');
    const { encoder, stride } = modelFromConfig<VQModel>(model as ModelConfig, { init: false });
    t.is(size / stride, side);
    torch.dispose(encoder.parameters());
  });
}
