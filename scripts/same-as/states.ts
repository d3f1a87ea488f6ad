/** State dicts of the exported model classes: keys in order, shapes, dtypes, and the weights that a seed gives. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Api, Rows } from './checkout.js';

type Module = InstanceType<Api['nn']['Module']>;

const SEED = 7;

/** Options of a backbone as small as its group norms allow. */
export const tinyBackbone = {
  ch: 32,
  chMult: [1, 1],
  numResBlocks: 1,
  attnResolutions: [8],
  resolution: 16,
  inChannels: 3,
  outCh: 3,
  zChannels: 8,
  doubleZ: false,
} as const;

/** Creates every exported module class that needs no other, through its public constructor. */
function madeByConstructor(api: Api): Record<string, () => Module> {
  const ddconfig = { ...tinyBackbone, chMult: [1, 1], attnResolutions: [8] };
  const codes = { nEmbed: 12, embedDim: 8 };
  const { ActNorm, CoordStage, DummyCondStage, EMAVectorQuantizer, GumbelQuantizer, Labelator } = api;
  const gpt = () =>
    new api.GPT({ vocabSize: 20, blockSize: 10, nLayer: 2, nHead: 2, nEmbd: 8, nUnmasked: 2 });
  const grid = { H: 4, W: 4 };
  return {
    Encoder: () => new api.Encoder(ddconfig),
    'Encoder, resampled without weights': () =>
      new api.Encoder({ ...ddconfig, resampWithConv: false, doubleZ: true, dropout: 0.1 }),
    Decoder: () => new api.Decoder(ddconfig),
    'Decoder, tanh and no last layer': () => new api.Decoder({ ...ddconfig, givePreEnd: true }),
    VectorQuantizer: () => new api.VectorQuantizer({ ...codes, legacy: true }),
    'VectorQuantizer, some codes used': () =>
      new api.VectorQuantizer({ ...codes, legacy: false, remap: [3, 1, 5], unknownIndex: 'extra' }),
    EMAVectorQuantizer: () => new EMAVectorQuantizer({ ...codes, beta: 0.25 }),
    GumbelQuantizer: () => new GumbelQuantizer({ ...codes, numHiddens: 8 }),
    'GumbelQuantizer, some codes used': () =>
      new GumbelQuantizer({ ...codes, numHiddens: 8, remap: [0, 2], unknownIndex: 1 }),
    VQModel: () => new api.VQModel({ ddconfig, ...codes }),
    'VQModel, its loss between decoder and codebook': () =>
      new api.VQModel({
        ddconfig,
        ...codes,
        colorizeNlabels: 5,
        lossconfig: () => new api.NLayerDiscriminator({ ndf: 4, nLayers: 1 }),
      }),
    EMAVQ: () => new api.EMAVQ({ ddconfig, ...codes, remap: [1, 4] }),
    GumbelVQ: () => new api.GumbelVQ({ ddconfig, ...codes }),
    ActNorm: () => new ActNorm(6),
    NLayerDiscriminator: () => new api.NLayerDiscriminator({ ndf: 4, nLayers: 2 }),
    'NLayerDiscriminator, ActNorm': () =>
      new api.NLayerDiscriminator({ ndf: 4, nLayers: 2, useActnorm: true }),
    'NLayerDiscriminator, its defaults': () => new api.NLayerDiscriminator(),
    LPIPS: () => new api.LPIPS(),
    VQLPIPSWithDiscriminator: () => new api.VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 4 }),
    'VQLPIPSWithDiscriminator, LPIPS off, ActNorm': () =>
      new api.VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 4, perceptualWeight: 0, useActnorm: true }),
    BCELoss: () => new api.BCELoss(),
    BCELossWithQuant: () => new api.BCELossWithQuant(),
    DummyLoss: () => new api.DummyLoss(),
    GPT: gpt,
    'GPT, its defaults': () => new api.GPT({ vocabSize: 8, blockSize: 4 }),
    Net2NetTransformer: () =>
      new api.Net2NetTransformer({
        transformerConfig: gpt(),
        firstStageConfig: new api.VQModel({ ddconfig, ...codes }),
        condStageConfig: new Labelator({ nClasses: 3 }),
        permuterConfig: new api.ZCurvePermuter(grid),
      }),
    'Net2NetTransformer, unconditional': () =>
      new api.Net2NetTransformer({
        transformerConfig: gpt(),
        firstStageConfig: new api.EMAVQ({ ddconfig, ...codes }),
        unconditional: true,
      }),
    'Net2NetTransformer, a stage for two': () =>
      new api.Net2NetTransformer({
        transformerConfig: gpt(),
        firstStageConfig: new api.GumbelVQ({ ddconfig, ...codes }),
        condStageConfig: '__is_first_stage__',
      }),
    Labelator: () => new Labelator({ nClasses: 3 }),
    SOSProvider: () => new api.SOSProvider({ sosToken: 1 }),
    CoordStage: () => new CoordStage({ nEmbed: 8, downFactor: 2 }),
    DummyCondStage: () => new DummyCondStage({ conditionalKey: 'layout' }),
    IdentityPermuter: () => new api.IdentityPermuter(),
    SubsamplePermuter: () => new api.SubsamplePermuter(grid),
    ZCurvePermuter: () => new api.ZCurvePermuter(grid),
    SpiralOutPermuter: () => new api.SpiralOutPermuter(grid),
    SpiralInPermuter: () => new api.SpiralInPermuter(grid),
    RandomPermuter: () => new api.RandomPermuter(grid),
    AlternateParsingPermuter: () => new api.AlternateParsingPermuter(grid),
  };
}

const ddconfig = {
  double_z: false,
  z_channels: 8,
  resolution: 16,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1, 1],
  num_res_blocks: 1,
  attn_resolutions: [8],
  dropout: 0,
};
const lossconfig = {
  target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
  params: { disc_start: 3, disc_ndf: 4, disc_num_layers: 2 },
};
const first = { ddconfig, n_embed: 12, embed_dim: 8, lossconfig };
const vqModel = { target: 'taming.models.vqgan.VQModel', params: first };
const permuters = 'taming.modules.transformer.permuter';

/** Configurations in the reference's structure. */
const configs: Record<string, { target: string; params?: Record<string, unknown> }> = {
  VQModel: vqModel,
  'VQModel, remapped': { ...vqModel, params: { ...first, remap: [4, 2], sane_index_shape: true } },
  VQSegmentationModel: {
    target: 'taming.models.vqgan.VQSegmentationModel',
    params: { ...first, n_labels: 4 },
  },
  GumbelVQ: { target: 'taming.models.vqgan.GumbelVQ', params: { ...first, kl_weight: 1e-3 } },
  EMAVQ: { target: 'taming.models.vqgan.EMAVQ', params: first },
  'Net2NetTransformer, classes in a spiral': {
    target: 'taming.models.cond_transformer.Net2NetTransformer',
    params: {
      first_stage_config: {
        ...vqModel,
        params: { ...first, lossconfig: { target: 'taming.modules.losses.DummyLoss' } },
      },
      cond_stage_config: { target: 'taming.modules.util.Labelator', params: { n_classes: 5 } },
      permuter_config: { target: `${permuters}.SpiralIn`, params: { H: 8, W: 8 } },
      transformer_config: {
        target: 'taming.modules.transformer.mingpt.GPT',
        params: { vocab_size: 17, block_size: 65, n_layer: 1, n_head: 2, n_embd: 8, embd_pdrop: 0.1 },
      },
    },
  },
};

async function described(api: Api, model: Module): Promise<string> {
  const state = model.stateDict();
  const lines = [...state].map(([key, tensor]) => `${key} ${tensor.dtype} [${tensor.shape.join(', ')}]`);
  const folder = mkdtempSync(join(tmpdir(), 'tessera-states-'));
  try {
    const file = join(folder, 'values.safetensors');
    await api.saveSafetensors(file, state);
    lines.push(`values ${createHash('sha256').update(readFileSync(file)).digest('hex')}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const trained = [...model.namedParameters()].filter(([, parameter]) => parameter.requiresGrad);
  return [...lines, `${trained.length} trained`].join('\n');
}

/** Returns one row per model: keys of its state dict in order, dtypes, shapes, and a hash of the weights of a seed. */
export async function askStates(api: Api): Promise<Rows> {
  const rows: Rows = {};
  const made = {
    ...madeByConstructor(api),
    ...Object.fromEntries(
      Object.entries(configs).map(([name, config]) => [
        `modelFromConfig: ${name}`,
        () => api.modelFromConfig(structuredClone(config)),
      ]),
    ),
  };
  for (const [name, make] of Object.entries(made)) {
    api.torch.manualSeed(SEED);
    try {
      rows[name] = await described(api, make());
    } catch (error) {
      rows[name] = `cannot be made: ${(error as Error).message}`;
    }
  }
  return rows;
}

/** Returns one row per name that the public entry and its namespaces export at run time. */
export function exportedNames(api: Api): Rows {
  const spaces = { 'the package': api, torch: api.torch, nn: api.nn, F: api.F, optim: api.optim };
  const names = Object.entries(spaces).flatMap(([space, of]) =>
    Object.keys(of).map((name) => `${space}: ${name}`),
  );
  return Object.fromEntries(names.sort().map((name) => [name, 'exported']));
}

/** Writes LPIPS weights of one seed, for runs whose loss has the term. */
export async function writeLpips(api: Api, file: string): Promise<Rows> {
  api.torch.manualSeed(SEED);
  await api.saveSafetensors(file, new api.LPIPS().stateDict());
  return {};
}
