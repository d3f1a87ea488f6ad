// Completion of images with a hole: codes around it are kept, those in it are drawn.
import { psnr, sampleWindowed, torch, type Tensor } from 'tessera-torch';
import { picture, stated, type DemoFigure, type Section } from '../gallery.js';
import { side, size, stride } from '../models.js';
import { average, grid, openTransformer, seeded, type Studio } from '../studio.js';

/** The hole: codes from `from` up to before `to` in both directions. */
const hole = { from: 4, to: 8 };

/** Number of completions drawn for each image, of which one is kept. */
const draws = 4;

/** Draws the missing part of held-out images, for their classes. */
export async function drawCompletions(studio: Studio): Promise<Section> {
  const { out, scenes, quick } = studio;
  const net = await openTransformer(studio, 'class');
  const count = quick ? 32 : 64;
  const { image, fields } = await scenes.whole.heldOut.readExamples([...Array(count).keys()], ['label']);
  const kept = keptCells(); // [12, 12]
  const mask = kept.repeatInterleave(stride, 0).repeatInterleave(stride, 1).view([1, 1, size, size]);
  const given = torch.where(mask, image, meanOf(image, mask));
  const codesOf = (images: Tensor) => torch.noGrad(() => net.encodeToZ(images).indices.view([-1, ...grid]));
  const decode = (codes: Tensor) => torch.noGrad(() => net.firstStageModel.decodeIndices(codes)).clamp(-1, 1);
  const condition = net.encodeToC(fields['label']!).indices;
  const complete = (seed: number) => {
    const generator = seeded(seed);
    const completion = codesOf(bridged(image));
    const drawOne = () => {
      const drawn = sampleWindowed(net, condition, { grid, completion, mask: kept, topK: 100, generator });
      // The codes around the hole were those of an image that is plain there: encoded again, they include what was drawn.
      const around = codesOf(deliver(decode(drawn)));
      return decode(torch.where(kept, around, drawn));
    };
    return bestFitting(Array.from({ length: draws }, drawOne), image, mask);
  };
  const deliver = (images: Tensor) => torch.where(mask, image, images);
  const [decoded, another] = [complete(1), complete(2)];
  const reconstruction = decode(codesOf(image));
  const delivered = deliver(decoded);
  const first = (images: Tensor) => images.narrow(0, 0, 8);
  const rows = torch.cat([given, delivered, deliver(another), decoded, image].map(first));
  const caption =
    `Held-out scenes with a hole of ${(hole.to - hole.from) * stride} × ${(hole.to - hole.from) * stride} pixels (first row), two ` +
    `completions, each the best fitting of ${draws}, the first one decoded from its codes alone, and the originals (last row).`;
  return {
    title: 'Completion of an image',
    blocks: [await picture(out, 'completion', rows, caption)],
    figures: [
      ...outside(
        { image, decoded, reconstruction, delivered },
        mask,
        quick ? `${count} images (64 without --quick)` : `${count} images`,
      ),
      ...inside({ 'the sample': delivered, 'a mean-colour fill': given }, image),
    ],
  };
}

/** True for the cells that are given. */
function keptCells(): Tensor {
  return torch.scope(() => {
    const places = torch.arange(side);
    const within = places.ge(hole.from).logicalAnd(places.lt(hole.to));
    return within.unsqueeze(1).logicalAnd(within.unsqueeze(0)).logicalNot(); // [12, 12]
  });
}

/**
 * Returns for each image the drawing that is nearest to the given pixels: a code is drawn from those before it, and does
 * not depend on the pixels to the right of the hole and below it.
 */
function bestFitting(drawings: readonly Tensor[], image: Tensor, mask: Tensor): Tensor {
  return torch.scope(() => {
    const all = torch.stack([...drawings]); // [draws, B, 3, H, W]
    const errors = all.sub(image).mul(mask).square().mean([2, 3, 4]); // [draws, B]
    return all
      .gather(
        0,
        errors
          .argmin(0)
          .view([1, -1, 1, 1, 1])
          .expand([1, ...image.shape]),
      )
      .squeeze(0);
  });
}

/** Returns the mean colours [B, 3, 1, 1] of the given pixels. */
const meanOf = (images: Tensor, mask: Tensor): Tensor =>
  torch.scope(() => images.mul(mask).sum([2, 3], true).div(mask.sum()));

/**
 * Returns images with the hole filled from its left edge to its right one, which disturbs the codes around it less than a
 * single colour does.
 */
function bridged(images: Tensor): Tensor {
  return torch.scope(() => {
    const [from, length] = [hole.from * stride, (hole.to - hole.from) * stride];
    const rows = images.narrow(2, from, length);
    const share = torch.arange(length).add(0.5).div(length); // [length]
    const [left, right] = [rows.narrow(3, from - 1, 1), rows.narrow(3, from + length, 1)]; // [B, 3, length, 1]
    const filled = images.clone();
    filled
      .narrow(2, from, length)
      .narrow(3, from, length)
      .copy_(left.add(right.sub(left).mul(share)));
    return filled;
  });
}

/** Compares the given part with the reconstruction of the whole image. */
function outside(
  {
    image,
    decoded,
    reconstruction,
    delivered,
  }: Record<'image' | 'decoded' | 'reconstruction' | 'delivered', Tensor>,
  mask: Tensor,
  note: string,
): DemoFigure[] {
  // Pixels in the hole are set right, and the error then belongs to the others alone.
  const fewer = 10 * Math.log10(Number(mask.float().mean().item()));
  const decibels = (images: Tensor) => {
    const around = torch.scope(() => torch.where(mask, images, image));
    return average(psnr(around, image)) + fewer;
  };
  const loss = decibels(reconstruction) - decibels(decoded);
  const same = Number(delivered.sub(image).mul(mask).abs().max().item());
  return [
    {
      ...stated(
        'outside the hole, PSNR lost to the reconstruction',
        loss,
        ' dB',
        `${decibels(decoded).toFixed(2)} dB from codes alone, reconstruction ${decibels(reconstruction).toFixed(2)} dB; ${note}`,
      ),
      aim: 'within 0.5 dB',
      reached: Math.abs(loss) <= 0.5,
    },
    {
      ...stated('largest change of a given pixel in the completed image', same),
      aim: '0',
      reached: same === 0,
    },
  ];
}

const inHole = (images: Tensor): Tensor => {
  const [from, length] = [hole.from * stride, (hole.to - hole.from) * stride];
  return images.narrow(2, from, length).narrow(3, from, length);
};

/** States how close to the original what fills the hole is, and how alike its gradients are distributed. */
function inside(fills: Record<string, Tensor>, image: Tensor): DemoFigure[] {
  return Object.entries(fills).flatMap(([name, images]) => {
    const [own, true_] = [inHole(images), inHole(image)];
    return [
      stated(`inside the hole, PSNR of ${name}`, average(psnr(own, true_)), ' dB'),
      stated(
        `inside the hole, gradients of ${name}`,
        histogramDistance(gradientHistogram(own), gradientHistogram(true_)),
        '',
        'share of pixels that would have to move between bins to match the original’s histogram',
      ),
    ];
  });
}

/** Returns the distribution of gradients' lengths of grey images over 32 bins, [32]. */
function gradientHistogram(images: Tensor): Tensor {
  return torch.scope(() => {
    const grey = images.mean([1]); // [B, H, W]
    const [height, width] = grey.shape.slice(1) as [number, number];
    const down = grey
      .narrow(1, 1, height - 1)
      .sub(grey.narrow(1, 0, height - 1))
      .narrow(2, 0, width - 1);
    const across = grey
      .narrow(2, 1, width - 1)
      .sub(grey.narrow(2, 0, width - 1))
      .narrow(1, 0, height - 1);
    const length = down.square().add(across.square()).sqrt();
    const bins = length.mul(64).floor().clamp(0, 31).long().flatten();
    return bins.bincount(null, 32).double().div(bins.numel());
  });
}

/** Returns half the sum of absolute differences of two distributions: 0 if they are equal, 1 if they share nothing. */
const histogramDistance = (a: Tensor, b: Tensor): number => Number(a.sub(b).abs().sum().div(2).item());
