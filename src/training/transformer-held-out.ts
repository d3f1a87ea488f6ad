/** What a second stage makes of codes it was not trained on, and what it is compared with. */
import { countCodesOf, histogramEntropy } from '../metrics/codebook-use.js';
import { countModelCrossEntropy } from '../metrics/count-model.js';
import type { Net2NetTransformer } from '../models/net2net.js';
import * as torch from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import type { Tensor } from '../torch/index.js';
import type { Codes } from './codes.js';
import type { Figures } from './trainer.js';
import { transformerLoss } from './transformer-step.js';

/** Rows measured at a time. */
const BATCH = 16;

/** Codes in reading order [B, L] after their condition [B, N]. */
export interface Tokens {
  z: Tensor;
  c: Tensor;
}

/** The given rows of codes [N, L], permuted as the transformer reads them, with their labels [N] as conditions. */
export function tokensOf(net: Net2NetTransformer, codes: Tensor, labels: Tensor, rows: number[]): Tokens {
  const index = torch.tensor(BigInt64Array.from(rows, BigInt), { device: codes.device });
  const z = net.permuter.forward(codes.indexSelect(0, index)); // [B, L]
  return { z, c: net.encodeToC(labels.indexSelect(0, index)).indices }; // c: [B, 1]
}

/** Cross-entropy in nats a code on the first `rows` held-out rows; empty where none are held out. */
export function heldOutLoss(net: Net2NetTransformer, codes: Codes, rows = Infinity): Figures {
  const { heldOut, heldOutLabels } = codes;
  const count = Math.min(rows, heldOut.shape[0]!);
  if (count === 0) return {};
  let sum = 0;
  nn.inEvaluation(net, () => {
    for (let from = 0; from < count; from += BATCH) {
      const some = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => from + i);
      torch.scope(() => {
        const tokens = tokensOf(net, heldOut, heldOutLabels, some);
        sum += torch.noGrad(() => transformerLoss(net, { tokens })).item() * some.length;
      });
    }
  });
  return { heldOutLoss: sum / count };
}

/** The same on all held-out rows, beside the entropy of their histogram and what a model by counting reaches. */
export function heldOutFigures(net: Net2NetTransformer, codes: Codes): Figures {
  if (codes.heldOut.shape[0] === 0) return {};
  const [train, heldOut] = [rowsOf(codes.train), rowsOf(codes.heldOut)];
  const size = net.transformer.vocabSize;
  const width = Math.round(Math.sqrt(codes.heldOut.shape[1]!));
  const counts = countCodesOf(
    heldOut.flatMap((row) => [...row]),
    size,
  );
  return {
    ...heldOutLoss(net, codes),
    histogramEntropy: histogramEntropy(counts),
    countModel: countModelCrossEntropy(train, heldOut, { size, width }),
  };
}

function rowsOf(codes: Tensor): number[][] {
  return codes.to('cpu').tolist() as number[][];
}
