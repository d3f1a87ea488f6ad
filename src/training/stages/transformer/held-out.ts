/** Held-out metrics of a second stage, and their baselines. */
import { metricsOf } from '../../../metrics/definitions.js';
import type { TwoStage } from '../../../models/two-stage.js';
import * as torch from '../../../torch/index.js';
import * as nn from '../../../torch/nn/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { CodeRows, Codes } from './codes.js';
import type { MetricValues } from '../../stage.js';
import { transformerLoss } from './step.js';

/** Number of rows measured at a time. */
const BATCH = 16;

/** Most images of a token set whose codes the metrics count: lists of millions of rows would not fit into memory. */
const MOST = 65_536;

/** Codes in reading order [B, L] after their condition, tokens [B, N] or vectors [B, N, D]. */
export interface Tokens {
  z: Tensor;
  c: Tensor;
}

/** Selects rows of codes, permuted to the transformer's reading order, with their condition. */
export function tokensOf(net: TwoStage, rows: CodeRows, which: number[]): Tokens {
  const { codes, labels } = rows;
  const index = torch.tensor(BigInt64Array.from(which, BigInt), { device: codes.device });
  const z = net.permuter.forward(codes.indexSelect(0, index).to('int64')); // [B, L]
  const c = conditionOf(rows, index) ?? net.encodeToC(labels.indexSelect(0, index)).indices; // [B, 1] for a class
  return { z, c };
}

/** Selects the condition of rows: its tokens [B, N] or vectors [B, N, D]; null if that is none or a class. */
export function conditionOf({ condition, vectors }: CodeRows, index: Tensor): Tensor | null {
  const rows = condition && condition.indexSelect(0, index);
  return rows && vectors ? vectors.indexSelect(0, rows.flatten()) : rows;
}

/**
 * Returns the cross-entropy in nats per code on the first `rows` held-out rows, `batch` at a time; empty if none are held
 * out.
 */
export function heldOutLoss(
  net: TwoStage,
  { heldOut }: Pick<Codes, 'heldOut'>,
  rows = Infinity,
  batch = BATCH,
): MetricValues {
  const count = Math.min(rows, heldOut.codes.shape[0]!);
  if (count === 0) return {};
  let sum = 0;
  nn.inEvaluation(net, () => {
    for (let from = 0; from < count; from += batch) {
      const some = Array.from({ length: Math.min(batch, count - from) }, (_, i) => from + i);
      torch.scope(() => {
        const tokens = tokensOf(net, heldOut, some);
        sum += torch.noGrad(() => transformerLoss(net, { tokens })).item() * some.length;
      });
    }
  });
  return { heldOutLoss: sum / count };
}

/** Measures the loss on all held-out rows, and the metrics that need all codes. */
export function measureCodes(net: TwoStage, codes: Codes): MetricValues {
  const heldOut = codes.heldOut.codes;
  if (heldOut.shape[0] === 0) return {};
  const grids = {
    train: torch.scope(() => rowsOf(firstViews(codes.train))),
    heldOut: rowsOf(heldOut),
    size: net.transformer.vocabSize,
    width: Math.round(Math.sqrt(heldOut.shape[1]!)),
  };
  const values = heldOutLoss(net, codes);
  for (const metric of metricsOf.transformer) {
    if ('ofGrids' in metric) values[metric.name] = metric.ofGrids(grids);
  }
  return values;
}

/** Returns the rows of the training images that the metrics count: of token sets the first view of each of many. */
function firstViews({ codes, views }: CodeRows): Tensor {
  if (views === undefined) return codes;
  const images = Math.min(MOST, codes.shape[0]! / views);
  const rows = BigInt64Array.from({ length: images }, (_, i) => BigInt(i * views));
  return codes.indexSelect(0, torch.tensor(rows, { device: codes.device }));
}

function rowsOf(codes: Tensor): number[][] {
  return codes.to('cpu').tolist() as number[][];
}
