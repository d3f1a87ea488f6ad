import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { packImages } from '../../src/data/packed/pack-images.js';
import { RunError } from '../../src/runs/error.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { plain } from '../data/pictures/pictures.js';
import { eventsOf, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

type Form = 'folder' | 'list' | 'packed';

const placesOf = (folder: string) => ({
  folder,
  photos: join(folder, 'photos'),
  list: join(folder, 'list.txt'),
  packed: join(folder, 'packed'),
  run: join(folder, 'run'),
});

/** A run that was stopped after a step, and its pictures: two classes, or a list, or packed. */
async function makeStopped(form: Form): Promise<string> {
  const folder = temporaryFolder({ teardown: (fn) => void afterAll.push(fn) });
  const { photos, list, packed, run } = placesOf(folder);
  for (const name of ['cats', 'dogs']) {
    mkdirSync(join(photos, name), { recursive: true });
    for (let i = 0; i < 4; i++)
      await picture(join(photos, name, `${i}.png`), 20 * i + (name === 'cats' ? 0 : 9));
  }
  writeFileSync(
    list,
    ['cats/0', 'cats/1', 'dogs/0', 'dogs/1', 'dogs/2'].map((name) => `photos/${name}.png\n`).join(''),
  );
  const path = { folder: photos, list, packed }[form];
  if (form === 'packed') await packImages({ path: photos, size: 16 }, packed);
  const config = { ...vqganConfig({ steps: 3 }), data: { path, size: 16, heldOut: 2 } };
  await eventsOf(await VqganTrainer.create(config, { run }), 1);
  return folder;
}

const afterAll: (() => unknown)[] = [];
test.after.always(() => afterAll.forEach((fn) => fn()));

const made = new Map<Form, Promise<string>>();

/** A copy of such a run, which is trained once. */
async function stopped(t: ExecutionContext, form: Form = 'folder') {
  if (!made.has(form)) made.set(form, makeStopped(form));
  const original = await made.get(form)!;
  const place = placesOf(temporaryFolder(t));
  cpSync(original, place.folder, { recursive: true });
  const config = join(place.run, 'config.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replaceAll(original, place.folder));
  return place;
}

const picture = async (path: string, green: number) =>
  writeFileSync(path, await plain(16, 16, { r: 200, g: green, b: 40 }).png().toBuffer());

type Place = Awaited<ReturnType<typeof stopped>>;
const changes: [string, Form, (place: Place) => unknown, RegExp][] = [
  [
    'one image for another',
    'folder',
    ({ photos }) => picture(join(photos, 'cats', '1.png'), 255),
    /as many images .* not the same/,
  ],
  [
    'one image more',
    'folder',
    ({ photos }) => picture(join(photos, 'cats', '9.png'), 255),
    /now has 7 training images/,
  ],
  [
    'one image less',
    'folder',
    ({ photos }) => rmSync(join(photos, 'cats', '1.png')),
    /training images and .* held-out images/,
  ],
  [
    'an image in another class',
    'folder',
    ({ photos }) => renameSync(join(photos, 'cats', '3.png'), join(photos, 'dogs', '33.png')),
    /not the same/,
  ],
  [
    'a class of another name',
    'folder',
    ({ photos }) => renameSync(join(photos, 'dogs'), join(photos, 'wolves')),
    /classes in .* are now cats, wolves; .* cats, dogs/,
  ],
  [
    'another order',
    'folder',
    ({ photos }) => renameSync(join(photos, 'cats', '0.png'), join(photos, 'cats', '8.png')),
    /not the same/,
  ],
  [
    'another order of a list',
    'list',
    ({ list }) => writeFileSync(list, readFileSync(list, 'utf8').trim().split('\n').reverse().join('\n')),
    /not the same/,
  ],
  [
    'other images packed',
    'packed',
    async ({ photos, packed }) => {
      await picture(join(photos, 'cats', '1.png'), 255);
      await packImages({ path: photos, size: 16 }, packed, { overwrite: true });
    },
    /as many images .* not the same/,
  ],
];

/** Accepting is the same for all; these go on with other contents, with fewer pictures, and from a packed folder. */
const taken: ReadonlySet<string> = new Set([
  'one image for another',
  'one image less',
  'other images packed',
]);

for (const [what, form, change, message] of changes) {
  test.serial(`a run is not resumed on other images unless that is accepted: ${what}`, async (t) => {
    const place = await stopped(t, form);
    await change(place);
    const { run } = place;
    const error = await t.throwsAsync(VqganTrainer.resume(run), { instanceOf: RunError, message });
    t.regex(
      error.message,
      /Restore the original images, continue with the new ones \(data\.changed=accept\), or start a new run/,
    );
    if (!taken.has(what)) return;
    const accepted = await VqganTrainer.resume(run, { changes: { data: { changed: 'accept' } } });
    const [start, ...events] = await eventsOf(accepted, 2);
    t.regex(JSON.stringify(start), /The run continues with the new images/);
    t.like(events.at(-1), { type: 'end', step: 2 });
    // What was accepted are the run's pictures now; the next change is another.
    await (await VqganTrainer.resume(run)).close();
    t.false('changed' in (parse(readFileSync(join(run, 'config.yaml'), 'utf8')) as { data: object }).data);
  });
}

test.serial('images that were only moved, or packed, are the same', async (t) => {
  const { folder, photos, packed, run } = await stopped(t);
  const moved = join(folder, 'moved');
  renameSync(photos, moved);
  await (await VqganTrainer.resume(run, { changes: { data: { path: moved } } })).close();
  await packImages({ path: moved, size: 16 }, packed);
  await (await VqganTrainer.resume(run, { changes: { data: { path: packed } } })).close();
  t.pass();
});

test.serial('a checkpoint of before that says nothing of the contents is resumed', async (t) => {
  const { photos, run } = await stopped(t);
  const state = join(run, 'checkpoints', 'step-0000001', 'state.json');
  const { fingerprint, ...rest } = JSON.parse(readFileSync(state, 'utf8')) as Record<string, unknown>;
  t.truthy(fingerprint);
  writeFileSync(state, JSON.stringify(rest));
  await picture(join(photos, 'cats', '1.png'), 255);
  await (await VqganTrainer.resume(run)).close();
});

test.serial(
  'a second stage encodes accepted images again, but cannot take another number of classes',
  async (t) => {
    const { folder, photos, run: vqgan } = await stopped(t);
    const config = transformerConfig(vqgan, { steps: 3 });
    const labelator = { target: 'taming.modules.util.Labelator', params: {} };
    Object.assign(config.model.params, { unconditional: false, cond_stage_config: labelator });
    const data = { path: photos, size: 16, heldOut: 2 };
    const run = join(folder, 'second');
    await eventsOf(await TransformerTrainer.create({ ...config, data }, { run }), 1);
    const codes = join(run, 'codes.safetensors');
    const before = readFileSync(codes);
    await picture(join(photos, 'dogs', '7.png'), 255);
    await t.throwsAsync(TransformerTrainer.resume(run), { message: /data\.changed=accept/ });
    t.true(existsSync(codes));
    const changed = { changes: { data: { changed: 'accept' } } };
    await eventsOf(await TransformerTrainer.resume(run, changed), 2);
    t.not(readFileSync(codes).length, before.length);
    mkdirSync(join(photos, 'birds'));
    copyFileSync(join(photos, 'dogs', '7.png'), join(photos, 'birds', '7.png'));
    rmSync(join(photos, 'dogs', '7.png'));
    const error = await t.throwsAsync(TransformerTrainer.resume(run, changed), {
      message: /classes in .* are now birds, cats, dogs/,
    });
    t.notRegex(error.message, /accept/);
  },
);
