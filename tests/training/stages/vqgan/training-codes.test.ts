import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { codebookUse } from '../../../../src/metrics/codebook-use.js';
import { VQGAN } from '../../../../src/models/autoencoder/any-quantizer.js';
import { ResidualVQ } from '../../../../src/models/quantizers/residual-vq.js';
import { modelFromConfig } from '../../../../src/models/registry/from-config.js';
import { withoutLoss } from '../../../../src/models/registry/without-loss.js';
import type { FirstStage } from '../../../../src/models/autoencoder/vqgan.js';
import { runCharts } from '../../../../src/reports/curves.js';
import * as torch from '../../../../src/torch/index.js';
import * as nn from '../../../../src/torch/nn/index.js';
import { TrainingCodes } from '../../../../src/training/stages/vqgan/training-codes.js';
import { VqganTrainer } from '../../../../src/training/vqgan-trainer.js';
import { eventsOf, images, lossesOf, temporaryFolder, vqganConfig } from '../../tiny.js';

const [CODES, MANY] = [16, 2048];

/** A first stage whose quantizer gives the indices that are asked for. */
function choosing() {
  const model = modelFromConfig<FirstStage>(withoutLoss(vqganConfig().model));
  const weight = torch.randn([CODES, 8]);
  const { embedding } = model.quantize as unknown as { embedding: nn.Embedding };
  torch.noGrad(() => embedding.weight.copy_(weight));
  const choose = (codes: number[]) => {
    const index = torch.tensor(BigInt64Array.from(codes, BigInt));
    const latents = weight.indexSelect(0, index).transpose(0, 1).reshape([1, 8, 1, codes.length]);
    model.quantize.forward(latents);
  };
  return { model, choose };
}

test.serial('codes are counted in training only, and perplexity is that of a histogram that forgets', (t) => {
  const { model, choose } = choosing();
  const codes = new TrainingCodes(model, { window: 2, step: 10, device: 'cpu' });
  choose([0, 0, 1]);
  choose([1, 2]);
  nn.inEvaluation(model, () => choose([5, 6, 7]));
  const first = codes.read(11);
  t.deepEqual(Object.keys(first), ['trainPerplexity']);
  const expected = (counts: number[]) =>
    codebookUse(Float64Array.from({ length: CODES }, (_, i) => counts[i] ?? 0)).perplexity;
  t.true(Math.abs(first['trainPerplexity']! - expected([2, 2, 1])) < 1e-9);
  choose([3]);
  const kept = Math.exp(-1 / 2);
  t.true(Math.abs(codes.read(12)['trainPerplexity']! - expected([2 * kept, 2 * kept, kept, 1])) < 1e-9);
  codes.dispose();
  choose([4]); // Nobody counts any more.
});

test.serial('layers that are left out of a step count as no code', (t) => {
  const { ddconfig } = modelFromConfig<FirstStage>(withoutLoss(vqganConfig().model)).config;
  const draws = { lastActiveQuantizer: () => 0 };
  const quantizer = new ResidualVQ({
    dim: 8,
    codebookSize: CODES,
    numQuantizers: 3,
    quantizeDropout: true,
    draws,
  });
  const model = new VQGAN({ ddconfig, quantizer });
  const codes = new TrainingCodes(model, { window: 2, step: 0, device: 'cpu' });
  const { indices } = model.quantize.forward(torch.randn([2, 8, 3, 3]));
  const [first, ...left] = indices.unbind(-1);
  t.true(left.every((layer) => layer.eq(-1).all().item()));
  const { perplexity } = codebookUse(first!, CODES);
  t.true(Math.abs(codes.read(1)['trainPerplexity']! - perplexity) < 1e-9);
  codes.dispose();
});

test.serial(
  'a code is dead once a window has passed without it, and the alarm comes once for each time',
  (t) => {
    const { model, choose } = choosing();
    const codes = new TrainingCodes(model, { window: 3, step: 0, device: 'cpu' });
    const all = [...Array(CODES).keys()];
    const said: (string | null)[] = [];
    const dead = [all, [0], [0], [0], [0, 1], all, [0], [0], [0]].map((chosen, i) => {
      choose(chosen);
      const { deadCodes } = codes.read(i + 1);
      said.push(codes.remark());
      return deadCodes;
    });
    t.deepEqual(dead, [undefined, undefined, 0, 15, 14, 0, 0, 0, 15]);
    t.deepEqual(
      said.map((remark) => remark !== null),
      [false, false, false, true, false, false, false, false, true],
    );
    t.regex(
      said[3]!,
      /^dead codes: 15 of 16 codes \(94%\) were used by no training image in the last 3 steps; keep /,
    );
    codes.dispose();
  },
);

test.serial('a run logs and draws them, says that codes have died, and trains as without them', async (t) => {
  const folder = temporaryFolder(t);
  const runOf = async (name: string, more: Record<string, unknown>) => {
    const { model, ...rest } = vqganConfig({ restartCodes: false, ...more });
    const config = { ...rest, model: { ...model, params: { ...model.params, n_embed: MANY } } };
    return eventsOf(await VqganTrainer.create(config, { run: join(folder, name), images: images() }));
  };
  const [followed, plain] = [await runOf('followed', { codeWindow: 3 }), await runOf('plain', {})];
  const [with3, without] = [lossesOf(followed), lossesOf(plain)];
  for (const [step, losses] of with3) {
    const { trainPerplexity, deadCodes, ...others } = losses;
    t.deepEqual(others, without.get(step), String(step));
    t.true(trainPerplexity! >= 1 && trainPerplexity! <= MANY);
    t.is(deadCodes === undefined, step < 3, String(step));
  }
  const notes = (events: typeof followed) =>
    events.flatMap((event) =>
      event.type === 'note' && event.message.startsWith('dead codes') ? [event.step] : [],
    );
  t.deepEqual([notes(followed), notes(plain)], [[3], []]);
  const chart = (name: string) =>
    runCharts(join(folder, name), 'vqgan').find(({ title }) => title === 'codebook on training images');
  t.deepEqual(
    chart('followed')!.series.map(({ name }) => name),
    ['perplexity', 'dead codes'],
  );
  t.is(chart('plain'), undefined);
  t.false(readFileSync(join(folder, 'plain', 'config.yaml'), 'utf8').includes('codeWindow'));
});
