import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parse, stringify } from 'yaml';
import { weightsHash } from '../../../src/metrics/extract.js';
import { readMetrics } from '../../../src/runs/folder.js';
import { openRun } from '../../../src/runs/open.js';
import { TransformerTrainer } from '../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { gradientImage } from '../../data/pictures/pictures.js';
import { eventsOf, temporaryFolder, transformerConfig, vqganConfig } from '../../training/tiny.js';
import { runOnTokens } from '../../cli/run-on-tokens.js';
import { tesseraHere } from '../../cli/tessera.js';

const teardown: (() => unknown)[] = [];
const folder = temporaryFolder({ teardown: (fn) => void teardown.push(fn) });
test.after.always(() => teardown.forEach((fn) => fn()));
const path = (...names: string[]) => join(folder, ...names);

interface Result {
  values: Record<string, number>;
  protocol: Record<string, unknown>;
}
const evaluated = async (...args: string[]) => {
  const { code, stdout, stderr } = await tesseraHere(['eval', ...args, '--json']);
  if (code !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result);
};

test.before(async () => {
  for (const name of ['ash', 'elm']) {
    mkdirSync(path('photos', name), { recursive: true });
    for (let i = 0; i < 10; i++) {
      await gradientImage(20, 24, 25 * i + (name === 'elm' ? 9 : 0))
        .png()
        .toFile(path('photos', name, `${i}.png`));
    }
  }
  const data = { ...vqganConfig().data, path: path('photos'), heldOut: 6 };
  for (const [name, seed] of [
    ['first', 1],
    ['other', 2],
  ] as const) {
    await eventsOf(
      await VqganTrainer.create({ ...vqganConfig({ steps: 2, seed }), data }, { run: path(name) }),
    );
  }
  for (const [name, vqgan, seed] of [
    ['a', 'first', 1],
    ['b', 'first', 2],
    ['c', 'other', 1],
  ] as const) {
    const config = { ...transformerConfig(path(vqgan), { steps: 2, seed }), data };
    await eventsOf(await TransformerTrainer.create(config, { run: path(name) }));
  }
  const { model, ...rest } = transformerConfig(path('first'), { steps: 2 });
  const { unconditional: _, ...params } = model.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator', params: { n_classes: 2 } };
  const classes = { ...model, params: { ...params, cond_stage_config, cond_stage_key: 'label' } };
  await eventsOf(
    await TransformerTrainer.create({ ...rest, model: classes, data }, { run: path('classes') }),
  );
});

test.serial(
  'the codes that a run held out cost what it measured at its end, in nats and in bits',
  async (t) => {
    for (const run of ['a', 'classes']) {
      const [result] = await evaluated(path(run));
      const metrics = readMetrics(path(run)).at(-1)!['metrics'] as Record<string, number>;
      const { heldOutLoss, bitsPerToken, bitsPerDimension, histogramEntropy } = result!.values;
      t.is(heldOutLoss, metrics['heldOutLoss'], run);
      t.is(histogramEntropy, metrics['histogramEntropy'], run);
      t.is(bitsPerToken, heldOutLoss! / Math.LN2);
      t.is(bitsPerDimension, (bitsPerToken! * 64) / (3 * 16 * 16)); // 8 × 8 codes of 16 × 16 pixels
    }
  },
);

test.serial('a protocol names the first stage by its weights, and what was measured', async (t) => {
  const { model } = await openRun(path('first'), 'vqgan');
  const [unconditional] = await evaluated(path('a'));
  const [conditional] = await evaluated(path('classes'), '--images', path('photos'), '--batch', '7');
  const { images, ...protocol } = unconditional!.protocol;
  t.deepEqual(protocol, {
    measured: 'codes',
    firstStage: `sha256 ${weightsHash(model)}`,
    condition: 'none',
    size: 16,
    crop: 'centre square',
    count: 6,
    codes: 64,
  });
  t.like(conditional!.protocol, { condition: 'label', count: 20 });
  const [reconstructed] = await evaluated(path('a'), '--stage', 'vqgan');
  t.like(reconstructed!.protocol, { measured: 'reconstructions', images, count: 6 });
});

test.serial(
  'transformers on the same first stage are compared, on different ones they are not',
  async (t) => {
    const both = await tesseraHere(['eval', path('a'), path('b')]);
    t.is(both.code, 0, both.stderr);
    t.regex(both.stdout, /cross-entropy per code +\d\.\d{3} nats +\d\.\d{3} nats\n/);
    t.regex(both.stdout, /bits per code +\d\.\d{3} bits +\d\.\d{3} bits\n/);
    const unlike = await tesseraHere(['eval', path('a'), path('c')]);
    t.is(unlike.code, 1);
    t.regex(unlike.stderr, /cannot be compared: firstStage is sha256 .* for the first/);
    const conditional = await tesseraHere(['eval', path('a'), path('classes')]);
    t.regex(conditional.stderr, /condition is none for the first, and label for the second/);
  },
);

test.serial('a checkpoint file is measured like the run it is from, in the size that is given', async (t) => {
  const config = path('a.yaml');
  const { model } = parse(readFileSync(path('a', 'config.yaml'), 'utf8')) as { model: unknown };
  writeFileSync(config, stringify({ model }));
  const file = path('a', 'checkpoints', 'step-0000002', 'model.safetensors');
  const images = ['--images', path('photos')];
  const args = [file, '--config', config, '--stage', 'transformer', ...images, '--size', '16'];
  const [ofFile, ofRun] = [await evaluated(...args), await evaluated(path('a'), ...images)];
  t.deepEqual([ofFile[0]!.values, ofFile[0]!.protocol], [ofRun[0]!.values, ofRun[0]!.protocol]);
  const larger = await tesseraHere(['eval', ...args.slice(0, -1), '32']);
  t.is(larger.code, 2, larger.stderr);
  t.regex(larger.stderr, /takes at most 64 codes, but images of 32 pixels have 256: .* at most 16/);
});

const refusals: [what: string, args: () => string[], message: RegExp][] = [
  ['another size', () => [path('a'), '--size', '8'], /--size is for reconstructions: add --stage vqgan/],
  ['LPIPS', () => [path('a'), '--lpips', 'x'], /--lpips is for reconstructions: add --stage vqgan/],
  [
    'other classes',
    () => [path('classes'), '--images', path('photos', 'ash')],
    /classes ash, elm, but .* are none/,
  ],
  [
    'a run on tokens',
    () => [runOnTokens(folder, path('a'))],
    /trained on the tokens in .*, which have no pixels; name images to encode with --images/,
  ],
];
for (const [what, args, message] of refusals) {
  test.serial(`refused for a transformer: ${what}`, async (t) => {
    const { code, stderr } = await tesseraHere(['eval', ...args()]);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
  });
}
