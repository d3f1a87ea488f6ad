/** Files in which other programs show a run: TensorBoard's, and a table. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import sharp from 'sharp';
import { csvOf } from '../../src/reports/metrics-csv.js';
import { writeReport } from '../../src/reports/run-report.js';
import { readMetrics } from '../../src/runs/folder.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsIn } from '../reports/tensorboard/reading.js';
import { vqganTrainer } from './engine-runs.js';
import { eventsOf, images, lossesOf } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-watched-'));
const run = join(root, 'run');
const folder = join(run, 'tensorboard');
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const training = { steps: 4, imagesEvery: 2, saveEvery: 2, tensorboard: true, csv: true };
let first: Awaited<ReturnType<typeof eventsOf>>;
let second: Awaited<ReturnType<typeof eventsOf>>;
test.before(async () => {
  // Killed after step 3: it goes on from step 2.
  const killed = await vqganTrainer(run, training);
  first = [];
  for await (const event of killed.run()) {
    first.push(event);
    if (event.type === 'log' && event.step === 3) break;
  }
  second = await eventsOf(await VqganTrainer.resume(run, { images: images() }));
});

test.serial(
  'event files have the losses, metrics and images of a run, which drops what it repeats',
  async (t) => {
    const events = eventsIn(folder);
    t.deepEqual(events[0], { step: 0, what: 'version' });
    const restart = events.findIndex(({ what }) => what === 'restart');
    t.is(events[restart]!.step, 3);
    const valuesOf = (tag: string, from: number, to?: number) =>
      events.slice(from, to).flatMap(({ what, step, value }) => (what === tag ? [[step, value]] : []));
    const expected = (told: typeof first) =>
      [...lossesOf(told)].map(([step, { rec }]) => [step, Math.fround(rec!)]);
    t.deepEqual(valuesOf('train/rec', 0, restart), expected(first));
    t.deepEqual(valuesOf('train/rec', restart), expected(second));
    t.deepEqual(
      expected(second).map(([step]) => step),
      [3, 4],
    );
    const end = second.at(-1)!;
    t.deepEqual(valuesOf('final/psnr', restart), [
      [4, Math.fround(end.type === 'end' ? end.metrics!['psnr']! : NaN)],
    ]);
    t.true(valuesOf('held-out/psnr', 0).length >= 2);
    t.is(valuesOf('train/learningRate', 0).length, 5);
    const drawn = events.filter(({ image }) => image !== undefined);
    t.deepEqual(
      drawn.map(({ what, step }) => `${what} ${step}`),
      ['images/reconstructions 2', 'images/reconstructions 4'],
    );
    const picture = readFileSync(join(run, 'images', 'reconstructions-0000004.png'));
    const { width, height } = await sharp(picture).metadata();
    t.deepEqual(drawn[1]!.image, { width, height, bytes: picture });
  },
);

test.serial('with a Python that has tensorboard, it reads the same', async (t) => {
  const python = promisify(execFile);
  const command = process.env['TESSERA_PYTHON'] ?? 'python3';
  const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0}).Reload()
scalars = {tag: [[e.step, e.value] for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
images = {tag: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in found.Images(tag)] for tag in found.Tags()["images"]}
print(json.dumps([scalars, images]))`;
  const output = await python(command, ['-c', script, folder]).then(
    ({ stdout }) => stdout,
    (error: Error) => {
      if (/No module named 'tensorboard'|ENOENT/.test(error.message)) return null;
      throw error;
    },
  );
  if (output === null) return t.pass('no Python with tensorboard here; set TESSERA_PYTHON to one');
  const [scalars, pictures] = JSON.parse(output) as [Record<string, number[][]>, Record<string, number[][]>];
  const whole = [...lossesOf([...first.filter(({ step }) => step <= 2), ...second])];
  t.deepEqual(
    scalars['train/rec'],
    whole.map(([step, { rec }]) => [step, Math.fround(rec!)]),
  );
  t.deepEqual(
    pictures['images/reconstructions']!.map(([step]) => step),
    [2, 4],
  );
});

test.serial('the table has a row for each logged step and one of all held-out images', (t) => {
  const text = readFileSync(join(run, 'metrics.csv'), 'utf8');
  t.is(text, csvOf(readMetrics(run)));
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const columns = head.split(',');
  const rows = lines.map((line) => {
    const cells = line.split(',');
    t.is(cells.length, columns.length);
    return Object.fromEntries(columns.map((name, i) => [name, cells[i]!]));
  });
  const of = (name: string) => rows.map((row) => row[name]);
  t.deepEqual(of('step'), ['1', '2', '3', '4', '4']);
  const losses = [...lossesOf([...first.filter(({ step }) => step <= 2), ...second]).values()];
  t.deepEqual(of('rec'), [...losses.map(({ rec }) => String(rec)), '']);
  const end = second.at(-1)!;
  t.is(of('final_psnr').at(-1), String(end.type === 'end' && end.metrics!['psnr']));
  t.is(of('psnr').at(-1), '', 'those of the fixed images are another column');
});

test('cells are empty where there is no value, and quoted where they must be', (t) => {
  const text = csvOf([
    { step: 1, losses: { rec: 0.5 } },
    { step: 2, losses: { rec: 0.25 }, metrics: { psnr: null, 'a,"b"': 3 } },
  ]);
  t.is(text, 'step,rec,psnr,"a,""b"""\n1,0.5,,\n2,0.25,,3\n');
});

test.serial('neither is written unless it is asked for, and a run outlives what shows it', async (t) => {
  const plain = join(root, 'plain');
  await eventsOf(await vqganTrainer(plain, { steps: 1 }));
  for (const name of ['tensorboard', 'metrics.csv']) t.false(existsSync(join(plain, name)), name);
  const blocked = join(root, 'blocked');
  const trainer = await vqganTrainer(blocked, { steps: 2, tensorboard: true });
  writeFileSync(join(blocked, 'tensorboard'), 'a file');
  const events = await eventsOf(trainer);
  const notes = events.filter(({ type }) => type === 'note');
  t.is(notes.length, 1);
  t.regex(JSON.stringify(notes), /training\.tensorboard is off from here on: .*EEXIST/);
  t.like(events.at(-1), { type: 'end', step: 2 });
});

test.serial('the page of a run that goes on says so and is read again by the browser', async (t) => {
  const page = async (running?: boolean) =>
    readFileSync(await writeReport(run, running === undefined ? {} : { running }), 'utf8');
  t.regex(
    await page(true),
    /<meta http-equiv="refresh" content="30">[^]*After 4 steps; training was going on/,
  );
  const ended = await page();
  t.regex(ended, /After 4 steps\.</);
  t.false(ended.includes('refresh'));
});
