/** Codes of a second stage from token sets, without any image. */
import { LABEL } from '../../../data/fields/example.js';
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import type { TokenSet } from '../../../tokenizer/token-set.js';
import * as torch from '../../../torch/index.js';
import type { Images } from '../../images.js';
import type { TokenSets } from '../../token-images.js';
import type { CodeRows, Codes } from './codes.js';
import type { ImageVectors } from './vectors.js';

/** @throws RunError if a condition is computed from pixels */
export function checkNeedsNoPixels({ data }: RunConfig, fields: readonly string[]): void {
  if (fields.length === 0) return;
  throw new RunError(
    `the condition ${fields.filter((name) => name !== LABEL).join(' and ')} is computed from images, but data.path is the token set ${data.path}: train on the images, or ` +
      'without a condition, on classes or on vectors',
  );
}

/** @throws RunError if token sets do not have the grid and the codebook of a configuration's first stage */
export function checkTokens({ model, data }: RunConfig, { train, heldOut }: TokenSets): void {
  const first = model.params!['first_stage_config'] as ModelConfig;
  const { nCodes, codesPerSide } = codesOfConfig(first.params!);
  const side = codesPerSide(data.size);
  for (const { path, grid, largest } of new Set([train, heldOut])) {
    if (grid[0] !== side || grid[1] !== side) {
      throw new RunError(
        `the tokens in ${path} are grids of ${grid.join(' × ')}, but images of ${data.size} pixels have ${side} × ${side} codes of this first ` +
          `stage: encode them with --views --size ${data.size}, or set data.size to the size that was encoded`,
      );
    }
    if (largest >= nCodes) {
      throw new RunError(
        `the tokens in ${path} go up to ${largest}, but this first stage has ${nCodes} codes: they were made with another one`,
      );
    }
  }
}

/** @throws RunError if token sets were not made with the first stage of a model, whose weights are loaded */
export function checkMadeWith({ firstStageModel }: TwoStage, { train, heldOut }: TokenSets): void {
  if (!(firstStageModel instanceof FirstStage)) return;
  for (const set of new Set([train, heldOut])) set.checkMadeWith(firstStageModel);
}

/**
 * Returns the codes of the images to train on, with all their views, and those of the first view of the held-out images.
 * The caller owns them.
 */
export function codesOfTokens(
  { train, heldOut, tokens }: Images & { tokens: TokenSets },
  vectors: ImageVectors | null,
  device: torch.Device,
): Codes {
  return torch.scope(() => {
    const table = vectors?.table.to(device).clone() ?? null;
    const rowsOf = (
      source: Images['train'],
      set: TokenSet,
      views: number,
      ofVectors?: number[],
    ): CodeRows => {
      const images = Array.from({ length: source.length }, (_, i) => i);
      const perView = <T>(values: (image: number) => T): T[] =>
        images.flatMap((image) => Array<T>(views).fill(values(image)));
      const rows = images.flatMap((image) =>
        Array.from({ length: views }, (_, view) => source.place(image) * set.views + view),
      );
      const integers = (values: readonly number[]) => torch.tensor(BigInt64Array.from(values, BigInt));
      const on = (tensor: torch.Tensor) => (device === 'cpu' ? tensor : tensor.to(device));
      return {
        codes: on(set.ids.indexSelect(0, integers(rows))),
        labels: on(integers(perView((image) => source.label(image) ?? 0))),
        condition: ofVectors ? on(integers(perView((image) => ofVectors[image]!)).unsqueeze(1)) : null,
        vectors: table,
        views,
      };
    };
    return torch.keep({
      train: rowsOf(train, tokens.train, tokens.train.views, vectors?.train),
      heldOut: rowsOf(heldOut, tokens.heldOut, 1, vectors?.heldOut),
    });
  });
}
