// Our arm of `gpu-check gpt` and `gpu-check sample`.
import {
  F,
  GPT,
  MasterWeights,
  TokenSampler,
  generate,
  gptPresets,
  nn,
  torch,
  transformerOptimizer,
} from 'tessera-torch';
import type { GPTConfig, Tensor } from 'tessera-torch';
import type { Profile } from './rounds.js';
import { decodeParts } from './decode-parts.js';
import { timelineOf } from './timeline.js';
import { armOptions, matmulRate, peakMemory, serve, setFlags, tidy, timing, versions } from './arm.js';

const { device, tiny } = armOptions();
// Weights of 5.6 GB are made on the CPU; what is free there at the start may be less than what can be had.
torch.setMemoryBudget(64e9);
const small: GPTConfig = { vocabSize: 64, blockSize: 32, nLayer: 2, nHead: 4, nEmbd: 64 };
const sizes: GPTConfig = tiny ? small : gptPresets.cin;

interface Variant {
  precision: 'float32' | 'pure';
  fused: boolean;
}

function makeTrainer(config: GPTConfig, made: GPT, precision: Variant['precision']) {
  const gpt = made.train();
  const copies = [...gpt.parameters()];
  const masters = new MasterWeights();
  // At its border, too, the network would be float32; it takes and gives what it computes with.
  if (precision === 'pure') masters.lower(gpt);
  const optimizer = transformerOptimizer(gpt, { lr: 1e-4 });
  for (const group of optimizer.paramGroups) group.params = masters.of(group.params);
  const stepper = masters.around(copies, optimizer);
  return {
    gpt,
    tokens(batch: number): Tensor {
      torch.manualSeed(1);
      return torch.randint(0, config.vocabSize, [batch, config.blockSize + 1], { dtype: 'int64' }).to(device);
    },
    step: (tokens: Tensor): Tensor =>
      torch.scope(() => {
        const length = config.blockSize;
        stepper.zeroGrad();
        const logits = gpt.forward(tokens.narrow(1, 0, length));
        const loss = F.crossEntropy(
          logits.float().view([-1, config.vocabSize]),
          tokens.narrow(1, 1, length).reshape([-1]),
        );
        loss.backward();
        stepper.step();
        return loss.detach();
      }),
    /** Returns the times of a step's parts. */
    profile(tokens: Tensor): Profile {
      const modules = [...gpt.blocks].flatMap(
        (block) =>
          [
            ['norms', block.ln1],
            ['attention', block.attn],
            ['norms', block.ln2],
            ['feed-forward', block.mlp],
          ] as const,
      );
      return timelineOf(device, [...modules, ['head', gpt.head]], [stepper], () =>
        this.step(tokens).dispose(),
      );
    },
    dispose() {
      optimizer.dispose();
      torch.dispose(masters.all(gpt));
    },
  };
}

/** Weights drawn on the device, as 1.4 billion take the CPU a quarter of a minute. */
function drawnThere(dtype: 'float32' | 'bfloat16'): GPT {
  const gpt = nn.skipInit(() => new GPT(sizes)).to({ dtype, device });
  torch.noGrad(() => {
    for (const [name, parameter] of gpt.namedParameters()) {
      if (/ln.*weight$/.test(name)) parameter.fill_(1);
      else parameter.normal_(0, 0.02);
    }
  });
  return gpt;
}

interface Request extends Variant {
  ask: 'versions' | 'matmul' | 'losses' | 'time' | 'greedy' | 'sample' | 'profile' | 'decode parts';
  /** Of `sample`: by module forwards, by the fixed-shape step, by that step replayed, or by kernels of our own replayed. */
  way: 'generate' | 'step' | 'graph' | 'kernels';
  batch: number;
  steps: number;
  warmups: number;
  size: number;
  top_k: number | null;
}

let training: { precision: string; trainer: ReturnType<typeof makeTrainer> } | null = null;
let sampled: GPT | null = null;
const samplers = new Map<string, TokenSampler>();

function trainerOf({ precision, fused }: Variant) {
  if (training?.precision !== precision) {
    training?.trainer.dispose();
    tidy(device);
    training = { precision, trainer: makeTrainer(sizes, drawnThere('float32'), precision) };
  }
  training.trainer.gpt.fuseQkv(fused);
  return training.trainer;
}

/** Samplers keep their recordings: what is recorded once is replayed in every round. */
function samplerOf(gpt: GPT, { way, batch, top_k: topK }: Request): TokenSampler {
  const key = JSON.stringify([way, batch, topK]);
  let own = samplers.get(key);
  if (!own) {
    const record = way === 'step' ? null : torch.cuda.graphRecorder();
    own = new TokenSampler(gpt, { batch, topK, record, kernels: way === 'kernels' });
    samplers.set(key, own);
  }
  return own;
}

function sample(request: Request) {
  const { way, batch, steps, warmups, top_k: topK } = request;
  sampled ??= drawnThere('bfloat16').eval();
  const gpt = sampled;
  const start = torch.zeros([batch, 1], { dtype: 'int64', device });
  let sampler: TokenSampler | null = null;
  let run = () => generate(gpt, start, steps, { topK }).dispose();
  if (way !== 'generate') {
    const own = samplerOf(gpt, request);
    sampler = own;
    run = () => own.sample(start, steps).dispose();
  }
  const took = timing(device, run, 1, warmups);
  const reasons = sampler === null || way === 'step' ? [] : whyNot(sampler);
  start.dispose();
  tidy(device);
  return { ...took, fallbacks: reasons };
}

/** Returns the requested fast paths that are not used, with the reasons. */
function whyNot({ eagerReason, kernelFailure }: TokenSampler): string[] {
  return [
    ...(eagerReason === null ? [] : [`not replayed as graphs: ${eagerReason}`]),
    ...(kernelFailure === null ? [] : [`without kernels of our own: ${kernelFailure}`]),
  ];
}

await serve((request: Request) => {
  const { ask, batch, steps, warmups, size, precision, fused } = request;
  if (ask === 'versions') return versions();
  if (ask === 'matmul') return matmulRate(device, size);
  if (ask === 'sample') {
    setFlags({ tf32: true });
    return sample(request);
  }
  if (ask === 'decode parts') {
    sampled ??= drawnThere('bfloat16').eval();
    return decodeParts(device, sampled, { batch, window: size, topK: request.top_k });
  }
  if (ask === 'greedy') {
    setFlags({ tf32: false });
    torch.manualSeed(0);
    const gpt = new GPT(small).to(device).eval();
    const start = torch.arange(0, batch, 1, { dtype: 'int64' }).view([batch, 1]).to(device);
    const record = torch.cuda.graphRecorder();
    using own = new TokenSampler(gpt, {
      batch,
      greedy: true,
      bucket: 8,
      record,
      kernels: request.way === 'kernels',
    });
    const tokens = own.sample(start, steps).tolist();
    const reasons = whyNot(own);
    if (reasons.length > 0 && device !== 'cpu') throw new Error(reasons.join('; '));
    return tokens;
  }
  if (ask === 'losses') {
    setFlags({ tf32: precision !== 'float32' });
    torch.manualSeed(0);
    const trainer = makeTrainer(small, new GPT(small).to(device).fuseQkv(fused), precision);
    const tokens = trainer.tokens(batch);
    const losses = Array.from({ length: steps }, () =>
      torch.scope(() => Number(trainer.step(tokens).item())),
    );
    trainer.dispose();
    return losses;
  }
  setFlags({ tf32: true });
  const trainer = trainerOf({ precision, fused });
  const tokens = trainer.tokens(batch);
  if (ask === 'profile') {
    timing(device, () => trainer.step(tokens).dispose(), 1, 2);
    return trainer.profile(tokens);
  }
  const peak = peakMemory(device);
  const took = timing(device, () => trainer.step(tokens).dispose(), steps, warmups);
  tokens.dispose();
  tidy(device);
  return { ...took, peak: peak() };
});
