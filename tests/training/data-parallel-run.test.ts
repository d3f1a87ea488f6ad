/** Runs in two ranks, each in a worker. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { listCheckpoints } from '../../src/runs/checkpoint.js';
import { readMetrics } from '../../src/runs/folder.js';
import { Ranks } from '../torch/ranks.js';
import { created, pictures, trainedIn } from './data-parallel-runs.js';
import { temporaryFolder, vqganConfig } from './tiny.js';

const two = new Ranks();
test.before(() => two.join(60));
test.after.always(() => two.end());

/** Losses of all steps, and metrics at the end: in between, they are measured when there is time. */
function figuresOf(run: string): Record<string, number> {
  const entries = readMetrics(run).flatMap(({ step, losses, metrics, final }) =>
    Object.entries({ ...(losses as object), ...(final === true && (metrics as object)) }).map(
      ([name, value]) => [`${name} at ${step}${final === true ? ', at the end' : ''}`, value] as const,
    ),
  );
  return Object.fromEntries(entries) as Record<string, number>;
}

test.serial(
  'a run in two processes logs what one with the joint batch does, and one process writes it',
  async (t) => {
    const folder = temporaryFolder(t);
    const { data, ...rest } = vqganConfig({ steps: 3, batchSize: 2, clipNorm: 1, ema: 0.5, saveEvery: 2 });
    const config = { ...rest, data: { ...data, path: await pictures(temporaryFolder(t)) } };
    const joint = { ...config, training: { ...config.training, batchSize: 4 } };
    const [run, other] = ['two', 'nothing'].map((name) => JSON.stringify(join(folder, name)));
    const each = `create(${JSON.stringify(config)}, { run: rank === 0 ? ${run} : ${other} })`;
    const [first, second] = await trainedIn(two, each);
    t.deepEqual(first, second);
    t.deepEqual(readdirSync(folder), ['two']);
    const alone = `const { VqganTrainer } = tessera; d.destroyProcessGroup();
    if (rank > 0) return;
    for await (const event of (await VqganTrainer.${created(joint, join(folder, 'one'))}).run()) ;`;
    await two.run(alone);
    await two.join(60);
    const [several, single] = ['two', 'one'].map((name) => figuresOf(join(folder, name)));
    t.deepEqual(Object.keys(several!), Object.keys(single!));
    for (const [name, value] of Object.entries(several!))
      t.true(
        Math.abs(value - single![name]!) < 2e-3 * Math.max(1, Math.abs(value)),
        `${name} ${value} ${single![name]}`,
      );
    t.deepEqual(readdirSync(join(folder, 'two')).sort(), readdirSync(join(folder, 'one')).sort());
  },
);

const penalised: [what: string, loss: object, refused: boolean][] = [
  ['batch norm', {}, true],
  ['ActNorm', { use_actnorm: true }, false],
  [
    'another discriminator without batch norm',
    {
      disc_num_layers: undefined,
      disc_ndf: undefined,
      discriminator: {
        target: 'tessera.discriminators.MaskBit',
        params: { hidden_channels: 32, num_stages: 1 },
      },
    },
    false,
  ],
];
for (const [what, changes, refused] of penalised)
  test.serial(
    `R1 in two processes is ${refused ? 'refused' : 'taken'} for a discriminator with ${what}`,
    async (t) => {
      const folder = temporaryFolder(t);
      const { model, data, ...rest } = structuredClone(vqganConfig({ steps: 1 }));
      Object.assign(model.params.lossconfig.params, { r1_weight: 1, ...changes });
      const config = { ...rest, model, data: { ...data, path: await pictures(temporaryFolder(t)) } };
      const messages = await two.run(`
        try { await (await tessera.VqganTrainer.${created(config, join(folder, 'run'))}).close(); }
        catch (error) { return error.message; }
        return '';`);
      for (const message of messages) {
        if (refused)
          t.regex(
            String(message),
            /^2 processes train this run.*R1.*set use_actnorm: true, choose tessera\.discriminators\.MaskBit/,
          );
        else t.is(message, '');
      }
      t.is(readdirSync(folder).length, refused ? 0 : 1);
    },
  );

test.serial(
  'a step that overflows float16 in one process is left out by both, which keep one scale',
  async (t) => {
    const folder = temporaryFolder(t);
    const { data, ...rest } = vqganConfig({
      precision: 'float16',
      steps: 3,
      batchSize: 1,
      keep: 9,
      saveEvery: 1,
    });
    const config = { ...rest, data: { ...data, path: await pictures(temporaryFolder(t)) } };
    const run = join(folder, 'run');
    const [first, second] = await trainedIn(two, created(config, run), {
      before:
        'trainer.model.decoder.convOut.weight.registerHook((x) => rank === 1 && trainer.step === 1 ? x.mul(Infinity) : undefined);',
    });
    t.deepEqual(first, second);
    const scales = listCheckpoints(run).map(({ path }) => {
      const { scaler } = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as {
        scaler: { scale: number };
      };
      return scaler.scale;
    });
    t.deepEqual(scales, [65536, 65536, 32768, 32768]);
  },
);

test.serial('settings that decide by what a single process sees are refused in several', async (t) => {
  const folder = temporaryFolder(t);
  const { data, ...rest } = vqganConfig({ nonFinite: 'skip', patience: 2 });
  const config = { ...rest, data: { ...data, path: folder } };
  const open = created(config, join(folder, 'run'));
  const errors = await two.run(
    `try { await tessera.VqganTrainer.${open}; } catch (error) { return error.message; }`,
  );
  for (const message of errors)
    t.regex(
      message as string,
      /^2 processes train this run, but training\.nonFinite=skip and training\.patience work/,
    );
});
