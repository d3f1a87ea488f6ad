// Models and checkpoints. Never run: compiled by tests/types.test.ts.
import type { nn, torch } from 'tessera-torch';
import {
  EMAVectorQuantizer,
  GPT,
  GumbelQuantizer,
  listCheckpoints,
  loadCheckpoint,
  LPIPS,
  modelFromConfig,
  Net2NetTransformer,
  NLayerDiscriminator,
  readConfig,
  saveSafetensors,
  VectorQuantizer,
  VQLPIPSWithDiscriminator,
  VQModel,
  type Checkpoint,
  type ConfigFile,
  type Prior,
  type RunCheckpoint,
  type Tensor,
} from 'tessera-torch';
import { is, type Equal } from './equal.js';

declare const x: Tensor;

const quantizer = new VectorQuantizer({ nEmbed: 16, embedDim: 4, beta: 0.25, legacy: false });
const { quantized, loss, indices } = quantizer.forward(x);
is<Equal<[typeof quantized, typeof loss, typeof indices], [Tensor, Tensor, Tensor]>>(true);
// @ts-expect-error legacy must be said
new VectorQuantizer({ nEmbed: 16, embedDim: 4, beta: 0.25 });
// @ts-expect-error one config object
new VectorQuantizer(16, 4, 0.25);
// @ts-expect-error camelCase
new VectorQuantizer({ n_embed: 16, embedDim: 4, beta: 0.25, legacy: false });
// @ts-expect-error random, extra or a code
new VectorQuantizer({ nEmbed: 16, embedDim: 4, legacy: false, unknownIndex: 'first' });
// @ts-expect-error unknown option
new EMAVectorQuantizer({ nEmbed: 16, embedDim: 4, gamma: 0.9 });
// @ts-expect-error the number of codes is needed
new GumbelQuantizer({ numHiddens: 8, embedDim: 4 });

const ddconfig = {
  ch: 32,
  outCh: 3,
  chMult: [1, 2],
  numResBlocks: 1,
  attnResolutions: [],
  inChannels: 3,
  resolution: 32,
  zChannels: 4,
};
const vq = new VQModel({ ddconfig, nEmbed: 16, embedDim: 4 });
const { reconstruction } = vq.forward(x);
is<Equal<typeof reconstruction, Tensor>>(true);
is<Equal<ReturnType<typeof vq.decodeIndices>, Tensor>>(true);
// keys with a default may be left out, and null is the same as leaving out one without
new VQModel({ ddconfig, nEmbed: 16, embedDim: 4, lossconfig: null, remap: [1, 2] });
// @ts-expect-error a backbone needs its widths
new VQModel({ ddconfig: { ch: 32 }, nEmbed: 16, embedDim: 4 });
// @ts-expect-error unknown setting of the backbone
new VQModel({ ddconfig: { ...ddconfig, channels: 3 }, nEmbed: 16, embedDim: 4 });
// @ts-expect-error unknown setting
new VQModel({ ddconfig, nEmbed: 16, embedDim: 4, codes: 16 });
// @ts-expect-error the loss is a module, not a name
new VQModel({ ddconfig, nEmbed: 16, embedDim: 4, lossconfig: 'mse' });
// @ts-expect-error encode gives indices too, not a tensor alone
vq.encode(x).exp();

const gpt = new GPT({ vocabSize: 16, blockSize: 8, nLayer: 1, nHead: 1, nEmbd: 8 });
is<Equal<ReturnType<typeof gpt.forward>, Tensor>>(true);
gpt.forward(x, { embeddings: x });
// @ts-expect-error the size of the vocabulary is needed
new GPT({ blockSize: 8, nLayer: 1, nHead: 1, nEmbd: 8 });
// @ts-expect-error unknown option
gpt.forward(x, { embedding: x });
// the prior of a second stage is of the class that it was built with: a GPT if that is not known
const ofGpt = (net: Net2NetTransformer): number =>
  net.transformer.config.nEmbd + net.config.transformerConfig.nEmbd;
const ofAny = (net: Net2NetTransformer<Prior>): number => net.transformer.vocabSize;
const net = new Net2NetTransformer({ firstStage: vq, prior: gpt, condition: '__is_unconditional__' });
is<Equal<typeof net.transformer, GPT>>(true);
ofGpt(net);
ofAny(net);
// @ts-expect-error a prior is an autoregressive model
new Net2NetTransformer({ firstStage: vq, prior: vq, condition: '__is_unconditional__' });
// @ts-expect-error config objects are checked
new NLayerDiscriminator({ nLayers: '3' });
// @ts-expect-error config objects are checked
new LPIPS({ dropout: true });
// @ts-expect-error the step at which the discriminator starts is needed
new VQLPIPSWithDiscriminator({ discWeight: 0.8 });
// @ts-expect-error hinge or vanilla
new VQLPIPSWithDiscriminator({ discStart: 0, discLoss: 'wgan' });

const built = modelFromConfig({ target: 'taming.models.vqgan.VQModel', params: {} }, { init: false });
is<Equal<typeof built.config.target, string>>(true);
const model: nn.Module = built;
modelFromConfig<VQModel>({ target: 'taming.models.vqgan.VQModel' }).decodeIndices(x);
// @ts-expect-error a configuration has a target
modelFromConfig({ params: {} });
// @ts-expect-error unknown option
modelFromConfig({ target: 'x' }, { initialise: false });

const checkpoint = await loadCheckpoint('model.safetensors');
const tensor = checkpoint.tensors.get('weight');
is<Equal<typeof tensor, Tensor | undefined>>(true);
model.loadStateDict(checkpoint.tensors);
// @ts-expect-error a checkpoint is read only
checkpoint.tensors.set('weight', x);
// @ts-expect-error a checkpoint is read only
checkpoint.all.delete('weight');
// @ts-expect-error a checkpoint is read only
checkpoint.tensors = new Map();
// @ts-expect-error what is unknown may be missing
checkpoint.tensors.get('weight').exp();
// @ts-expect-error a promise first
void loadCheckpoint('model.safetensors').tensors;
await saveSafetensors('out.safetensors', new Map([['weight', x]]), { metadata: { step: '3' } });
await saveSafetensors('out.safetensors', { weight: x });
// @ts-expect-error tensors only
await saveSafetensors('out.safetensors', { weight: [1, 2] });
// @ts-expect-error metadata is text
await saveSafetensors('out.safetensors', { weight: x }, { metadata: { step: 3 } });

const device: torch.Device = 'cuda:1';
// @ts-expect-error no such device
const wrong: torch.Device = 'cuda:x';
void [device, wrong];

// One name, one type: what opens a file gives a Checkpoint, what lists a run's gives RunCheckpoints.
export const opened = (path: string): Promise<Checkpoint> => loadCheckpoint(path);
export const listed = (run: string): RunCheckpoint[] => listCheckpoints(run);
export const configured = async (path: string): Promise<ConfigFile> => readConfig(path);
