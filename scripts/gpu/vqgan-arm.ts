// Our arm of `gpu-check vqgan`: the one-pass step on the model that vqgan_arm.py builds in plain PyTorch.
import {
  MasterWeights,
  VQLPIPSWithDiscriminator,
  VQModel,
  backbones,
  onePassStep,
  optim,
  torch,
} from 'tessera-torch';
import type { Tensor, VqganLog } from 'tessera-torch';
import type { Profile } from './rounds.js';
import { timelineOf } from './timeline.js';
import { armOptions, peakMemory, serve, setFlags, tidy, timing, versions } from './arm.js';

const { device, tiny } = armOptions();
const side = tiny ? 32 : 256;
const tinyBackbone = {
  doubleZ: false,
  zChannels: 32,
  resolution: 32,
  inChannels: 3,
  outCh: 3,
  ch: 32,
  chMult: [1, 1],
  numResBlocks: 1,
  attnResolutions: [16],
};

interface Variant {
  precision: 'float32' | 'pure';
  channelsLast?: boolean;
  /** Group norm and SiLU as one kernel of our own. */
  normKernel?: boolean;
  /** Replay the step as a CUDA graph. */
  graph?: boolean;
  /** Only algorithms that give the same bits each time. */
  deterministic?: boolean;
}

interface Trainer {
  step: (images: Tensor) => Pick<VqganLog, 'nllLoss' | 'gLoss' | 'discLoss' | 'dWeight'>;
  batch: (count: number) => Tensor;
  /** Returns the requested fast paths that are not used, with the reasons. */
  fallbacks: () => string[];
  /** Returns the times of a step's parts. */
  profile: (images: Tensor) => Profile;
  dispose: () => void;
}

function makeTrainer({
  precision,
  channelsLast = false,
  normKernel = false,
  graph = false,
  deterministic = false,
}: Variant): Trainer {
  torch.useDeterministicAlgorithms(deterministic, { warnOnly: true });
  torch.backends.cudnn.deterministic = deterministic;
  torch.cuda.setFusedGroupNorm(normKernel);
  torch.manualSeed(0);
  const model = new VQModel({
    ddconfig: tiny ? tinyBackbone : backbones.f16,
    lossconfig: () => new VQLPIPSWithDiscriminator({ discStart: 0 }), // made in the middle: one seed, Python's weights
    nEmbed: tiny ? 64 : 1024,
    embedDim: tiny ? 16 : 256,
  });
  const loss = model.loss as VQLPIPSWithDiscriminator;
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
  model.to(device).train();
  if (channelsLast) model.to({ memoryFormat: 'channels_last' });
  const masters = new MasterWeights();
  if (precision === 'pure') {
    for (const network of [model.encoder, model.decoder, loss.discriminator, loss.perceptualLoss.net]) {
      masters.lower(network);
    }
  }
  const settings: optim.AdamOptions = { lr: 4.5e-6, betas: [0.5, 0.9], fused: true };
  const adams: optim.Adam[] = [];
  const optimizerOf = (parameters: Tensor[]) => {
    const adam = new optim.Adam(masters.of(parameters), settings);
    adams.push(adam);
    return masters.around(parameters, adam);
  };
  const optimizers = {
    generator: optimizerOf(model.generatorParameters()),
    discriminator: optimizerOf([...loss.discriminator.parameters()]),
  };
  let globalStep = 0;
  const run = (images: Tensor) => {
    const { nllLoss, gLoss, discLoss, dWeight } = onePassStep(model, optimizers, images, {
      globalStep: globalStep++,
    });
    return { nllLoss, gLoss, discLoss, dWeight };
  };
  const recorded = graph ? torch.cuda.graph(run) : null;
  return {
    step: (images) => (recorded ? recorded.run(images) : run(images)),
    batch(count) {
      torch.manualSeed(1);
      return torch.scope(() => {
        const images = torch.rand([count, 3, side, side]).mul(2).sub(1).to(device);
        return channelsLast ? images.contiguous({ memoryFormat: 'channels_last' }) : images;
      });
    },
    fallbacks: () =>
      [recorded?.eagerReason, normKernel ? torch.cuda.fusedGroupNormFailure() : null].filter(
        (reason) => typeof reason === 'string',
      ),
    profile: (images) =>
      timelineOf(
        device,
        [
          ['encoder', model.encoder],
          ['decoder', model.decoder],
          ['LPIPS', loss.perceptualLoss],
          ['discriminator', loss.discriminator],
        ],
        Object.values(optimizers),
        () => torch.scope(() => void run(images)),
      ),
    dispose() {
      recorded?.dispose();
      for (const adam of adams) adam.dispose();
      torch.dispose([masters.all(model), loss.buffers()]);
    },
  };
}

interface Request extends Variant {
  ask: 'versions' | 'losses' | 'time' | 'profile';
  batch: number;
  steps: number;
  warmups: number;
}

let current: { key: string; trainer: Trainer } | null = null;

/** The trainer of these settings; another one's memory is freed first. */
function trainerOf(variant: Variant, batch: number): Trainer {
  const key = JSON.stringify([variant, variant.graph && batch]);
  if (current?.key !== key) {
    current?.trainer.dispose();
    current = null;
    tidy(device);
    current = { key, trainer: makeTrainer(variant) };
  }
  return current.trainer;
}

await serve(({ ask, batch, steps, warmups, ...variant }: Request) => {
  if (ask === 'versions') return versions();
  setFlags({ tf32: ask !== 'losses' || variant.precision !== 'float32' });
  // Looking for the fastest convolutions takes longer than the few steps whose losses are compared.
  torch.backends.cudnn.benchmark = !variant.deterministic && ask !== 'losses';
  if (ask === 'losses') {
    const trainer = makeTrainer(variant);
    const images = trainer.batch(batch);
    const logs = Array.from({ length: steps }, () =>
      torch.scope(() => {
        const { nllLoss, gLoss, discLoss, dWeight } = trainer.step(images);
        const [nll, g, d, weight] = [nllLoss, gLoss, discLoss, dWeight].map((x) => Number(x.item()));
        return { nll, g, d, weight };
      }),
    );
    images.dispose();
    trainer.dispose();
    tidy(device);
    return logs;
  }
  const trainer = trainerOf(variant, batch);
  const images = trainer.batch(batch);
  if (ask === 'profile') {
    timing(device, () => torch.scope(() => void trainer.step(images)), 1, warmups);
    return trainer.profile(images);
  }
  const peak = peakMemory(device);
  const took = timing(device, () => torch.scope(() => void trainer.step(images)), steps, warmups);
  const answer = { ...took, peak: peak(), fallbacks: trainer.fallbacks() };
  images.dispose();
  tidy(device);
  return answer;
});
