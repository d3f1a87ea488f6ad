/** Mistakes in calls of models, in sampling, and in loading weights. */
import type { Api } from './checkout.js';
import type { Mistake } from './mistakes-constructors.js';
import { tinyBackbone } from './states.js';

const backbone = { ...tinyBackbone, numResBlocks: 0, attnResolutions: [] };

const gpt = (api: Api) => new api.GPT({ vocabSize: 8, blockSize: 6, nLayer: 1, nHead: 1, nEmbd: 4 }).eval();
const vqModel = (api: Api) => new api.VQModel({ ddconfig: backbone, nEmbed: 8, embedDim: 8 }).eval();
const net = (api: Api) =>
  new api.Net2NetTransformer({
    transformerConfig: gpt(api),
    firstStageConfig: vqModel(api),
    condStageConfig: new api.Labelator({ nClasses: 3 }),
  }).eval();
const ids = (api: Api, shape: number[]) => api.torch.zeros(shape, { dtype: 'int64' });

const shapes: readonly Mistake[] = [
  {
    name: 'GPT.forward: ids without a batch',
    make: (api) => gpt(api).forward(ids(api, [3])),
  },
  { name: 'GPT.forward: more than a block', make: (api) => gpt(api).forward(ids(api, [1, 7])) },
  {
    name: 'GPT.forward: embeddings of another width',
    make: (api) => gpt(api).forward(ids(api, [1, 2]), { embeddings: api.torch.zeros([1, 1, 5]) }),
  },
  {
    name: 'GPT.forward: a cache while gradients are recorded',
    make: (api) => {
      const model = gpt(api);
      return model.forward(ids(api, [1, 2]), { cache: model.createCache(1) });
    },
  },
  {
    name: 'VQModel.encode: images without a batch',
    make: (api) => vqModel(api).encode(api.torch.zeros([3, 16, 16])),
  },
  {
    name: 'VQModel.encode: grey images',
    make: (api) => vqModel(api).encode(api.torch.zeros([1, 1, 16, 16])),
  },
  {
    name: 'VQModel.encode: a side that codes do not fill',
    make: (api) => vqModel(api).encode(api.torch.zeros([1, 3, 16, 15])),
  },
  {
    name: 'VQModel.decodeIndices: a row of indices',
    make: (api) => vqModel(api).decodeIndices(ids(api, [1, 64])),
  },
  { name: 'VQModel.toRgb: without labels', make: (api) => vqModel(api).toRgb(api.torch.zeros([1, 4, 8, 8])) },
  {
    name: 'VectorQuantizer.forward: latents of another width',
    make: (api) =>
      new api.VectorQuantizer({ nEmbed: 4, embedDim: 2, legacy: true }).forward(
        api.torch.zeros([1, 3, 2, 2]),
      ),
  },
  {
    name: 'VectorQuantizer.codes: indices that are no integers',
    make: (api) =>
      new api.VectorQuantizer({ nEmbed: 4, embedDim: 2, legacy: true }).codes(api.torch.zeros([1, 2, 2])),
  },
  {
    name: 'EMAVectorQuantizer.forward: latents without a batch',
    make: (api) =>
      new api.EMAVectorQuantizer({ nEmbed: 4, embedDim: 2, beta: 0.25 }).forward(api.torch.zeros([2, 2, 2])),
  },
  {
    name: 'GumbelQuantizer.forward: latents of another width',
    make: (api) =>
      new api.GumbelQuantizer({ nEmbed: 4, embedDim: 2, numHiddens: 2 }).forward(
        api.torch.zeros([1, 3, 2, 2]),
      ),
  },
  {
    name: 'ZCurvePermuter.forward: codes of another grid',
    make: (api) => new api.ZCurvePermuter({ H: 2, W: 2 }).forward(ids(api, [1, 5])),
  },
  {
    name: 'CoordStage.encode: two channels',
    make: (api) => new api.CoordStage({ nEmbed: 4, downFactor: 2 }).encode(api.torch.zeros([1, 2, 4, 4])),
  },
  {
    name: 'Labelator.encode: a column of labels',
    make: (api) => new api.Labelator({ nClasses: 3 }).encode(ids(api, [2, 1])),
  },
  {
    name: 'Labelator.encode: an unknown class',
    make: (api) => new api.Labelator({ nClasses: 3 }).encode(api.torch.tensor([0n, 3n])),
  },
  {
    name: 'Net2NetTransformer.decodeToImg: codes that fill no square',
    make: (api) => net(api).decodeToImg(ids(api, [1, 5])),
  },
  {
    name: 'Net2NetTransformer.inputs: a batch without its images',
    make: (api) => net(api).inputs({ picture: ids(api, [1]) }),
  },
  {
    name: 'ActNorm.reverse: before the first batch',
    make: (api) => new api.ActNorm(2).reverse(api.torch.zeros([1, 2, 2, 2])),
  },
];

const sampling: readonly Mistake[] = [
  { name: 'generate: negative steps', make: (api) => api.generate(gpt(api), ids(api, [1, 1]), -1) },
  { name: 'generate: a prefix without a batch', make: (api) => api.generate(gpt(api), ids(api, [2]), 1) },
  { name: 'generate: nothing to go on from', make: (api) => api.generate(gpt(api), ids(api, [1, 0]), 1) },
  { name: 'generate: more than a block', make: (api) => api.generate(gpt(api), ids(api, [1, 2]), 6) },
  {
    name: 'generate: a prefix longer than a block',
    make: (api) => api.generate(gpt(api), ids(api, [1, 9]), 1),
  },
  {
    name: 'generate: temperature 0',
    make: (api) => api.generate(gpt(api), ids(api, [1, 1]), 1, { temperature: 0 }),
  },
  { name: 'generate: top-k of 0', make: (api) => api.generate(gpt(api), ids(api, [1, 1]), 1, { topK: 0 }) },
  {
    name: 'generate: top-p above 1',
    make: (api) => api.generate(gpt(api), ids(api, [1, 1]), 1, { topP: 1.1 }),
  },
  {
    name: 'TokenSampler.sample: another batch',
    make: (api) => {
      using sampler = new api.TokenSampler(gpt(api), { batch: 2 });
      return sampler.sample(ids(api, [1, 1]), 1);
    },
  },
  {
    name: 'TokenSampler.sample: after its disposal',
    make: (api) => {
      const sampler = new api.TokenSampler(gpt(api), { batch: 1 });
      sampler.dispose();
      return sampler.sample(ids(api, [1, 1]), 1);
    },
  },
  {
    name: 'sampleTokens: an unknown class',
    make: (api) => api.sampleTokens(net(api), api.torch.tensor([[3n]]), 2),
  },
  {
    name: 'sampleTokens: half a step',
    make: (api) => api.sampleTokens(net(api), ids(api, [1, 1]), 0.5),
  },
  {
    name: 'sampleImages: a grid that does not fit the block',
    make: (api) => api.sampleImages(net(api), ids(api, [1, 1]), { grid: [4, 4] }),
  },
  {
    name: 'pickToken: logits that are not numbers',
    make: (api) => api.pickToken(api.torch.full([1, 4], NaN)),
  },
];

const loading: readonly Mistake[] = [
  {
    name: 'loadStateDict: a key too many, one too few',
    make: (api) => {
      const model = gpt(api);
      const state = new Map([...model.stateDict()].slice(1));
      return model.loadStateDict(state.set('extra', api.torch.zeros([1])));
    },
  },
  {
    name: 'loadStateDict: another shape',
    make: (api) => {
      const model = gpt(api);
      return model.loadStateDict(new Map(model.stateDict()).set('pos_emb', api.torch.zeros([1, 7, 4])));
    },
  },
  {
    name: 'loadCheckpoint: no file',
    make: (api) => api.loadCheckpoint('no/such.safetensors'),
  },
  { name: 'newestCheckpoint: no run', make: (api) => api.newestCheckpoint('no/such/run') },
  { name: 'openRun: no run', make: (api) => api.openRun('no/such/run', 'vqgan', 'cpu') },
  { name: 'VqganTrainer.resume: no run', make: (api) => api.VqganTrainer.resume('no/such/run') },
  { name: 'TransformerTrainer.resume: no run', make: (api) => api.TransformerTrainer.resume('no/such/run') },
];

export const callMistakes: readonly Mistake[] = [...shapes, ...sampling, ...loading];
