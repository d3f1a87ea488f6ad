import test from 'ava';
import * as torch from '../../../../src/torch/index.js';
import type { Tensor } from '../../../../src/torch/index.js';
import * as nn from '../../../../src/torch/nn/index.js';
import * as optim from '../../../../src/torch/optim/index.js';
import { VQLPIPSWithDiscriminator } from '../../../../src/models/losses/vqgan-loss.js';
import type { VQModel } from '../../../../src/models/autoencoder/vqgan.js';
import { GraphedStep } from '../../../../src/training/stages/vqgan/graphed-step.js';
import type { VqganLog } from '../../../../src/training/stages/vqgan/reference-step.js';
import { pretence, pretendCuda } from '../../../pretended-cuda.js';

const { log } = pretence;
pretendCuda();

test.serial(
  'a graphed step is recorded again for a learning rate, but not for that of a capturable optimizer',
  (t) => {
    for (const capturable of [false, true]) {
      const weight = new nn.Parameter(torch.zeros([3]));
      const adam = () => new optim.Adam([weight], { lr: 1e-2, capturable });
      const optimizers = { generator: adam(), discriminator: adam() };
      const loss = new VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 8, discNumLayers: 1 });
      const model = { loss, quantize: {} } as unknown as VQModel;
      const work = (_: unknown, { generator }: { generator: { step(): void } }, images: Tensor) => {
        weight.grad = images.sum([0]);
        generator.step();
        return { totalLoss: weight.detach().sum() } as VqganLog;
      };
      const step = new GraphedStep(model, optimizers, work);
      log.length = 0;
      const batch = torch.ones([2, 3]);
      for (let globalStep = 0; globalStep < 12; globalStep++) {
        const lr = globalStep < 8 ? 1e-2 : 1e-3;
        for (const optimizer of Object.values(optimizers)) optimizer.paramGroups[0]!.lr = lr;
        step.run(batch, { globalStep });
      }
      const counted = (word: string) => log.filter((line) => line === word).length;
      t.is(counted('begin'), capturable ? 1 : 2);
      t.is(counted('replay'), capturable ? 9 : 6);
      step.dispose();
    }
  },
);
