/** Scenes from layouts, against the windows recorded from the reference. */
import test from 'ava';
import { DummyCondStage } from '../../src/models/conditions/tokens.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import type { WindowStep } from '../../src/sampling/orders/window.js';
import { sampleScene } from '../../src/sampling/scenes.js';
import type { SampleSceneOptions } from '../../src/sampling/scenes.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { GridStage } from '../golden/net2net.js';
import {
  annotationOf,
  builderOf,
  fixture,
  recorded,
  type Kind,
} from '../models/conditions/layout/recorded.js';

const { tensors } = await loadCheckpoint(fixture('layout.safetensors'));
const integers = (name: string) => tensors.get(name)!.tolist();

function netOf(kind: Kind, options: { pkeep?: number; nullToken?: number } = {}): Net2NetTransformer {
  const weights = [...tensors.keys()].filter((name) => name.startsWith(`weights.${kind}.`));
  const prior = new GPT({
    vocabSize: 100,
    blockSize: kind === 'objects_bbox' ? 27 : 24,
    nLayer: 2,
    nHead: 2,
    nEmbd: 32,
  }).to('float64');
  const state = new Map(weights.map((name) => [name.slice(`weights.${kind}.`.length), tensors.get(name)!]));
  const { missing, unexpected } = prior.loadStateDict(state, { strict: false });
  const wrong = [...missing.filter((name) => !name.endsWith('attn.mask')), ...unexpected];
  if (wrong.length > 0) throw new Error(`the fixture does not fit: ${wrong.join(', ')}`);
  return new Net2NetTransformer({
    firstStage: new GridStage(),
    prior,
    condition: new DummyCondStage({ conditionalKey: kind }),
    ...options,
  }).eval();
}

for (const one of recorded.windows) {
  const { name, kind, shape, crops, window } = one;
  const annotations = one.annotations.map(annotationOf);
  const builder = builderOf(kind, one.builder);
  const draw = (options: SampleSceneOptions = {}) =>
    sampleScene(netOf(kind), annotations, builder, { grid: shape, topK: 1, ...options });

  test(`layouts of the windows, tokens given and tokens drawn are the reference’s: ${name}`, (t) => {
    const length = builder.embeddingDim;
    const rows: { condition: number[]; given: number[]; crop: number[] }[] = [];
    const onStep = ({ cells, fed }: WindowStep) => {
      const [tokens] = fed.tolist() as number[][];
      const [{ top, left }] = cells as [WindowStep['cells'][number]];
      rows.push({
        condition: tokens!.slice(0, length),
        given: tokens!.slice(length),
        crop: [left / shape[1], top / shape[0], window / shape[1], window / shape[0]],
      });
    };
    const grid = draw({ order: 'sequential', window, onStep });
    t.deepEqual(grid.tolist(), integers(`${name}.grid`));
    t.is(rows.length, shape[0] * shape[1]);
    t.deepEqual(
      rows.map(({ crop }) => crop),
      crops as unknown as number[][],
    );
    const conditions = integers(`${name}.conditions`) as number[][];
    const given = integers(`${name}.given`) as number[][];
    // The trained size was drawn by one call, whose condition was recorded once.
    for (const [i, condition] of conditions.entries()) {
      t.deepEqual(rows[i]!.condition, condition);
      t.deepEqual(
        [...rows[i]!.given, ...Array.from({ length: 16 - rows[i]!.given.length }, () => 255)],
        given[i],
      );
    }
  });

  test(`a wavefront draws the same tokens: ${name}`, (t) => {
    t.deepEqual(draw().tolist(), integers(`${name}.grid`));
  });
}

const [scene] = recorded.windows;
const layout = (options: SampleSceneOptions = {}, shuffle = false): Tensor =>
  sampleScene(
    netOf(scene!.kind),
    scene!.annotations.map(annotationOf),
    builderOf(scene!.kind, scene!.builder, shuffle),
    { seed: 3, ...options },
  );

test('images of a batch are drawn as each alone, and the trained size is the default', (t) => {
  const two = layout({ count: 2 });
  t.deepEqual(two.shape, [2, 4, 4]);
  const rows = two.tolist() as number[][][];
  t.deepEqual(layout().tolist(), [rows[0]!]);
  t.notDeepEqual(rows[0], rows[1]);
  t.deepEqual(
    layout({ order: 'sequential', count: 2, maxBatch: 3, grid: [5, 6] }).tolist(),
    layout({ count: 2, grid: [5, 6] }).tolist(),
  );
});

test('objects are shuffled once, by the default generator', (t) => {
  const orders = new Set<string>();
  const conditions = (seed: number) => {
    torch.manualSeed(seed);
    const seen = new Set<string>();
    const onStep = ({ fed }: WindowStep) => {
      const [tokens] = fed.tolist() as number[][];
      // With the crop encoded, boxes stay those of the whole image, whatever the window.
      seen.add(tokens!.slice(0, 6).join(', '));
    };
    layout({ onStep }, true);
    t.is(seen.size, 1);
    return [...seen][0]!;
  };
  for (let seed = 0; seed < 8; seed++) orders.add(conditions(seed));
  t.true(orders.size > 1);
  t.is(conditions(0), conditions(0));
});

const refused: [what: string, options: SampleSceneOptions, message: RegExp, pkeep?: number][] = [
  [
    'a window larger than the block allows',
    { window: 5 },
    /5×5 codes with 8 condition tokens do not fit .* at most 4/,
  ],
  ['a grid smaller than the window', { grid: [3, 8] }, /sampleScene: a grid of 3×8 codes is smaller/],
  ['no images', { count: 0 }, /sampleScene: count must be a positive integer, got 0/],
  ['a model that draws all at once', {}, /sampleScene: the model has pkeep 0/, 0],
];

for (const [what, options, message, pkeep = 1] of refused) {
  test(`refused before any work: ${what}`, (t) => {
    const { kind, builder } = scene!;
    const net = netOf(kind, { pkeep });
    net.transformer.forward = () => t.fail();
    t.throws(() => sampleScene(net, [], builderOf(kind, builder), options), { message });
  });
}

test('refused: a layout of a larger vocabulary', (t) => {
  const { kind, builder } = scene!;
  const larger = builderOf(kind, { ...builder, no_tokens: 101 });
  t.throws(() => sampleScene(netOf(kind), [], larger), {
    message:
      /the layout has 101 tokens, but the model's vocabulary has 100; build the layout with the noTokens/,
  });
});

test('scenes are guided away from a dropped layout, the same in every batch', (t) => {
  const [one] = recorded.windows;
  const builder = builderOf(one!.kind, one!.builder);
  const draw = (options: SampleSceneOptions) =>
    sampleScene(netOf(one!.kind, { nullToken: 99 }), one!.annotations.map(annotationOf), builder, {
      grid: one!.shape,
      seeds: [5],
      temperature: 2,
      ...options,
    }).tolist() as number[][][];
  const plain = draw({});
  t.deepEqual(draw({ guidance: 1 }), plain);
  t.notDeepEqual(draw({ guidance: 4 }), plain);
  t.deepEqual(draw({ guidance: 4, count: 2, seeds: [8, 5] })[1], draw({ guidance: 4 })[0]);
});
