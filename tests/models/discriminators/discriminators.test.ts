import test from 'ava';
import {
  MaskBitDiscriminator,
  NLayerDiscriminator,
  StyleGAN2Discriminator,
  StyleGANDiscriminator,
} from '../../../src/models/discriminators/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as torch from '../../../src/torch/index.js';

const shapesOf = (module: nn.Module) =>
  Object.fromEntries([...module.stateDict()].map(([key, { shape }]) => [key, shape.join('×')]));

test('the widths are the published ones by default', (t) => {
  const [stylegan, stylegan2, maskbit] = nn.skipInit(() => [
    new StyleGANDiscriminator({ imageSize: 256 }),
    new StyleGAN2Discriminator({ imageSize: 256 }),
    new MaskBitDiscriminator(),
  ]);
  t.like(shapesOf(stylegan), {
    'blocks.0.weight': '64×3×3×3',
    'blocks.2.conv_res.weight': '128×64×1×1',
    'blocks.4.net.0.weight': '512×256×3×3',
    'blocks.7.downsample.1.weight': '512×512×3×3',
    'final_linear.0.weight': '512×8192',
  });
  t.like(shapesOf(stylegan2), {
    'b256.fromrgb.weight': '128×3×1×1',
    'b256.conv1.weight': '256×128×3×3',
    'b64.skip.weight': '512×512×1×1',
    'b4.conv.weight': '512×513×3×3',
    'b4.out.weight': '1×512',
  });
  t.like(shapesOf(maskbit), {
    'block_in.0.weight': '128×3×5×5',
    'blocks.0.0.weight': '128×128×3×3',
    'blocks.2.2.weight': '512',
    'to_logits.2.weight': '1×512×5×5',
  });
  t.is(
    shapesOf(new StyleGANDiscriminator({ imageSize: 64, channelMultiplier: 2 }))['blocks.0.weight'],
    '512×3×3×3',
  );
});

test('spectral norm of the patch discriminator: PyTorch’s keys, the same weights before it, largest singular value 1', (t) => {
  torch.manualSeed(2);
  const plain = new NLayerDiscriminator({ ndf: 4, nLayers: 1 });
  torch.manualSeed(2);
  const normed = new NLayerDiscriminator({ ndf: 4, nLayers: 1, spectralNorm: true });
  const state = normed.stateDict();
  const keys = [...state.keys()].filter((key) => key.startsWith('main.0.'));
  t.deepEqual(keys.sort(), [
    'main.0.bias',
    'main.0.parametrizations.weight.0._u',
    'main.0.parametrizations.weight.0._v',
    'main.0.parametrizations.weight.original',
  ]);
  for (const layer of [0, 2, 5]) {
    const original = state.get(`main.${layer}.parametrizations.weight.original`)!;
    t.true(original.equal(plain.stateDict().get(`main.${layer}.weight`)!));
    const conv = normed.main.get(layer) as nn.Conv2d;
    for (let i = 0; i < 50; i++) torch.scope(() => void conv.weight);
    const largest = torch.linalgSvdvals(conv.weight.detach().flatten(1)).max().item();
    t.true(Math.abs(largest - 1) < 1e-3, `${largest}`);
  }
  // Without values there is nothing to iterate on, and loaded weights must not meet NaN.
  const empty = nn.skipInit(() => new NLayerDiscriminator({ ndf: 4, nLayers: 1, spectralNorm: true }));
  const { missing } = empty.loadStateDict(new Map([...state].filter(([key]) => !/_[uv]$/.test(key))), {
    strict: false,
  });
  t.is(missing.length, 6);
  t.true(
    empty
      .forward(torch.rand([2, 3, 8, 8]))
      .isfinite()
      .all()
      .item(),
  );
});

test('StyleGAN2 compares images within groups: image i with those i mod B / G', (t) => {
  torch.scope(() => {
    const alike = (batch: number, group: number, changed: number) => {
      torch.manualSeed(4);
      const net = new StyleGAN2Discriminator({ imageSize: 8, channelMax: 4, mbstdGroupSize: group });
      const images = torch.randn([batch, 3, 8, 8]);
      const before = net.forward(images);
      images.select(0, changed).mul_(-2);
      return net.forward(images).eq(before).flatten().tolist();
    };
    t.deepEqual(alike(4, 2, 0), [false, true, false, true]);
    t.deepEqual(alike(4, 4, 0), [false, false, false, false]);
    t.deepEqual(alike(3, 2, 0), [false, true, true], 'no group of two divides three images');
    t.deepEqual(alike(3, 8, 0), [false, false, false], 'groups are at most the batch');
  });
});

const mistakes: [string, () => unknown, RegExp][] = [
  [
    'a side that is no power of two',
    () => new StyleGANDiscriminator({ imageSize: 48 }),
    /power of two from 8, got 48/,
  ],
  ['a side below 8', () => new StyleGAN2Discriminator({ imageSize: 4 }), /power of two from 8, got 4/],
  [
    'a side without width',
    () => new StyleGANDiscriminator({ imageSize: 16, channels: { '4..8': 2 } }),
    /channels has no width for maps of 16 pixels, only for 4\.\.8/,
  ],
  [
    'a range that is none',
    () => new StyleGANDiscriminator({ imageSize: 16, channels: { '4-16': 2 } }),
    /channels must be an object of widths by side/,
  ],
  [
    'groups that do not divide the width',
    () => new MaskBitDiscriminator({ hiddenChannels: 48 }),
    /groupNormGroups is 32, which does not divide hiddenChannels \(48\)/,
  ],
  [
    'a blur without taps',
    () => new MaskBitDiscriminator({ blurKernelSize: 2 as 3 }),
    /blurKernelSize must be one of 3, 4, 5, got 2/,
  ],
];
for (const [name, make, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const { message: said } = t.throws(make, { any: true }) as Error;
    t.regex(said, message);
  });

test('gradients of StyleGAN2 are finite in float16, also for images that are all alike', (t) => {
  torch.scope(() => {
    torch.manualSeed(4);
    const discriminator = new StyleGAN2Discriminator({ imageSize: 8, channelMax: 4 });
    discriminator.to('float16');
    const images = torch.rand([1, 3, 8, 8]).to('float16').repeat([4, 1, 1, 1]);
    const logits = discriminator.forward(images);
    t.is(logits.dtype, 'float16');
    logits.sum().backward();
    for (const [name, { grad }] of discriminator.namedParameters())
      t.true(grad!.isfinite().all().item(), name);
  });
});
