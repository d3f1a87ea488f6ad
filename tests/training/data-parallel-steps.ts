/** Steps in several ranks and the same in one, in float64: what differs between their weights, and their logs. */
import type { Ranks } from '../torch/ranks.js';

/** A stage, its quantizer or step, and the number of parts in which it computes its batch. */
export interface StepCase {
  kind: 'onePassStep' | 'referenceStep' | 'transformer';
  quantizer?: 'VQModel' | 'EMAVQ' | 'VectorQuantize';
  useActnorm?: boolean;
  lecamLossWeight?: number;
  accumulate?: number;
}

/** Makes `make()`: a model, its optimizers, and `step(batch, state)`, in float64; with `several` of several ranks. */
function program({ kind, quantizer = 'VQModel', useActnorm = false, lecamLossWeight = 0 }: StepCase): string {
  // At 1e-2 rounding alone grows, in one process, from 4e-16 to 2.5e-7 in 50 steps; at 1e-3 to 3e-13.
  const optimizer = '{ lr: 1e-3, betas: [0.5, 0.9], eps: 1e-3 }';
  if (kind === 'transformer')
    return `
      const { GPT, Net2NetTransformer, SOSProvider, transformerStep, DataParallelOptimizer } = tessera;
      const make = (several) => {
        torch.manualSeed(3);
        const sizes = { vocabSize: 12, blockSize: 8, nLayer: 1, nHead: 2, nEmbd: 16 };
        const gpt = new GPT({ ...sizes, embdPdrop: 0, residPdrop: 0, attnPdrop: 0 });
        const stage = new tessera.VQModel({ ddconfig, nEmbed: 12, embedDim: 4, lossconfig: null });
        const net = new Net2NetTransformer({ transformerConfig: gpt, firstStageConfig: stage, condStageConfig: new SOSProvider({ sosToken: 0 }) });
        net.to('float64').train();
        const own = new optim.Adam(gpt.parameters(), ${optimizer});
        const stepper = several ? new DataParallelOptimizer(own) : own;
        const step = (z, { accumulate }) => {
          const tokens = { z, c: torch.zeros([z.shape[0], 1], { dtype: 'int64' }) };
          return transformerStep(net, stepper, { tokens }, { accumulate });
        };
        return { model: gpt, step };
      };
      const joint = (n, step) => torch.arange(n * 8).mul(7 + step).fmod(11).floor().to('int64').view([n, 8]);`;
  const models = {
    VQModel: 'new tessera.VQModel({ ddconfig, nEmbed: 12, embedDim: 4, lossconfig })',
    EMAVQ: 'new tessera.EMAVQ({ ddconfig, nEmbed: 12, embedDim: 4, beta: 0.25, lossconfig })',
    VectorQuantize:
      'new tessera.VQGAN({ ddconfig, quantizer: new tessera.VectorQuantize({ nEmbed: 12, embedDim: 4 }), lossconfig })',
  };
  return `
    const { VQLPIPSWithDiscriminator, ${kind}, DataParallelOptimizer, averageOverProcesses, synchronizeStatistics } = tessera;
    const make = (several) => {
      torch.manualSeed(3);
      const lossconfig = nn.skipInit(() => new VQLPIPSWithDiscriminator({ discStart: 0, discNumLayers: 1, discNdf: 4, perceptualWeight: 0, useActnorm: ${useActnorm}, lecamLossWeight: ${lecamLossWeight}, lecamDecay: 0.5 }));
      for (const parameter of lossconfig.discriminator.parameters()) nn.init.normal_(parameter, 0, 0.3);
      const model = ${models[quantizer]};
      model.to('float64').train();
      if (several) synchronizeStatistics(model);
      const around = (parameters) => {
        const own = new optim.Adam(parameters, ${optimizer});
        return several ? new DataParallelOptimizer(own) : own;
      };
      const optimizers = { generator: around(model.generatorParameters()), discriminator: around(lossconfig.discriminator.parameters()) };
      const average = several ? { average: averageOverProcesses } : {};
      const step = (batch, state) => ${kind}(model, optimizers, batch, { ...state, ...average });
      return { model, step };
    };
    const joint = (n, step) => torch.arange(n * 192, { dtype: 'float64' }).mul(1 + 0.37 * step).sin().view([n, 3, 8, 8]);`;
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

/** Takes steps in all ranks, and in each of them also alone with the joint batch. */
export async function compareSteps(ranks: Ranks, given: StepCase, steps: number): Promise<Compared[]> {
  const { accumulate = 1 } = given;
  const body = `
    const ddconfig = { ch: 32, chMult: [1, 1], numResBlocks: 0, attnResolutions: [], resolution: 8, inChannels: 3, outCh: 3, zChannels: 32, doubleZ: false };
    ${program(given)}
    const world = d.worldSize(), block = 2, size = block * world * ${accumulate};
    const mine = (batch) => torch.cat(batch.split(block).filter((_, i) => i % world === rank));
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
