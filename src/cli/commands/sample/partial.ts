/** Images while they are being drawn: the codes so far, decoded, and grey where there are none yet. */
import type { TwoStage } from '../../../models/two-stage.js';
import { placeImages } from '../../../sampling/completion.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { Tensor } from '../../../torch/index.js';
import type { Photo } from './photo.js';
import type { DrawnSize } from './size.js';

/** Codes and pixels of images that are known before their codes are drawn. */
interface Start {
  /** Codes `[B, h·w]`, 0 where they are not known. */
  codes: Tensor;
  /** True where codes are known, `[h·w]`. */
  known: Tensor;
  /** Given pixels `[1, C, H, W]`, and where they are not given `[1, 1, H, W]`; null: none are given. */
  given: { pixels: Tensor; drawn: Tensor } | null;
}

/** A batch that is being drawn. */
export class PartialImages {
  readonly #model: TwoStage;
  readonly #area: DrawnSize;
  readonly #start: Start;
  readonly #missing: Set<number>;

  constructor(model: TwoStage, area: DrawnSize, photo: Photo | null, batch: number) {
    this.#model = model;
    this.#area = area;
    this.#start = unrecorded(() => startOf(model, area, photo, batch));
    const known = this.#start.known.tolist() as boolean[];
    const isGiven = photo?.share === null; // Codes of variations are all drawn, although they are known before.
    this.#missing = new Set(known.flatMap((isKnown, cell) => (isKnown && isGiven ? [] : [cell])));
  }

  /** True if all codes are known. */
  get isComplete(): boolean {
    return this.#missing.size === 0;
  }

  /** Adds the codes `[B, K]` of K cells. */
  add(cells: readonly number[], tokens: Tensor): void {
    const { codes, known } = this.#start;
    for (const cell of cells) this.#missing.delete(cell);
    torch.scope(() => {
      const at = torch.tensor(BigInt64Array.from(cells, BigInt), { device: codes.device });
      codes.indexCopy_(1, at, tokens);
      known.indexFill_(0, at, true);
    });
  }

  /** Returns images `[B, C, H, W]` on the CPU of what is known. */
  images(): Tensor {
    const { codes, known, given } = this.#start;
    const { grid, size } = this.#area;
    return unrecorded(() => {
      const decoded = this.#model.firstStageModel.decodeIndices(codes.view([-1, ...grid]));
      const stride = size[0] / grid[0];
      const here = known.view(grid).repeatInterleave(stride, 0).repeatInterleave(stride, 1); // [H, W]
      const images = torch.where(here, decoded, decoded.zerosLike());
      return (given ? torch.where(given.drawn, images, given.pixels) : images).to('cpu');
    });
  }

  dispose(): void {
    const { codes, known, given } = this.#start;
    torch.dispose([codes, known, given?.pixels, given?.drawn]);
  }
}

function startOf(model: TwoStage, { grid }: DrawnSize, photo: Photo | null, batch: number): Start {
  const { device } = model.transformer.parameters()[0]!;
  const area = grid[0] * grid[1];
  if (!photo) {
    return {
      codes: torch.zeros([batch, area], { dtype: 'int64', device }),
      known: torch.zeros([area], { dtype: 'bool', device }),
      given: null,
    };
  }
  const { image, mask, canvas } = photo;
  if (photo.share !== null)
    return { ...startOfVariations(model, photo.image.to(device), batch), given: null };
  const placed = placeImages(model, image.to(device), mask?.to(device) ?? null, canvas ?? undefined);
  return {
    codes: placed.codes.flatten(1).repeat([batch, 1]),
    known: placed.cells.logicalNot().flatten(),
    // Copies, because they are disposed of with the batch.
    given: { pixels: placed.whole.clone(), drawn: placed.drawn.unsqueeze(1).clone() },
  };
}

/** Returns the codes of the image that is varied. */
function startOfVariations(model: TwoStage, image: Tensor, batch: number): Omit<Start, 'given'> {
  const codes = placeImages(model, image, null).codes.flatten(1);
  return {
    codes: codes.repeat([batch, 1]),
    known: torch.ones([codes.shape[1]!], { dtype: 'bool', device: image.device }),
  };
}
