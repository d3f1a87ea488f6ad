/** Steps in several ranks and the same in one, in float64: what differs between their weights, and their logs. */
import type { Ranks } from '../torch/ranks.js';

/** A stage, its quantizer or step, and the number of parts in which it computes its batch. */
export interface StepCase {
  kind: 'onePassStep' | 'referenceStep' | 'transformer';
  quantizer?: 'VQModel' | 'EMAVQ' | keyof typeof newer;
  useActnorm?: boolean;
  lecamLossWeight?: number;
  accumulate?: number;
  /** Networks compute in bfloat16, the optimizer in float32. */
  lowered?: boolean;
}

/** Settings of quantizers in a `VQGAN`. */
const newer = {
  LFQ: '{ codebookSize: 16, invTemperature: 1, entropyLossWeight: 1 }',
  BSQ: '{ embedDim: 4, groupSize: 2, l2Norm: true, zeta: 1 }',
  VectorQuantize: '{ nEmbed: 12, embedDim: 4 }',
  MultiScaleVQ: '{ vocabSize: 12, embedDim: 4, vPatchNums: [1, 2, 4], shareQuantResi: 1 }',
};

/** Makes `around(parameters, options, several)`: an optimizer for steps, which averages small buckets if there are several ranks. */
const around = (lowered: boolean) => `
    const { DataParallelOptimizer, MasterWeights } = tessera;
    const around = (parameters, options, several, networks) => {
      const masters = new MasterWeights(${lowered} ? networks : []), updated = masters.of(parameters);
      const own = new optim.Adam(updated, options);
      if (!several) return masters.around(parameters, own);
      const averager = new DataParallelOptimizer(own, { computed: parameters, bucketCapMb: 1e-4 });
      return Object.assign(masters.around(parameters, averager), { averager });
    };`;

/** Makes `make()`: a model, its optimizers, and `step(batch, state)`, in float64; with `several` of several ranks. */
function program(given: StepCase): string {
  const { kind, quantizer = 'VQModel', useActnorm = false, lecamLossWeight = 0, lowered = false } = given;
  const dtype = lowered ? 'float32' : 'float64';
  // At 1e-2 rounding alone grows, in one process, from 4e-16 to 2.5e-7 in 50 steps; at 1e-3 to 3e-13.
  const optimizer = '{ lr: 1e-3, betas: [0.5, 0.9], eps: 1e-3 }';
  if (kind === 'transformer')
    return `
      ${around(lowered)}
      const { GPT, Net2NetTransformer, SOSProvider, transformerStep } = tessera;
      const make = (several) => {
        torch.manualSeed(3);
        const sizes = { vocabSize: 12, blockSize: 8, nLayer: 1, nHead: 2, nEmbd: 16 };
        const gpt = new GPT({ ...sizes, embdPdrop: 0, residPdrop: 0, attnPdrop: 0 });
        const stage = new tessera.VQModel({ ddconfig, nEmbed: 12, embedDim: 4, lossconfig: null });
        const net = new Net2NetTransformer({ transformerConfig: gpt, firstStageConfig: stage, condStageConfig: new SOSProvider({ sosToken: 0 }) });
        net.to('${dtype}').train();
        const optimizers = { transformer: around(gpt.parameters(), ${optimizer}, several, [gpt]) };
        const step = (z, { accumulate }) => {
          const tokens = { z, c: torch.zeros([z.shape[0], 1], { dtype: 'int64' }) };
          return transformerStep(net, optimizers.transformer, { tokens }, { accumulate });
        };
        return { model: gpt, step, optimizers, trained: { transformer: gpt.parameters() } };
      };
      const joint = (n, step) => torch.arange(n * 8).mul(7 + step).fmod(11).floor().to('int64').view([n, 8]);`;
  const settings = quantizer === 'EMAVQ' ? 'beta: 0.25,' : '';
  const model =
    quantizer in newer
      ? `new tessera.VQGAN({ ddconfig, quantizer: new tessera.${quantizer}(${newer[quantizer as keyof typeof newer]}), lossconfig })`
      : `new tessera.${quantizer}({ ddconfig, nEmbed: 12, embedDim: 4, ${settings} lossconfig })`;
  return `
    ${around(lowered)}
    const { VQLPIPSWithDiscriminator, ${kind}, averageOverProcesses, synchronizeStatistics } = tessera;
    const make = (several) => {
      torch.manualSeed(3);
      const lossconfig = nn.skipInit(() => new VQLPIPSWithDiscriminator({ discStart: 0, discNumLayers: 1, discNdf: 4, perceptualWeight: 0, useActnorm: ${useActnorm}, lecamLossWeight: ${lecamLossWeight}, lecamDecay: 0.5 }));
      for (const parameter of lossconfig.discriminator.parameters()) nn.init.normal_(parameter, 0, 0.3);
      const model = ${model};
      model.to('${dtype}').train();
      if (several) synchronizeStatistics(model);
      const { discriminator } = lossconfig;
      const trained = { generator: model.generatorParameters(), discriminator: discriminator.parameters() };
      const optimizers = {
        generator: around(trained.generator, ${optimizer}, several, [model.encoder, model.decoder]),
        discriminator: around(trained.discriminator, ${optimizer}, several, [discriminator]),
      };
      const average = several ? { average: averageOverProcesses } : {};
      const step = (batch, state) => ${kind}(model, optimizers, batch, { ...state, ...average });
      return { model, step, optimizers, trained };
    };
    const joint = (n, step) => torch.arange(n * 192, { dtype: '${dtype}' }).mul(1 + 0.37 * step).sin().view([n, 3, 8, 8]);`;
}

/** Result of one rank. */
export interface Compared {
  /** Largest difference of a weight from that of a single process with the joint batch, relative to the tensor's largest. */
  weights: number;
  /** The same of the mean logs. */
  logs: number;
  /** Distance of the tensor of weights that moved least from its initial value. */
  moved: number;
}

/** Makes what `program` does, the size of the joint batch, and `mine`, which returns this rank's part of it. */
const setUp = (given: StepCase) => `
    const ddconfig = { ch: 32, chMult: [1, 1], numResBlocks: 0, attnResolutions: [], resolution: 8, inChannels: 3, outCh: 3, zChannels: 32, doubleZ: false };
    ${program(given)}
    const world = d.worldSize(), block = 2, size = block * world * ${given.accumulate ?? 1};
    const mine = (batch) => torch.cat(batch.split(block).filter((_, i) => i % world === rank));`;

/** Takes steps in all ranks, and in each of them also alone with the joint batch. */
export async function compareSteps(ranks: Ranks, given: StepCase, steps: number): Promise<Compared[]> {
  const { accumulate = 1 } = given;
  const body = `
    ${setUp(given)}
    const alone = make(false), several = make(true), start = make(false);
    const weightsOf = ({ model }) => [...model.stateDict()].filter(([key]) => !key.includes('perceptual')).map(([, x]) => x.detach().double());
    const scaled = (x) => x.abs().max().item();
    let logs = 0;
    for (let step = 0; step < ${steps}; step++) {
      torch.scope(() => {
        const batch = joint(size, step), state = { globalStep: step, accumulate: ${accumulate} };
        const [one, own] = [alone.step(batch, state), several.step(mine(batch), state)];
        for (const key of Object.keys(one)) {
          if (!(one[key] instanceof torch.Tensor)) continue;
          const mean = own[key].detach().double().clone();
          d.allReduce(mean, { op: 'avg' });
          logs = Math.max(logs, scaled(mean.sub(one[key])) / Math.max(1, scaled(one[key])));
        }
      });
    }
    const [one, own, first] = [alone, several, start].map(weightsOf);
    const keys = [...several.model.stateDict()].filter(([key]) => !key.includes('perceptual')).map(([, x]) => x);
    const weights = Math.max(...own.map((x, i) => scaled(x.sub(one[i])) / (1e-3 + scaled(one[i]))));
    const moved = Math.min(...several.model.parameters().flatMap((x) => {
      const i = own.findIndex((_, at) => keys[at] === x);
      return i >= 0 && x.requiresGrad && x.ndim > 1 ? [scaled(own[i].sub(first[i]))] : [];
    }));
    return { weights, logs, moved };`;
  return (await ranks.run(body)) as Compared[];
}

/** Times in a step, of `performance.now()`, for one optimizer. */
export interface Overlap {
  /** Of the backward that computed the last gradient. */
  began: number;
  /** When the averaging of each bucket began. */
  buckets: number[];
  lastGradient: number;
  ended: number;
}

/** What shows that averaging did not begin, bucket by bucket, while gradients were computed. */
export function faultsOf({ began, buckets, lastGradient, ended }: Overlap): string[] {
  const [first = NaN, ...later] = buckets;
  const order = [began, first, lastGradient, ended];
  const rises = (times: readonly number[]) => times.every((time, i) => i === 0 || time > times[i - 1]!);
  return [
    ...(rises(order) ? [] : [`backward, average, last gradient and end at ${order.join(', ')}`]),
    ...(later.length > 1 && rises(buckets) ? [] : [`buckets at ${buckets.join(', ')}`]),
  ];
}

/** Takes two steps in all ranks; the times of the second one, of each optimizer. */
export async function overlapOf(ranks: Ranks, given: StepCase): Promise<Record<string, Overlap>[]> {
  const body = `
    ${setUp(given)}
    const { step, optimizers, trained } = make(true);
    const passes = [], last = {};
    const { backward } = torch.Tensor.prototype;
    torch.Tensor.prototype.backward = function (...args) {
      const began = performance.now();
      backward.apply(this, args);
      passes.push({ began, ended: performance.now() });
    };
    for (const [name, parameters] of Object.entries(trained))
      for (const parameter of parameters) parameter.registerHook(() => void (last[name] = performance.now()));
    for (const globalStep of [0, 1])
      torch.scope(() => void step(mine(joint(size, globalStep)), { globalStep, accumulate: ${given.accumulate ?? 1} }));
    torch.Tensor.prototype.backward = backward;
    return Object.fromEntries(Object.entries(optimizers).map(([name, { averager: { buckets } }]) => {
      const lastGradient = last[name];
      const { began, ended } = passes.find((pass) => pass.began < lastGradient && lastGradient < pass.ended);
      return [name, { began, buckets: buckets.map(({ started }) => started), lastGradient, ended }];
    }));`;
  return (await ranks.run(body)) as Record<string, Overlap>[];
}

/** Takes three steps that average gradients inside backward, and three that do it after; the weights after each. */
export async function weightsBothWays(ranks: Ranks, given: StepCase): Promise<[number[][], number[][]][]> {
  const body = `
    ${setUp(given)}
    return [true, false].map((inside) => {
      const { step, optimizers, trained } = make(true);
      if (!inside)
        for (const [name, optimizer] of Object.entries(optimizers))
          optimizers[name] = { zeroGrad: () => optimizer.zeroGrad(), step: () => optimizer.step(), ...(optimizer.gather && { gather: optimizer.gather }) };
      for (let globalStep = 0; globalStep < 3; globalStep++)
        torch.scope(() => void step(mine(joint(size, globalStep)), { globalStep, accumulate: ${given.accumulate ?? 1} }));
      return Object.values(trained).flat().map((parameter) => parameter.detach().double().flatten().tolist());
    });`;
  return (await ranks.run(body)) as [number[][], number[][]][];
}
