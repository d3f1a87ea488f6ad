// The transformer that draws panoramas: learns windows of the codes of whole pieces, given the class and the segmentation.
import {
  GPT,
  Labelator,
  learningRateAt,
  Net2NetTransformer,
  openRun,
  Several,
  torch,
  transformerLoss,
  transformerOptimizer,
  transformerStep,
  type ImageSource,
  type Tensor,
  type TokenBatch,
} from 'tessera-torch';
import { side, stride } from './models.js';
import { classNames, type Split } from './scenes.js';
import { runOf } from './studio.js';
import { sayStep } from './terminal.js';

const batchSize = 8;
const peak = 2e-3;

/** Codes of whole pieces, in their grids: `[N, h, w]`. */
interface PieceCodes {
  image: Tensor;
  segmentation: Tensor;
  /** Token of the class, `[N, 1]`. */
  labels: Tensor;
}

/** Returns a transformer over a window of codes, after the class and the codes of the window's segmentation. */
async function untrained(out: string): Promise<Net2NetTransformer> {
  const { model: firstStage } = await openRun(runOf(out, 'image'), 'vqgan', 'cpu');
  const { model: maps } = await openRun(runOf(out, 'segmentationMaps'), 'vqgan', 'cpu');
  const condition = new Several({
    conditions: [new Labelator({ nClasses: classNames.length }), maps],
    keys: [null, 'segmentation'],
    firstId: firstStage.nCodes,
  });
  const blockSize = 1 + 2 * side * side - 1;
  const sizes = { nLayer: 4, nHead: 4, nEmbd: 128 };
  torch.manualSeed(1);
  const prior = new GPT({ vocabSize: condition.nCodes, blockSize, ...sizes });
  return new Net2NetTransformer({ firstStage, condition, prior, pkeep: 1 });
}

/**
 * Encodes pieces whole. The VQGANs normalize by the mean over all pixels, so the codes of a crop are not those that its place
 * has in a panorama.
 */
async function encodeWhole(net: Net2NetTransformer, source: ImageSource): Promise<PieceCodes> {
  const condition = net.condition as Several;
  const parts: PieceCodes[] = [];
  for (let row = 0; row < source.length; row++) {
    const { image, fields } = await source.readExamples([row], ['segmentation', 'label']);
    parts.push(
      torch.noGrad(() =>
        torch.scope(() => {
          const grid = [1, image.shape[2]! / stride, image.shape[3]! / stride];
          const [labels, map] = condition.encodeParts([fields['label']!, fields['segmentation']!]);
          const segmentation = map!.view(grid);
          return { image: net.encodeToZ(image).indices.view(grid), segmentation, labels: labels! };
        }),
      ),
    );
    torch.dispose([image, fields]);
  }
  const all = (name: keyof PieceCodes) => torch.cat(parts.map((part) => part[name]));
  return { image: all('image'), segmentation: all('segmentation'), labels: all('labels') };
}

/** Returns windows at random places of random pieces. */
function windowsOf({ image, segmentation, labels }: PieceCodes, count: number): TokenBatch['tokens'] {
  const [pieces, height, width] = image.shape as [number, number, number];
  const draw = (high: number) => torch.randint(0, high, [2 * count, 1]);
  const piece = draw(pieces);
  const corners = draw(height - side + 1)
    .mul(width)
    .add(draw(width - side + 1));
  const along = torch.arange(side, { dtype: 'int64' });
  const offsets = along.mul(width).unsqueeze(1).add(along).flatten(); // [side²]
  const places = piece
    .mul(height * width)
    .add(corners)
    .add(offsets); // [2·B, side²]
  const cut = (grid: Tensor) => grid.flatten().indexSelect(0, places.flatten()).view(places.shape);
  const map = cut(segmentation);
  const rows = fuller(map);
  const ofClass = labels.indexSelect(0, piece.flatten());
  return {
    z: cut(image).indexSelect(0, rows),
    c: torch.cat([ofClass, map], 1).indexSelect(0, rows),
  };
}

/**
 * Returns which rows of maps `[2·B, side²]` to learn: of each two the one with more changes along its rows of codes, because
 * most of a piece is sky and ground alone, which are learnt soon.
 */
function fuller(map: Tensor): Tensor {
  const count = map.shape[0]! / 2;
  const changes = map.narrow(1, 1, map.shape[1]! - 1).ne(map.narrow(1, 0, map.shape[1]! - 1));
  const second = changes.sum([1]).view([count, 2]).argmax(1); // [B]
  return torch.arange(count, { dtype: 'int64' }).mul(2).add(second);
}

/** Trains a transformer for some steps, at most some minutes; null if the signal aborted. Returns it and the steps taken. */
export async function trainPanorama(
  out: string,
  { train, heldOut }: Split,
  { steps, minutes, signal }: { steps: number; minutes: number; signal: AbortSignal },
): Promise<{ net: Net2NetTransformer | null; taken: number }> {
  const net = await untrained(out);
  const codes = await encodeWhole(net, train);
  const others = await encodeWhole(net, heldOut);
  torch.manualSeed(1);
  const fixed = windowsOf(others, 64);
  const heldOutLoss = () => {
    net.eval();
    const loss = torch.noGrad(() =>
      torch.scope(() => Number(transformerLoss(net, { tokens: fixed }).item())),
    );
    net.train();
    return loss;
  };
  const optimizer = transformerOptimizer(net.train().transformer, { lr: peak });
  const started = performance.now();
  const spent = () => (performance.now() - started) / 60000;
  let said = 0;
  for (let step = 0; ; step++) {
    const progress = Math.max(step / steps, spent() / minutes);
    if (progress >= 1) return { net: net.eval(), taken: step };
    await new Promise(setImmediate); // A signal such as Ctrl-C needs a turn of the event loop.
    if (signal.aborted) return { net: null, taken: step };
    for (const group of optimizer.paramGroups) group.lr = learningRateAt(progress, peak);
    torch.scope(() => {
      const { loss } = transformerStep(net, optimizer, { tokens: windowsOf(codes, batchSize) });
      if (spent() * 60 - said < 10) return;
      said = spent() * 60;
      const left = (said * (1 - progress)) / Math.max(progress, 1e-3);
      sayStep(step + 1, left, { loss: Number(loss.item()), heldOutLoss: heldOutLoss() }, (step + 1) / said);
    });
  }
}
