import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { describeWeights } from '../../../src/models/weights/describe.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import type { ModelConfig } from '../../../src/models/registry/from-config.js';
import {
  diffusers,
  latentDiffusion,
  latentDiffusionAverage,
  llamaGen,
  recogniseKeys,
  withKeys,
} from '../../../src/models/weights/key-maps/index.js';
import type { KeyMap } from '../../../src/models/weights/key-maps/index.js';
import { loadWeights } from '../../../src/models/weights/load.js';
import { collectLpips } from '../../../src/models/weights/lpips.js';
import { LPIPS } from '../../../src/models/losses/lpips.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { loadCheckpoint, savePytorch, saveSafetensors } from '../../../src/torch/io/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import { StateDictError } from '../../../src/torch/nn/state-dict.js';

const folder = mkdtempSync(join(tmpdir(), 'tessera-weights-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

interface Known {
  config: ModelConfig;
  keys: [string, number[], 'float32' | 'int64' | 'uint8'][];
}

const known = JSON.parse(
  gunzipSync(
    readFileSync(new URL('../../fixtures/golden/state-dict-keys.json.gz', import.meta.url)),
  ).toString(),
) as Record<string, Record<string, unknown>>;

function keysOf(name: string): Known {
  const found = known[name]!;
  return {
    config: found['config'] as ModelConfig,
    keys: Object.values(found).find(Array.isArray) as Known['keys'],
  };
}

const backbone = {
  zChannels: 32,
  resolution: 32,
  inChannels: 3,
  outCh: 3,
  ch: 32,
  chMult: [1, 2, 2],
  numResBlocks: 1,
  attnResolutions: [8],
};
const first = () => new VQModel({ ddconfig: backbone, nEmbed: 16, embedDim: 8 });
/** One whose weights are about to be loaded, or refused. */
const empty = () => nn.skipInit(first);

test('official checkpoints load with their own configuration', async (t) => {
  for (const name of ['vqgan_gumbel_f8', 'unconditional_zcurve_small']) {
    const { config, keys } = keysOf(name);
    // Every tensor is one number repeated, which files hold in four bytes.
    const tensors = keys.map(([key, shape, dtype], i): [string, Tensor] => [
      key,
      torch.full([1], i % 100, { dtype }).expand(shape),
    ]);
    const path = join(folder, `${name}.ckpt`);
    await savePytorch(path, { state_dict: new Map(tensors), global_step: 5 });
    const checkpoint = await loadCheckpoint(path);
    const model = modelFromConfig(config, { init: false });
    t.deepEqual(model.loadStateDict(checkpoint.tensors), { missing: [], unexpected: [] });
    const state = model.stateDict();
    for (const [i, [key]] of keys.entries()) {
      if (i % 40 === 0) t.is(Number(state.get(key)!.double().mean().item()), i % 100, key);
    }
    checkpoint.close();
  }
});

test('a larger vocabulary and more positions keep what was learnt', (t) => {
  const small = new GPT({ vocabSize: 10, blockSize: 6, nLayer: 1, nHead: 2, nEmbd: 8 });
  const large = new GPT({ vocabSize: 14, blockSize: 9, nLayer: 1, nHead: 2, nEmbd: 8 });
  const before = large.tokEmb.weight.clone();
  const source = small.stateDict();
  const error = t.throws(() => loadWeights(large, source), { instanceOf: StateDictError });
  t.regex(error.message, /tok_emb\.weight: shape \[10, 8\], expected \[14, 8\]/);
  t.true(large.tokEmb.weight.equal(before), 'nothing was loaded');
  const report = loadWeights(large, source, { resize: /tok_emb|head\.weight|pos_emb|mask/ });
  t.deepEqual(report.resized.map(({ key }) => key).sort(), [
    'blocks.0.attn.mask',
    'head.weight',
    'pos_emb',
    'tok_emb.weight',
  ]);
  t.regex(String(report), /resized.*\(4\):\n.*pos_emb: \[1, 6, 8\] into \[1, 9, 8\]/);
  t.true(large.tokEmb.weight.narrow(0, 0, 10).equal(small.tokEmb.weight));
  t.true(large.tokEmb.weight.narrow(0, 10, 4).equal(before.narrow(0, 10, 4)));
  t.true(
    large
      .stateDict()
      .get('blocks.0.attn.mask')!
      .equal(torch.ones([9, 9]).tril().reshape([1, 1, 9, 9])),
  );
  // And back: a smaller one takes its part.
  loadWeights(small, large.stateDict(), {
    resize: ['tok_emb.weight', 'head.weight', 'pos_emb', 'blocks.0.attn.mask'],
  });
  t.true(small.tokEmb.weight.equal(large.tokEmb.weight.narrow(0, 0, 10)));
});

test('prefixes, keys left out, and a readable report', (t) => {
  const from = first();
  const into = first();
  const source = new Map([...from.stateDict()].map(([key, tensor]) => [`first_stage_model.${key}`, tensor]));
  source.set('transformer.head.weight', torch.ones([2, 2]));
  source.set('first_stage_model.loss.logvar', torch.ones([1]));
  const codes = into.quantize.embedding.weight.clone();
  const report = loadWeights(into, source, { prefix: 'first_stage_model.', ignore: ['quantize.', 'loss.'] });
  t.deepEqual([report.missing, report.unexpected], [[], []]);
  t.true(into.quantize.embedding.weight.equal(codes));
  t.true(into.encoder.convIn.weight.equal(from.encoder.convIn.weight));
  t.false(report.loaded.includes('quantize.embedding.weight'));
  const lax = new Map(from.stateDict());
  lax.set('quantize.embedding.weight', torch.ones([5, 8]));
  lax.delete('quant_conv.bias');
  lax.set('other', torch.ones([1]));
  const told = loadWeights(into, lax, { strict: false });
  t.deepEqual([told.missing, told.unexpected], [['quant_conv.bias'], ['other']]);
  t.deepEqual(told.misshapen, [{ key: 'quantize.embedding.weight', found: [5, 8], expected: [16, 8] }]);
  t.regex(
    String(told),
    /different shape \(1\):\n {2}quantize\.embedding\.weight: \[5, 8\] into \[16, 8\]\n.*missing/,
  );
});

/** Keys and shapes as other projects write them for the small model above. */
const theirs: [KeyMap, Record<string, number[]>][] = [
  [
    llamaGen,
    {
      'encoder.conv_blocks.0.res.0.norm1.weight': [32],
      'encoder.conv_blocks.0.downsample.conv.weight': [32, 32, 3, 3],
      'encoder.conv_blocks.1.res.0.nin_shortcut.weight': [64, 32, 1, 1],
      'encoder.conv_blocks.2.attn.0.q.weight': [64, 64, 1, 1],
      'encoder.mid.0.conv1.weight': [64, 64, 3, 3],
      'encoder.mid.1.proj_out.bias': [64],
      'decoder.conv_blocks.0.attn.1.k.weight': [64, 64, 1, 1],
      'decoder.conv_blocks.0.upsample.conv.weight': [64, 64, 3, 3],
      'decoder.conv_blocks.2.res.1.conv2.weight': [32, 32, 3, 3],
      'quantize.codebook_used': [65536],
    },
  ],
  [
    diffusers,
    {
      'encoder.down_blocks.0.resnets.0.norm1.weight': [32],
      'encoder.down_blocks.0.downsamplers.0.conv.weight': [32, 32, 3, 3],
      'encoder.down_blocks.1.resnets.0.conv_shortcut.weight': [64, 32, 1, 1],
      'encoder.down_blocks.2.attentions.0.to_q.weight': [64, 64],
      'encoder.mid_block.resnets.0.conv1.weight': [64, 64, 3, 3],
      'encoder.mid_block.resnets.1.conv1.weight': [64, 64, 3, 3],
      'encoder.mid_block.attentions.0.to_out.0.bias': [64],
      'encoder.mid_block.attentions.0.group_norm.weight': [64],
      'encoder.conv_norm_out.weight': [64],
      'decoder.up_blocks.0.attentions.1.to_k.weight': [64, 64],
      'decoder.up_blocks.0.upsamplers.0.conv.weight': [64, 64, 3, 3],
      'decoder.up_blocks.2.resnets.1.conv2.weight': [32, 32, 3, 3],
      'quantize.embedding.weight': [16, 8],
    },
  ],
  [latentDiffusion, { 'encoder.down.0.block.0.norm1.weight': [32], 'quant_conv.weight': [8, 32, 1, 1] }],
  [
    latentDiffusionAverage,
    { 'encoder.down.0.block.0.norm1.weight': [32], 'model_ema.encoderdown0block0norm1weight': [32] },
  ],
];

test('weights of other projects, both ways', (t) => {
  const model = first();
  torch.noGrad(() => {
    const codes = model.quantize.embedding.weight;
    codes.div_(codes.square().sum([1], true).sqrt());
  });
  const own = model.stateDict();
  for (const [keyMap, shapes] of theirs) {
    const foreign = withKeys(own, keyMap.fromReference([...own.keys()]));
    for (const [key, shape] of Object.entries(shapes)) t.deepEqual(foreign.info(key)?.shape, shape, key);
    if (keyMap === llamaGen || keyMap === diffusers) t.is(recogniseKeys(foreign.keys()), keyMap);
    const into = empty();
    const report = loadWeights(into, new Map(foreign), { keyMap });
    t.deepEqual([report.missing, report.unexpected], [[], []], keyMap.name);
    for (const [key, tensor] of into.stateDict()) {
      t.true(tensor.allclose(own.get(key)!, { rtol: 1e-6, atol: 1e-7 }), `${keyMap.name} ${key}`);
    }
  }
  const old = new Map(withKeys(own, diffusers.fromReference([...own.keys()])));
  for (const [now, before] of [
    ['to_q', 'query'],
    ['to_k', 'key'],
    ['to_v', 'value'],
    ['to_out.0', 'proj_attn'],
  ] as const) {
    for (const key of [...old.keys()].filter((name) => name.includes(`.${now}.`))) {
      old.set(key.replace(now, before), old.get(key)!);
      old.delete(key);
    }
  }
  t.deepEqual(loadWeights(empty(), old, { keyMap: diffusers }).missing, [], 'names before 0.17');
});

test('a prefix is taken off before the layout is looked at, for every layout', (t) => {
  const own = first().stateDict();
  for (const [keyMap] of theirs) {
    const foreign = new Map(withKeys(own, keyMap.fromReference([...own.keys()])));
    for (const prefix of ['model.', 'module.model.', 'first_stage_model.']) {
      const wrapped = new Map([...foreign].map(([key, tensor]) => [`${prefix}${key}`, tensor]));
      wrapped.set('step', torch.ones([1]));
      const report = loadWeights(empty(), wrapped, { prefix, keyMap });
      t.deepEqual([report.missing, report.unexpected], [[], []], `${keyMap.name} below ${prefix}`);
      t.is(loadWeights(empty(), wrapped, { keyMap }).prefix, prefix, `${keyMap.name}, ${prefix} not given`);
    }
  }
});

/** Keys as wrappers of training write them, and what stands before them. */
const wrapped: [name: string, wrap: (key: string) => string, prefix: string][] = [
  ['DataParallel', (key) => `module.${key}`, 'module.'],
  ['torch.compile', (key) => `_orig_mod.${key}`, '_orig_mod.'],
  ['both', (key) => `module._orig_mod.${key}`, 'module._orig_mod.'],
  ['Lightning', (key) => `model.${key}`, 'model.'],
  ['an average', (key) => `ema_model.module.${key}`, 'ema_model.module.'],
  ['latent diffusion', (key) => `first_stage_model.${key}`, 'first_stage_model.'],
  ['a class of the user', (key) => `trainer.net.${key}`, 'trainer.net.'],
  ['compiled parts', (key) => key.replace(/^(encoder|decoder)\./, '$1._orig_mod.'), ''],
  [
    'FSDP',
    (key) => `_fsdp_wrapped_module.${key.replace('.mid.', '.mid._fsdp_wrapped_module.')}`,
    '_fsdp_wrapped_module.',
  ],
  ['parts of DDP', (key) => `model.${key.replace(/^encoder\./, 'encoder.module.')}`, 'model.'],
];

test('what wrappers put before and into keys is taken off, and the report says so', (t) => {
  const from = first();
  for (const [name, wrap, prefix] of wrapped) {
    const source = new Map([...from.stateDict()].map(([key, tensor]) => [wrap(key), tensor]));
    if (prefix !== '') source.set('n_averaged', torch.ones([1]));
    for (const strict of [true, false]) {
      const into = empty();
      const report = loadWeights(into, source, { strict });
      t.deepEqual([report.missing, report.unexpected, report.prefix], [[], [], prefix], name);
      t.true(into.encoder.convIn.weight.equal(from.encoder.convIn.weight), name);
      if (prefix !== '') t.true(String(report).includes(`from under "${prefix}"`), name);
    }
    // loadStateDict names the way, strict or not.
    const own = empty();
    for (const strict of prefix === '' ? [true] : [true, false]) {
      const error = t.throws(() => own.loadStateDict(source, { strict }), { instanceOf: StateDictError });
      t.false(error.message.includes('strict: false'), name);
      t.regex(
        error.message,
        prefix === '' ? /_orig_mod.*loadWeights/ : /are below "|name of a wrapper/,
        name,
      );
    }
  }
});

test('loading nothing is an error, and so is a choice between two places', (t) => {
  const own = first().stateDict();
  const below = (...prefixes: string[]) =>
    new Map(prefixes.flatMap((prefix) => [...own].map(([key, tensor]) => [`${prefix}${key}`, tensor])));
  t.throws(() => loadWeights(empty(), below('model.', 'ema.')), {
    message: /several prefixes, "model\." and "ema\."/,
  });
  t.is(loadWeights(empty(), below('model.', 'ema.'), { prefix: 'ema.' }).missing.length, 0);
  for (const strict of [true, false]) {
    t.throws(() => loadWeights(empty(), below('model.'), { prefix: 'ema.', strict }), {
      instanceOf: StateDictError,
      message: /found with \{ prefix: "model\." \}/,
    });
    const unrelated = new Map([['fc.weight', torch.ones([2, 2])]]);
    t.throws(() => loadWeights(empty(), unrelated, { strict }), {
      message: /check that these are weights of this model/,
    });
    t.throws(() => empty().loadStateDict(unrelated, { strict }), { instanceOf: StateDictError });
    const ofOthers = new Map([...own].map(([key]) => [key, torch.ones([7, 7])]));
    t.throws(() => loadWeights(empty(), ofOthers, { strict }), {
      instanceOf: StateDictError,
      message: /shape/,
    });
  }
});

test('unit rows give the codes that LlamaGen looks up on unit queries', (t) => {
  const codes = torch.randn([16, 8]);
  const mapped = withKeys(
    new Map([['quantize.embedding.weight', codes]]),
    llamaGen.toReference(['quantize.embedding.weight']),
  ).get('quantize.embedding.weight')!;
  const z = torch.randn([50, 8]);
  const unit = (x: Tensor) => x.div(x.square().sum([1], true).sqrt());
  t.true(
    torch
      .cdist(z, mapped)
      .argmin(1)
      .equal(torch.cdist(unit(z), unit(codes)).argmin(1)),
  );
});

test('latent diffusion: the averaged weights where there are some', (t) => {
  const keys = [
    'quant_conv.weight',
    'model_ema.quant_convweight',
    'model_ema.decay',
    'loss.logvar',
    'quantize.used',
  ];
  t.is(recogniseKeys(keys), latentDiffusion);
  t.deepEqual(
    [...latentDiffusion.toReference(keys)],
    [
      ['quant_conv.weight', { key: 'quant_conv.weight' }],
      ['quantize.used', { key: 'quantize.used' }],
    ],
  );
  t.deepEqual([...latentDiffusionAverage.toReference(keys)][0], [
    'quant_conv.weight',
    { key: 'model_ema.quant_convweight' },
  ]);
});

test('models are recognised by their keys', (t) => {
  const shapesOf = (name: string) => new Map(keysOf(name).keys.map(([key, shape]) => [key, shape]));
  t.deepEqual(describeWeights(shapesOf('vqgan_imagenet_f16_16384')), [
    'VQModel f16, 16384 codes of width 256, base width 128, with its discriminator and LPIPS',
  ]);
  t.regex(describeWeights(shapesOf('vqgan_gumbel_f8'))[0]!, /^GumbelVQ f8, 8192 codes/);
  t.regex(
    describeWeights(shapesOf('cin_transformer'))[0]!,
    /transformer: GPT, 48 layers of width 1536, 16384 tokens, 256 positions; first stage: VQModel f16/,
  );
  t.deepEqual(describeWeights(new Map([['anything', [1]]])), []);
});

test('LPIPS is found below the names of wrappers', async (t) => {
  const own = [...new LPIPS().stateDict()].filter(([key]) => !key.startsWith('net.'));
  const vgg = [...new LPIPS().stateDict()].filter(([key]) => key.startsWith('net.'));
  const path = join(folder, 'wrapped-lpips.safetensors');
  await saveSafetensors(
    path,
    new Map([
      ...own.map(([key, tensor]): [string, Tensor] => [`module.loss.perceptual_loss.${key}`, tensor]),
      ...vgg.map(([key, tensor]): [string, Tensor] => [
        `module.${key.replace(/^net\.slice\d/, 'features')}`,
        tensor,
      ]),
    ]),
  );
  const { tensors, close } = await loadCheckpoint(path);
  t.deepEqual(collectLpips([tensors]).missing, []);
  close();
});

test('LPIPS is put together from parts, or lifted out of a VQGAN', async (t) => {
  const lpips = new LPIPS();
  const own = [...lpips.stateDict()];
  const vgg = own
    .filter(([key]) => key.startsWith('net.'))
    .map(([key, tensor]): [string, Tensor] => [key.replace(/^net\.slice\d/, 'features'), tensor]);
  const parts = {
    vgg: new Map(vgg),
    lin: new Map(own.filter(([key]) => key.startsWith('lin'))),
    whole: new Map(own.map(([key, tensor]) => [`loss.perceptual_loss.${key}`, tensor])),
  };
  const open = await Promise.all(
    Object.entries(parts).map(async ([name, tensors]) => {
      const path = join(folder, `${name}.safetensors`);
      await saveSafetensors(path, tensors);
      return (await loadCheckpoint(path)).tensors;
    }),
  );
  const [fromVgg, fromLin, fromWhole] = open;
  t.is(collectLpips([fromVgg!]).tensors, null);
  t.true(collectLpips([fromVgg!]).missing.every((key) => key.startsWith('lin')));
  for (const sources of [[fromVgg!, fromLin!], [fromWhole!]]) {
    const { tensors, missing } = collectLpips(sources);
    t.deepEqual(missing, []);
    const again = new LPIPS();
    again.loadStateDict(tensors!);
    t.true(again.loaded);
    t.true(
      again.stateDict().get('lin3.model.1.weight')!.equal(lpips.stateDict().get('lin3.model.1.weight')!),
    );
  }
});
