/** Each condition from the command line alone: a step of training by a preset and flags, and a sample. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { openRun } from '../../../src/runs/open.js';
import { loadCheckpoint, saveNpy } from '../../../src/torch/io/index.js';
import * as torch from '../../../src/torch/index.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { runs } from '../../tokenizer/tokenizers.js';
import { temporaryFolder, vqganConfig } from '../../training/tiny.js';
import { sampled } from '../../cli/sampled.js';
import { trained } from '../../cli/trained.js';

const teardown: (() => unknown)[] = [];
const root = temporaryFolder({ teardown: (fn) => void teardown.push(fn) });
const [depth, vectors, layout, map] = ['depth', 'rows.npy', 'layout.json', 'map.png'].map((name) =>
  join(root, name),
) as [string, string, string, string];
let made: Awaited<ReturnType<typeof runs>>;

test.before(async () => {
  made = await runs();
  const { model, ...rest } = vqganConfig({ lpips: 'off' });
  const ddconfig = { ...model.params.ddconfig, in_channels: 1, out_ch: 1 };
  const params = { ...model.params, n_embed: 7, image_key: 'depth', ddconfig };
  const data = { path: 'scenes', size: 16, count: 6, heldOut: 2 };
  const trainer = await VqganTrainer.create({ ...rest, model: { ...model, params }, data }, { run: depth });
  await trainer.close();
  await saveNpy(vectors, torch.randn([16, 5])); // a row for each class of the scenes
  writeFileSync(layout, '[[0, 0.1, 0.2, 0.3, 0.7]]');
  const create = { width: 16, height: 16, channels: 3, background: '#808080' } as const;
  await sharp({ create }).toColourspace('b-w').png().toFile(map);
});
test.after.always(() => {
  made.remove();
  teardown.forEach((fn) => fn());
});

const gpt = 'model.params.transformer_config.params';
const condition = 'model.params.cond_stage_config';
const conditions: [
  what: string,
  training: string[],
  sampling: string[],
  field: string | string[],
  isGuidable: boolean,
][] = [
  ['a class', ['-c', 'classes', '--condition-dropout', '0.5'], ['--class', '3'], 'label', true],
  ['a class, never dropped', ['-c', 'classes'], ['--class', '3'], 'label', false],
  [
    'positions',
    [
      '-c',
      'maps',
      `${condition}.target=taming.modules.misc.coord.CoordStage`,
      `${condition}.params.n_embed=20`,
      `${condition}.params.down_factor=2`,
      'model.params.cond_stage_key=coord',
    ],
    ['--size', '24x16'],
    'coord',
    false,
  ],
  ['a map', ['-c', 'maps', '--condition', depth], ['--condition', map], 'depth', false],
  ['a layout', ['-c', 'layouts'], ['--layout', layout], 'layout', false],
  ['vectors', ['-c', 'vectors', '--vectors', vectors], ['--condition', vectors], 'vectors', false],
  [
    'a class and a map',
    ['-c', 'classes-and-maps', '--condition', depth],
    ['--class', '3', '--condition', map, '--size', '24x16'],
    ['label', 'depth'],
    false,
  ],
];

for (const [what, training, sampling, field, isGuidable] of conditions) {
  test.serial(`a transformer learns from ${what}, and samples for it`, async (t) => {
    const sizes = ['n_layer=1', 'n_head=1', 'n_embd=8'].map((size) => `${gpt}.${size}`);
    const args = [
      'transformer',
      '--vqgan',
      made.vqgan,
      ...training,
      ...sizes,
      'training.samples=1',
      'data.count=5',
      'data.heldOut=2',
    ];
    const { run } = await trained(t, ...args);
    const { model } = await openRun(run, 'transformer', 'cpu');
    const { fields, field: own } = model.condition;
    t.deepEqual([fields ?? own, model.isGuidable], [field, isGuidable]);
    const first = await openRun(made.vqgan, 'vqgan', 'cpu');
    t.deepEqual(model.firstStageModel.parameters()[0]!.tolist(), first.model.parameters()[0]!.tolist());
    const codes = await loadCheckpoint(join(run, 'codes.safetensors'));
    const rows = codes.tensors.get('conditions')?.tolist() as number[][] | undefined;
    codes.close();
    const isConstant = field === 'coord'; // Square images have one crop.
    if (rows)
      t.is(new Set(rows.map(String)).size === 1, isConstant, 'the conditions are those of the images');
    const { pixels } = await sampled(join(root, what), run, '--n', '1', ...sampling);
    t.is(pixels.length, 1);
  });
}
