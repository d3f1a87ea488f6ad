/** Tokens drawn from a fixed transformer: every way of sampling, every filter. */
import type { Api, Rows } from './checkout.js';

const VOCABULARY = 24;
const BLOCK = 17;
const STEPS = 12;
const SEED = 20261128;

type Gpt = InstanceType<Api['GPT']>;

/** Creates a transformer whose logits differ enough for the filters to have an effect. */
function livelyGpt({ GPT, torch }: Api, more: { nUnmasked?: number } = {}): Gpt {
  torch.manualSeed(SEED);
  const gpt = new GPT({
    vocabSize: VOCABULARY,
    blockSize: BLOCK,
    nLayer: 2,
    nHead: 2,
    nEmbd: 16,
    embdPdrop: 0.1,
    ...more,
  });
  torch.noGrad(() => {
    for (const parameter of gpt.parameters()) parameter.add_(torch.randn(parameter.shape), { alpha: 0.5 });
  });
  return gpt.eval();
}

/** A first stage of 16 codes on 4 × 4 pixels, frozen. */
function tinyFirstStage({ VQModel, torch }: Api) {
  torch.manualSeed(SEED + 1);
  const ddconfig = {
    ch: 32,
    chMult: [1],
    numResBlocks: 0,
    attnResolutions: [],
    resolution: 4,
    inChannels: 3,
    outCh: 3,
    zChannels: 4,
    doubleZ: false,
  };
  return new VQModel({ ddconfig, nEmbed: 16, embedDim: 4 });
}

const filters = {
  'all tokens': {},
  'top-k': { topK: 5 },
  'top-p': { topP: 0.7 },
  'top-k, top-p, temperature': { topK: 9, topP: 0.9, temperature: 1.3 },
  greedy: { greedy: true },
};

export function sampledTokens(api: Api): Rows {
  const { torch } = api;
  const rows: Rows = {};
  const record = (name: string, draw: () => InstanceType<typeof torch.Tensor>) => {
    torch.manualSeed(SEED);
    try {
      const drawn = torch.scope(draw);
      rows[name] = `[${drawn.shape.join(', ')}] ${JSON.stringify(drawn.tolist())}`;
    } catch (error) {
      rows[name] = `failed: ${(error as Error).message}`;
    }
  };
  const plain = livelyGpt(api);
  const prefix = torch.tensor([
    [1n, 7n, 3n],
    [0n, 0n, 21n],
  ]);
  const start = torch.zeros([2, 1], { dtype: 'int64' });
  const embeddings = torch.linspace(-1, 1, 2 * 2 * 16).reshape([2, 2, 16]);
  for (const [name, pick] of Object.entries(filters)) {
    record(`generate: ${name}`, () => api.generate(plain, start, STEPS, pick));
    record(`generate without a cache: ${name}`, () =>
      api.generate(plain, start, STEPS, { ...pick, cache: false }),
    );
    record(`generate after a prefix: ${name}`, () => api.generate(plain, prefix, STEPS, pick));
    record(`TokenSampler: ${name}`, () => {
      using sampler = new api.TokenSampler(plain, { batch: 2, ...pick });
      return torch.cat([sampler.sample(start, STEPS), sampler.sample(prefix, STEPS)], 1);
    });
    record(`pickToken: ${name}`, () =>
      api.pickToken(torch.linspace(-3, 3, 48).sin().reshape([2, VOCABULARY]), pick),
    );
  }
  record('generate after embeddings', () => api.generate(plain, prefix, STEPS, { embeddings }));
  record('TokenSampler in buckets of 4, room for 14', () => {
    using sampler = new api.TokenSampler(plain, { batch: 2, bucket: 4, capacity: 14, topK: 6 });
    return sampler.sample(start, STEPS);
  });
  record('TokenSampler after embeddings', () => {
    using sampler = new api.TokenSampler(plain, { batch: 2 });
    return sampler.sample(prefix, STEPS, { embeddings });
  });
  record('generate with fused projections', () => api.generate(livelyGpt(api).fuseQkv(), start, STEPS));
  const prefixed = livelyGpt(api, { nUnmasked: 3 });
  record('an unmasked prefix', () => api.generate(prefixed, prefix, STEPS, { topK: 8 }));
  sampledNets(api, record);
  return rows;
}

/** Both stages together: conditions, orders of reading, one pass, images. */
function sampledNets(
  api: Api,
  record: (name: string, draw: () => InstanceType<Api['torch']['Tensor']>) => void,
): void {
  const { Net2NetTransformer, Labelator, SpiralOutPermuter, torch } = api;
  const net = (more: Partial<ConstructorParameters<typeof Net2NetTransformer>[0]>) =>
    new Net2NetTransformer({
      transformerConfig: livelyGpt(api),
      firstStageConfig: tinyFirstStage(api),
      ...more,
    });
  const nobody = torch.zeros([2, 1], { dtype: 'int64' });
  const unconditional = net({ unconditional: true });
  const classes = net({ condStageConfig: new Labelator({ nClasses: 3 }) });
  const two = classes.encodeToC(torch.tensor([2n, 0n])).indices;
  const spiral = net({ unconditional: true, permuterConfig: new SpiralOutPermuter({ H: 4, W: 4 }) });
  const given = torch.tensor([
    [3n, 9n],
    [15n, 0n],
  ]);
  record('sampleTokens: unconditional', () => api.sampleTokens(unconditional, nobody, STEPS));
  record('sampleTokens: classes', () => api.sampleTokens(classes, two, STEPS, { topK: 4 }));
  record('sampleTokens: after given ones', () =>
    api.sampleTokens(classes, two, STEPS, { prefix: given, temperature: 0.8 }),
  );
  record('sampleTokens: by a sampler', () => {
    using sampler = new api.TokenSampler(classes.transformer, { batch: 2, topP: 0.8 });
    return api.sampleTokens(classes, two, STEPS, { sampler });
  });
  record('sampleTokens: in one pass', () =>
    api.sampleTokens(net({ unconditional: true, pkeep: 0 }), nobody, STEPS),
  );
  const grid = [4, 4] as const;
  record('sampleImages', () => api.sampleImages(unconditional, nobody, { grid }));
  record('sampleImages: classes', () => api.sampleImages(classes, two, { grid, topK: 7 }));
  record('sampleImages: read in a spiral', () => api.sampleImages(spiral, nobody, { grid, greedy: true }));
}
