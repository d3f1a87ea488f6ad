/** Completion: given codes and pixels stay, and the others are drawn after all that come before them. */
import test from 'ava';
import { SpiralOutPermuter } from '../../src/models/orders/permuter.js';
import { Labelator } from '../../src/models/conditions/class.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { completeImages, type CompleteImagesOptions } from '../../src/sampling/completion.js';
import type { WindowStep } from '../../src/sampling/orders/window.js';
import { TokenSampler } from '../../src/sampling/sampler.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { ddconfig } from './first-stages.js';
import { livelyGpt } from './lively-gpt.js';

/** Two pixels a code, twelve codes, three classes or none, and 13 for a dropped class. */
function netOf({ spiral = false, classes = true, pkeep = 1 } = {}) {
  const prior = livelyGpt({ vocabSize: 14, blockSize: 16, nLayer: 2, nHead: 2, nEmbd: 8 });
  torch.manualSeed(2);
  return new Net2NetTransformer({
    prior,
    firstStage: new VQModel({ ddconfig, nEmbed: 12, embedDim: 8 }),
    condition: classes ? new Labelator({ nClasses: 3 }) : '__is_unconditional__',
    ...(spiral && { order: new SpiralOutPermuter({ H: 4, W: 4 }) }),
    pkeep,
    nullToken: 13,
  })
    .double()
    .eval();
}

const net = netOf();
const images = torch
  .rand([2, 3, 8, 8], { generator: new torch.Generator().manualSeed(1) })
  .mul(2)
  .sub(1)
  .double();
const condition = torch.tensor([[0n], [2n]]);
/** One pixel of the second row, the lower right corner, and everything from the sixth row on at the left. */
const mask = torch.zeros([8, 8], { dtype: 'bool' });
for (const [row, column, height, width] of [
  [3, 2, 1, 1],
  [6, 6, 2, 2],
  [5, 0, 3, 3],
] as const) {
  torch.noGrad(() => void mask.narrow(0, row, height).narrow(1, column, width).fill_(1));
}
/** Cells of the mask, in rows of four. */
const drawnCells = [5, 8, 9, 12, 13, 15];
const listed = (of: Tensor) => of.tolist() as number[][];

for (const [what, of] of [
  ['row by row', net],
  ['in a spiral', netOf({ spiral: true })],
] as const) {
  for (const guidance of [1, 3]) {
    test(`codes are drawn ${what} after all that come before, guided by ${guidance}`, (t) => {
      const result = completeImages(of, images, mask, { condition, greedy: true, guidance });
      const own = of.encodeToZ(images).indices;
      const order = listed(of.permuter.forward(torch.arange(16, { dtype: 'int64' }).view([1, 16])))[0]!;
      const [logits, without] = [condition, of.dropped(condition)!].map((start) =>
        torch.noGrad(() => of.predict(result.tokens, start).narrow(-1, 0, 12)),
      );
      const likeliest = listed(without!.add(logits!.sub(without!).mul(guidance)).argmax(-1));
      const [tokens, given] = [listed(result.tokens), listed(own)];
      for (const row of [0, 1]) {
        for (const [place, cell] of order.entries()) {
          const expected = drawnCells.includes(cell) ? likeliest : given;
          t.is(tokens[row]![place], expected[row]![place], `row ${row}, cell ${cell}`);
        }
      }
      t.notDeepEqual(tokens, given);
    });
  }
}

test('given pixels stay as they are, and the others are decoded', (t) => {
  const result = completeImages(net, images, mask, { condition, seeds: [1, 2] });
  const decoded = net.decodeToImg(result.tokens, [4, 4]);
  t.deepEqual(result.decoded.tolist(), decoded.tolist());
  const drawn = mask.expand(images.shape);
  t.deepEqual(
    result.images.maskedSelect(drawn.logicalNot()).tolist(),
    images.maskedSelect(drawn.logicalNot()).tolist(),
  );
  t.deepEqual(result.images.maskedSelect(drawn).tolist(), decoded.maskedSelect(drawn).tolist());
});

test('a row depends on its image, mask and seed alone, and a sampler draws the same', (t) => {
  const masks = torch.stack([mask, mask.flip([0])]);
  const both = completeImages(net, images, masks, { condition, seeds: [1, 2] }).tokens;
  const second = completeImages(net, images.narrow(0, 1, 1), mask.flip([0]), {
    condition: condition.narrow(0, 1, 1),
    seeds: [2],
  }).tokens;
  t.deepEqual(both.narrow(0, 1, 1).tolist(), second.tolist());
  for (const guidance of [1, 3]) {
    const expected = completeImages(net, images, mask, { condition, seeds: [1, 2], guidance }).tokens;
    using sampler = new TokenSampler(net.transformer, { batch: 2, bucket: 5, guidance });
    const { tokens } = completeImages(net, images, mask, { condition, seeds: [1, 2], sampler });
    t.deepEqual(tokens.tolist(), expected.tolist());
  }
});

test('a callback names the token by its number in reading order', (t) => {
  const numbers: number[] = [];
  const lower = torch.arange(8).ge(4).unsqueeze(1).expand([8, 8]);
  const onToken = (number: number) => void numbers.push(number);
  completeImages(net, images, lower, { condition, onToken });
  t.deepEqual(numbers, [8, 9, 10, 11, 12, 13, 14, 15]);
});

test('a canvas places images in a larger one, which is drawn through windows', (t) => {
  const plain = netOf({ classes: false });
  for (const [at, top, left] of [
    [undefined, 0, 2],
    [[2, 0], 1, 0],
  ] as const) {
    const size = [top === 0 ? 8 : 12, 18] as const;
    const grid = size.map((side) => side / 2) as [number, number];
    const result = completeImages(plain, images, null, {
      canvas: { size, ...(at && { at }) },
      seeds: [3, 4],
    });
    const own = plain.firstStageModel.encode(images).indices.view([2, 4, 4]);
    const kept = torch.zeros(grid, { dtype: 'bool' });
    const completion = torch.zeros([2, ...grid], { dtype: 'int64' });
    torch.noGrad(() => {
      kept.narrow(0, top, 4).narrow(1, left, 4).fill_(1);
      completion.narrow(1, top, 4).narrow(2, left, 4).copy_(own);
    });
    const start = torch.zeros([2, 1], { dtype: 'int64' });
    const expected = sampleWindowed(plain, start, { completion, mask: kept, seeds: [3, 4] });
    t.deepEqual(result.tokens.tolist(), expected.flatten(1).tolist());
    const part = result.images.narrow(2, 2 * top, 8).narrow(3, 2 * left, 8);
    t.deepEqual(part.tolist(), images.tolist());
    t.deepEqual(result.images.shape, [2, 3, ...size]);
  }
});

test('of several conditions, windows on a canvas have their part of those with a token for each code', (t) => {
  const map = torch.randint(0, 12, [2, 36], { generator: new torch.Generator().manualSeed(8) });
  const canvas = { size: [8, 18], at: [0, 0] } as const;
  const fed: unknown[] = [];
  const onStep = (step: WindowStep) => void fed.push(step.fed.tolist());
  completeImages(net, images, null, { canvas, seeds: [3, 4], condition: [condition, map], onStep });
  const completion = torch.zeros([2, 4, 9], { dtype: 'int64' });
  const own = net.firstStageModel.encode(images).indices.view([2, 4, 4]);
  torch.noGrad(() => void completion.narrow(2, 0, 4).copy_(own));
  const given = { completion, mask: torch.arange(9).lt(4).expand([4, 9]), seeds: [3, 4], window: 2 };
  const expected: unknown[] = [];
  sampleWindowed(net, [condition, map.view([2, 4, 9])], {
    ...given,
    onStep: (step) => void expected.push(step.fed.tolist()),
  });
  t.deepEqual(fed, expected);
});

test('where nothing is to be drawn, the codes are those of the images', (t) => {
  const { tokens, images: same } = completeImages(net, images, torch.zeros([8, 8]), { condition });
  t.deepEqual(tokens.tolist(), net.encodeToZ(images).indices.tolist());
  t.deepEqual(same.tolist(), images.tolist());
});

const refused: Record<
  string,
  [CompleteImagesOptions, RegExp, { mask?: Tensor | null; net?: Net2NetTransformer }?]
> = {
  'a mask of another size': [
    { condition },
    /mask must be \[8, 8\] or \[2, 8, 8\], the size of the images, got \[4, 4\]/,
    { mask: torch.ones([4, 4]) },
  ],
  'masks of another batch': [{ condition }, /got \[3, 8, 8\]/, { mask: torch.ones([3, 8, 8]) }],
  'neither mask nor canvas': [{ condition }, /nothing is to be drawn/, { mask: null }],
  'no condition': [{}, /the model draws for 3 classes; pass the tokens of one as condition/],
  'a canvas that is not whole codes': [{ condition, canvas: { size: [8, 17] } }, /must be multiples of 2/],
  'a place that is not': [{ condition, canvas: { size: [8, 16], at: [0, 3] } }, /place \[0, 3\] must be/],
  'a place beyond the canvas': [
    { condition, canvas: { size: [8, 16], at: [0, 10] } },
    /images of 8 × 8 pixels at \[0, 10\] do not lie on a canvas of 8 × 16/,
  ],
  'a model that draws all at once': [{ condition }, /draws all tokens at once/, { net: netOf({ pkeep: 0 }) }],
  'guidance without a dropped condition': [
    { condition, guidance: 2 },
    /trained without dropped conditions/,
    { net: new Net2NetTransformer({ ...net.config, nullToken: null }) },
  ],
};
for (const [what, [options, message, other = {}]] of Object.entries(refused)) {
  test(`refused: ${what}`, (t) => {
    const given = other.mask === undefined ? mask : other.mask;
    t.throws(() => completeImages(other.net ?? net, images, given, options), { message });
  });
}
