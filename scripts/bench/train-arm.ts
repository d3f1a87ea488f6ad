// Our arm of train.ts: the public training steps as a trainer takes them. Its answers are those of train_arm.py.
import { createInterface } from 'node:readline';
import {
  GPT,
  MasterWeights,
  Net2NetTransformer,
  VQLPIPSWithDiscriminator,
  VQModel,
  onePassStep,
  optim,
  torch,
  transformerOptimizer,
  transformerStep,
  type Tensor,
} from 'tessera-torch';
import type { TrainSetting } from './train-cases.js';
import type { OperatorTime } from './train-profile.js';

const VOCABULARY = 1024;

const setting = JSON.parse(process.argv[2]!) as TrainSetting;
const { batch, steps, precision } = setting;

interface Training {
  /** Takes a step; the first of its losses ends it when it is read. */
  step: () => Record<string, Tensor>;
  optimizers: readonly { paramGroups: { lr: number; params: Tensor[] }[] }[];
}

function vqganOf({ side, codes, width, backbone }: NonNullable<TrainSetting['vqgan']>): Training {
  torch.manualSeed(0);
  const model = new VQModel({
    ddconfig: backbone,
    lossconfig: () => new VQLPIPSWithDiscriminator({ discStart: 0 }), // made in the middle: one seed, Python's weights
    nEmbed: codes,
    embedDim: width,
  }).train();
  const loss = model.loss as VQLPIPSWithDiscriminator;
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
  const networks = [model.encoder, model.decoder, loss.discriminator, loss.perceptualLoss.net];
  const masters = new MasterWeights(precision === 'bfloat16' ? networks : []);
  const adams: optim.Adam[] = [];
  const optimizerOf = (parameters: Tensor[]) => {
    const adam = new optim.Adam(masters.of(parameters), { lr: 4.5e-6, betas: [0.5, 0.9] });
    adams.push(adam);
    return masters.around(parameters, adam);
  };
  const generator = optimizerOf(model.generatorParameters());
  const discriminator = optimizerOf(loss.discriminator.parameters());
  torch.manualSeed(1);
  const images = torch.rand([batch, 3, side, side]).mul(2).sub(1);
  let globalStep = 0;
  return {
    step() {
      const log = onePassStep(model, { generator, discriminator }, images, { globalStep: globalStep++ });
      const { nllLoss: nll, quantLoss, dWeight: weight, gLoss: g, discLoss: d } = log;
      return { nll, codes: quantLoss, weight, g, d };
    },
    optimizers: adams,
  };
}

function gptOf({ layers, width, tokens }: NonNullable<TrainSetting['gpt']>): Training {
  torch.manualSeed(0);
  const gpt = new GPT({
    vocabSize: VOCABULARY,
    blockSize: tokens,
    nLayer: layers,
    nHead: width / 64,
    nEmbd: width,
  });
  const least = { ch: 32, chMult: [1], numResBlocks: 0, attnResolutions: [], resolution: 16 };
  const ddconfig = { ...least, inChannels: 3, outCh: 3, zChannels: 8, doubleZ: false };
  const net = new Net2NetTransformer({
    firstStage: new VQModel({ ddconfig, nEmbed: VOCABULARY, embedDim: 8 }),
    prior: gpt,
    condition: '__is_unconditional__',
  }).train();
  const copies = gpt.parameters();
  const masters = new MasterWeights(precision === 'bfloat16' ? [gpt] : []);
  const adam = transformerOptimizer(gpt, { lr: 1e-4 });
  for (const group of adam.paramGroups) group.params = masters.of(group.params);
  const optimizer = masters.around(copies, adam);
  torch.manualSeed(1);
  const z = torch.randint(0, VOCABULARY, [batch, tokens], { dtype: 'int64' });
  const c = torch.zeros([batch, 1], { dtype: 'int64' });
  return {
    step: () => transformerStep(net, optimizer, { tokens: { z, c } }),
    optimizers: [adam],
  };
}

const { step, optimizers } = setting.vqgan ? vqganOf(setting.vqgan) : gptOf(setting.gpt!);

/** Reading a loss ends the step. */
const take = () => torch.scope(() => void Object.values(step())[0]!.item());

function norm(parameters: readonly Tensor[]): number {
  const norms = parameters.flatMap(({ grad }) => (grad ? [grad.norm()] : []));
  return Number(torch.stack(norms).norm().item());
}

/** Takes a step at learning rate 0: the published loop's discriminator would else see another reconstruction. */
function check(): Record<string, number> {
  const groups = optimizers.flatMap(({ paramGroups }) => paramGroups);
  const rates = groups.map(({ lr }) => lr);
  for (const group of groups) group.lr = 0;
  const found = torch.scope(() =>
    Object.entries(step()).map(([name, value]) => [name, Number(value.item())] as const),
  );
  for (const [i, group] of groups.entries()) group.lr = rates[i]!;
  const norms = optimizers.map(
    ({ paramGroups }, i) => [`gradient ${i}`, norm(paramGroups.flatMap(({ params }) => params))] as const,
  );
  return Object.fromEntries([...found, ...norms]);
}

function timed(): { wall: number; cpu: number } {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < steps; i++) take();
  const { user, system } = process.cpuUsage(cpu);
  return { wall: performance.now() - wall, cpu: (user + system) / 1000 };
}

function profile(): OperatorTime[] {
  take();
  const recorded = torch.profiler.profile(() => {
    for (let i = 0; i < steps; i++) take();
  });
  return recorded
    .keyAverages()
    .map(({ key, count, selfCpuTimeTotal }) => [key, count, selfCpuTimeTotal / 1000]);
}

const answers: Record<string, () => unknown> = { check: () => torch.scope(check), time: timed, profile };

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answers[line]!()));
}
