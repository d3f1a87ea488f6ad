// A small network that labels images. It learns from original scenes only, sharp and blurred; the demo measures samples with it.
import {
  confusionOf,
  F,
  meanIou,
  nn,
  optim,
  torch,
  type ImageSource,
  type Tensor,
  type View,
} from 'tessera-torch';
import { labels } from './models.js';
import { classNames } from './scenes.js';
import { sayStep } from './terminal.js';

/** Labels of images: segmentation logits [B, 9, H, W], depth [B, 1, H, W] in [−1, 1], class logits [B, 16]. */
export interface Labels {
  segmentation: Tensor;
  depth: Tensor;
  classes: Tensor;
}

const { relu } = F;
const conv = (from: number, to: number, stride = 1) => new nn.Conv2d(from, to, 3, { stride, padding: 1 });
const enlarged = (x: Tensor) => F.interpolate(x, { scaleFactor: 2, mode: 'nearest' });

/** Three halvings and back, each level joined with the one before it. */
export class Labeller extends nn.Module {
  protected static override readonly scoped: readonly string[] = ['forward'];
  readonly whole = conv(3, 24);
  readonly half = conv(24, 48, 2);
  readonly quarter = conv(48, 96, 2);
  readonly eighth = conv(96, 96, 2);
  readonly deep = conv(96, 96);
  readonly toQuarter = conv(192, 48);
  readonly toHalf = conv(96, 24);
  readonly toMaps = conv(48, labels + 1);
  readonly toClasses = new nn.Linear(96 + 24, classNames.length);

  override forward(images: Tensor): Labels {
    const whole = relu(this.whole.forward(images));
    const half = relu(this.half.forward(whole));
    const quarter = relu(this.quarter.forward(half));
    const deep = relu(this.deep.forward(relu(this.eighth.forward(quarter))));
    const upQuarter = relu(this.toQuarter.forward(torch.cat([enlarged(deep), quarter], 1)));
    const upHalf = relu(this.toHalf.forward(torch.cat([enlarged(upQuarter), half], 1)));
    const maps = this.toMaps.forward(torch.cat([enlarged(upHalf), whole], 1));
    const seen = torch.cat([deep.mean([2, 3]), whole.mean([2, 3])], 1);
    return {
      segmentation: maps.narrow(1, 0, labels),
      depth: maps.narrow(1, labels, 1),
      classes: this.toClasses.forward(seen),
    };
  }
}

/** Returns images without details smaller than `factor` pixels. */
function blurred(images: Tensor, factor: number): Tensor {
  if (factor === 1) return images;
  const small = F.interpolate(images, { scaleFactor: 1 / factor, mode: 'area' });
  return F.interpolate(small, { size: images.shape.slice(2), mode: 'bilinear' });
}

export interface LabellerScores {
  meanIou: number;
  depthError: number;
  accuracy: number;
}

/** Trains a labeller for some steps, at most some minutes; null if the signal aborted. */
export async function trainLabeller(
  source: ImageSource,
  { steps, minutes, signal }: { steps: number; minutes: number; signal: AbortSignal },
): Promise<Labeller | null> {
  const [batch, rate] = [16, 2e-3];
  torch.manualSeed(1);
  const labeller = new Labeller();
  const optimizer = new optim.Adam(labeller.parameters(), { lr: rate });
  const started = performance.now();
  const spent = () => (performance.now() - started) / 60000;
  let said = 0;
  for (let step = 0; ; step++) {
    const progress = Math.max(step / steps, spent() / minutes);
    if (progress >= 1) return labeller;
    await new Promise(setImmediate); // A signal such as Ctrl-C needs a turn of the event loop.
    if (signal.aborted) return null;
    optimizer.paramGroups[0]!.lr = rate * Math.min(1, 0.05 + 2 * (1 - progress));
    const rows = torch.scope(() => torch.randint(0, source.length, [batch]).tolist()) as number[];
    const views = rows.map((_, i): View => ({ x: 0.5, y: 0.5, flip: i % 2 === 1 }));
    const example = await source.readExamples(rows, ['segmentation', 'depth', 'label'], { views });
    const loss = torch.scope(() => {
      optimizer.zeroGrad();
      const { segmentation, depth, label } = example.fields;
      // The samples are blurred, so it also learns to read blurred scenes.
      const found = labeller.forward(blurred(example.image, [1, 2, 4][step % 3]!));
      const ofLabels = F.crossEntropy(found.segmentation, segmentation!.argmax(1));
      const ofClasses = F.crossEntropy(found.classes, label!);
      const total = ofLabels.add(F.l1Loss(found.depth, depth!)).add(ofClasses.mul(0.3));
      total.backward();
      optimizer.step();
      return Number(total.item());
    });
    torch.dispose([example.image, example.fields]);
    if (spent() * 60 - said < 10) continue;
    said = spent() * 60;
    sayStep(step + 1, (said * (1 - progress)) / Math.max(progress, 1e-3), { loss }, (step + 1) / said);
  }
}

/** Labels images [N, 3, H, W] in batches. */
export function labelsOf(labeller: Labeller, images: Tensor): Labels {
  return torch.noGrad(() =>
    torch.scope(() => {
      const parts = images.split(32).map((part) => labeller.forward(part));
      const joined = (name: keyof Labels) => torch.cat(parts.map((part) => part[name]));
      return {
        segmentation: joined('segmentation'),
        depth: joined('depth'),
        classes: joined('classes'),
      };
    }),
  );
}

/** Returns the mean intersection over union of found labels with one-hot maps, both [N, 9, H, W]. */
export const iouOf = (found: Tensor, map: Tensor): number =>
  torch.scope(() => meanIou(confusionOf(map.argmax(1), found.argmax(1), labels)));

/** Returns the mean absolute error of depths in [−1, 1], as a share of the whole range. */
export const depthError = (found: Tensor, map: Tensor): number =>
  torch.scope(() => Number(found.clamp(-1, 1).sub(map).abs().mean().div(2).item()));

/** Returns the share of images whose class is found. */
export const accuracyOf = (found: Tensor, classes: Tensor): number =>
  torch.scope(() => Number(found.argmax(1).eq(classes).double().mean().item()));

/** Measures a labeller on held-out scenes. */
export async function measureLabeller(labeller: Labeller, heldOut: ImageSource): Promise<LabellerScores> {
  const { image, fields } = await heldOut.readExamples(
    [...Array(heldOut.length).keys()],
    ['segmentation', 'depth', 'label'],
  );
  const found = labelsOf(labeller, image);
  return {
    meanIou: iouOf(found.segmentation, fields['segmentation']!),
    depthError: depthError(found.depth, fields['depth']!),
    accuracy: accuracyOf(found.classes, fields['label']!),
  };
}
