/** Models without their unused codes: the same images, and the same logits for what is left. */
import test from 'ava';
import type { FirstStage } from '../../../src/models/autoencoder/vqgan.js';
import { modelFromConfig, type ModelConfig } from '../../../src/models/registry/from-config.js';
import type { VectorQuantizer } from '../../../src/models/quantizers/vector.js';
import type { TwoStage } from '../../../src/models/two-stage.js';
import { trimFirstStage, trimTwoStage, type Trimmed } from '../../../src/models/weights/trim.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import type { Module } from '../../../src/torch/nn/index.js';

const ddconfig = {
  double_z: false,
  z_channels: 8,
  resolution: 8,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1, 1],
  num_res_blocks: 1,
  attn_resolutions: [],
};
const vqgan = 'taming.models.vqgan';
const vq = { target: `${vqgan}.VQModel`, params: { ddconfig, n_embed: 32, embed_dim: 8 } };

/** First stages with 32 codes of width 8. */
const firstStages: Record<string, ModelConfig> = {
  'a VQModel': vq,
  'an EMAVQ': { target: `${vqgan}.EMAVQ`, params: { ddconfig, n_embed: 32, embed_dim: 8 } },
  'a GumbelVQ': { target: `${vqgan}.GumbelVQ`, params: { ddconfig, n_embed: 32, embed_dim: 8 } },
  "a VQGAN with IBQ's quantizer": {
    target: 'tessera.VQGAN',
    params: {
      ddconfig,
      quantizer: { target: 'tessera.quantizers.IBQ', params: { n_embed: 32, embed_dim: 8 } },
    },
  },
  'a VQGAN with its quantizer': {
    target: 'tessera.VQGAN',
    params: {
      ddconfig,
      quantizer: {
        target: 'tessera.quantizers.Vector',
        params: { n_embed: 32, embed_dim: 8, legacy: false, lookup: 'cosine' },
      },
    },
  },
};

function made<M extends Module>(section: ModelConfig): M {
  torch.manualSeed(3);
  const model = modelFromConfig<M>(section);
  // Codes far enough apart that images use several of them.
  for (const [name, parameter] of model.namedParameters())
    if (/embedding\.weight|embed\.weight/.test(name)) torch.noGrad(() => parameter.normal_(0, 0.3));
  return model.eval();
}

function rebuilt<M extends Module>({ section, weights }: Trimmed): M {
  const model = modelFromConfig<M>(section, { init: false });
  model.loadStateDict(weights);
  return model.eval();
}

/** Codes of images [B, h, w], without random numbers. */
const codesOf = (model: FirstStage, x: Tensor): Tensor =>
  torch.noGrad(() => model.quantize.indices(model.encodeToPrequant(x)));

const ascending = (codes: Tensor): number[] =>
  [...new Set([...(codes.toTypedArray() as BigInt64Array)].map(Number))].sort((a, b) => a - b);

const images = (): Tensor => {
  torch.manualSeed(11);
  return torch.rand([4, 3, 8, 8]).mul(2).sub(1);
};

for (const [name, section] of Object.entries(firstStages))
  test(`${name}: codes are renumbered, and images are the same bit for bit`, (t) => {
    const model = made<FirstStage>(section);
    const x = images();
    const before = codesOf(model, x);
    const used = ascending(before);
    t.true(used.length > 3 && used.length < 32, `${used.length} codes`);
    const smaller = rebuilt<FirstStage>(trimFirstStage(section, model, used));
    t.is(smaller.nCodes, used.length);
    const after = codesOf(smaller, x);
    t.deepEqual(
      after.flatten().tolist(),
      (before.flatten().tolist() as number[]).map((code) => used.indexOf(code)),
    );
    const decoded = [model.decodeIndices(before), smaller.decodeIndices(after)].map((image) =>
      image.toTypedArray(),
    );
    t.deepEqual(decoded[1], decoded[0]);
    t.deepEqual(smaller.quantize.codebook.shape, [used.length, 8]);
  });

const used = [1, 4, 5, 9, 30];

test('the window of codes in use is numbered anew, and codes that are left out become 0', (t) => {
  const section = { ...vq, params: { ...vq.params, show_usage: true, usage_window: 6 } };
  const model = made<FirstStage<VectorQuantizer>>(section);
  model.quantize.codebookUsed!.copy_(ids(30, 2, 9, 9, 1, 31));
  const smaller = rebuilt<FirstStage<VectorQuantizer>>(trimFirstStage(section, model, used));
  t.deepEqual(smaller.quantize.codebookUsed!.tolist(), [4, 0, 3, 3, 0, 0]);
  t.is(smaller.quantize.usage, 3 / 5);
});

const gpt = {
  target: 'taming.modules.transformer.mingpt.GPT',
  params: { vocab_size: 40, block_size: 32, n_layer: 1, n_head: 2, n_embd: 16 },
};
const labels = { target: 'taming.modules.util.Labelator', params: { n_classes: 6 } };
const ids = (...values: number[]): Tensor => torch.tensor(values.map(BigInt));

/** Second stages: more of their settings, and what their condition encodes. */
const conditions: Record<
  string,
  { params: Record<string, unknown>; given: () => Tensor | Tensor[]; now?: 'list' }
> = {
  'a start token that is not 0': {
    params: { unconditional: true, sos_token: 33 },
    given: () => torch.zeros([2, 3, 8, 8]),
  },
  classes: {
    params: { cond_stage_config: labels, cond_stage_key: 'class' },
    given: () => ids(2, 5),
    now: 'list',
  },
  'classes that may be dropped': {
    params: { cond_stage_config: labels, cond_stage_key: 'class', null_token: 39 },
    given: () => ids(0, 3),
    now: 'list',
  },
  'a map that a VQGAN encodes': {
    params: { cond_stage_config: vq, cond_stage_key: 'depth' },
    given: () => images().narrow(0, 0, 2),
    now: 'list',
  },
  'several with ids of their own': {
    params: {
      cond_stage_config: {
        target: 'tessera.conditions.Several',
        params: { conditions: [labels], keys: [null], first_id: 32 },
      },
    },
    given: () => [ids(4, 1)],
  },
  'several that share ids': {
    params: {
      cond_stage_config: {
        target: 'tessera.conditions.Several',
        params: { conditions: [labels, vq], keys: [null, 'depth'], separate_vocabulary: false },
      },
    },
    given: () => [ids(4, 1), images().narrow(0, 0, 2)],
  },
};

for (const [name, { params, given, now }] of Object.entries(conditions))
  test(`a second stage, ${name}: logits of the codes that are left are the same`, (t) => {
    const section: ModelConfig = {
      target: 'taming.models.cond_transformer.Net2NetTransformer',
      params: { first_stage_config: vq, transformer_config: gpt, ...params },
    };
    const net = made<TwoStage>(section);
    const trimmed = trimTwoStage(section, net, used);
    const smaller = rebuilt<TwoStage>(trimmed);
    const condition = given();
    const tokens = ids(0, 3, 4, 1, 2, 2, 0, 4).reshape([2, 4]);
    const old = torch.tensor(used.map(BigInt)).indexSelect(0, tokens.flatten()).reshape([2, 4]);
    const before = net.encodeToC(condition).indices;
    const after = smaller.encodeToC(now === 'list' ? [condition as Tensor] : condition).indices;
    const logits = torch
      .noGrad(() => net.predict(old, before))
      .indexSelect(2, torch.tensor(used.map(BigInt)));
    const left = torch.noGrad(() => smaller.predict(tokens, after));
    t.is(left.shape[2], smaller.transformer.vocabSize);
    t.true(torch.allclose(left.narrow(2, 0, used.length), logits, { rtol: 1e-5, atol: 1e-6 }));
    t.is(smaller.transformer.nCodes, used.length);
    t.true(Number(after.min().item()) >= used.length, 'ids of conditions follow the codes');
    t.is(smaller.isGuidable, net.isGuidable);
    if (!net.isGuidable) return;
    const [whole, small] = [net.dropped(before)!, smaller.dropped(after)!];
    const without = torch
      .noGrad(() => net.predict(old, whole))
      .indexSelect(2, torch.tensor(used.map(BigInt)));
    const now2 = torch.noGrad(() => smaller.predict(tokens, small)).narrow(2, 0, used.length);
    t.true(torch.allclose(now2, without, { rtol: 1e-5, atol: 1e-6 }));
  });

test('a condition that the first stage encodes has the codes of the image', (t) => {
  const section: ModelConfig = {
    target: 'taming.models.cond_transformer.Net2NetTransformer',
    params: {
      first_stage_config: vq,
      transformer_config: gpt,
      cond_stage_config: '__is_first_stage__',
      cond_stage_key: 'image',
    },
  };
  const net = made<TwoStage>(section);
  const smaller = rebuilt<TwoStage>(trimTwoStage(section, net, used));
  t.is(smaller.transformer.vocabSize, used.length);
  t.is(smaller.condStageModel, smaller.firstStageModel);
});

const refused: [string, () => unknown, RegExp][] = [
  [
    'codes that are not stored',
    () => {
      const params = {
        ddconfig,
        quantizer: { target: 'tessera.quantizers.FSQ', params: { levels: [3, 3] } },
      };
      const section = { target: 'tessera.VQGAN', params };
      return trimFirstStage(section, made(section), [0]);
    },
    /codes of FSQ cannot be left out, .* those of Gumbel, EMA, Vector, IBQ can/,
  ],
  [
    'codes that are restricted already',
    () => {
      const section = { ...vq, params: { ...vq.params, remap: [1, 2, 3] } };
      return trimFirstStage(section, made(section), [0]);
    },
    /restricted already \(remap\): the 3 in use/,
  ],
  [
    'a condition that is resized',
    () => {
      const params = {
        first_stage_config: vq,
        transformer_config: gpt,
        cond_stage_config: vq,
        downsample_cond_size: 4,
      };
      const section = { target: 'taming.models.cond_transformer.Net2NetTransformer', params };
      return trimTwoStage(section, made(section), used);
    },
    /is resized \(downsample_cond_size\)/,
  ],
];
for (const [name, trim, message] of refused)
  test(`refused: ${name}`, (t) => {
    t.throws(trim, { instanceOf: TypeError, message });
  });
