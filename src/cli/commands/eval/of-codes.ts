/** Measures a second stage by the codes of images: how many bits they cost. */
import { LABEL } from '../../../data/fields/example.js';
import type { ImageSource } from '../../../data/image-source.js';
import { countCodesOf, histogramEntropy } from '../../../metrics/codebook-use.js';
import type { Evaluation } from '../../../metrics/evaluation.js';
import { weightsHash } from '../../../metrics/extract.js';
import { codeRates } from '../../../metrics/held-out-loss.js';
import type { Protocol } from '../../../metrics/protocol.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { RunConfig } from '../../../runs/config.js';
import { openRun } from '../../../runs/open.js';
import { encodeCentres, type CodeRows } from '../../../training/stages/transformer/codes.js';
import { encodersOf } from '../../../training/stages/transformer/encoders.js';
import { heldOutLoss } from '../../../training/stages/transformer/held-out.js';
import { vectorsOf } from '../../../training/stages/transformer/vectors.js';
import * as torch from '../../../torch/index.js';
import { interruptSignal } from '../../interrupt.js';
import { sourceOf } from '../../model-flags.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';
import { expectFits, openMeasured, PixelHash } from './run-images.js';

/** Opens the run of a transformer and measures the codes of its held-out images, or of `--images`. */
export async function evaluateCodes(run: string, flags: EvalFlags): Promise<Evaluation> {
  expectNoFlags(run, flags);
  const {
    model: net,
    config,
    device,
    classes,
  } = await openRun(sourceOf(run, flags), 'transformer', flags.device);
  expectFits(run, net, flags.size ?? config.data.size);
  const { source, close } = await openMeasured(run, config, flags, 'encode');
  try {
    expectClasses(run, net, source, classes);
    const hash = new PixelHash();
    const rows = await encoded(net, source, config, { device, batch: flags.batch, hash });
    const { heldOutLoss: nats } = heldOutLoss(net, { heldOut: rows }, Infinity, flags.batch);
    const [count, length] = rows.codes.shape as [number, number];
    const counts = torch.scope(() =>
      countCodesOf(rows.codes.flatten().to('cpu').toTypedArray() as BigInt64Array, net.transformer.vocabSize),
    );
    torch.dispose(rows);
    const dimensions = source.channels * source.size ** 2;
    return {
      what: run,
      values: {
        heldOutLoss: nats!,
        ...codeRates(nats!, length, dimensions),
        histogramEntropy: histogramEntropy(counts),
      },
      protocol: { ...protocolOf(net, source), count, codes: length, images: hash.digest() },
    };
  } finally {
    await close();
  }
}

/**
 * @throws UsageError for flags of reconstructions, which are those of the first stage; also for the size, which only a
 *   checkpoint file does not say
 */
function expectNoFlags(run: string, { features, lpips, size, config }: EvalFlags): void {
  const given = Object.entries({ features, lpips, ...(config === undefined && { size }) }).find(
    ([, value]) => value !== undefined,
  )?.[0];
  if (given === undefined) return;
  throw new UsageError(
    `${run} is the run of a transformer, which is measured by the codes of images; --${given} is for reconstructions: ` +
      'add --stage vqgan to measure its first stage, or leave it out',
  );
}

/** @throws UsageError for images of other classes than the model's */
function expectClasses(
  run: string,
  { condition }: TwoStage,
  { classes: found }: ImageSource,
  classes: readonly string[],
): void {
  if (condition.field !== LABEL && !condition.fields?.includes(LABEL)) return;
  if (found.length > 0 && (classes.length === 0 || found.join('\0') === classes.join('\0'))) return;
  const named = (names: readonly string[]) => (names.length === 0 ? 'none' : names.slice(0, 12).join(', '));
  throw new UsageError(
    `${run} is conditioned on the classes ${named(classes)}, but those of the images are ${named(found)}; name images ` +
      'with a folder for each of its classes in --images',
  );
}

interface Encoding {
  device: torch.Device;
  batch: number;
  hash: PixelHash;
}

async function encoded(
  net: TwoStage,
  source: ImageSource,
  config: RunConfig,
  { device, batch, hash }: Encoding,
): Promise<CodeRows> {
  const { encode, condition } = encodersOf(net, device);
  source.checkFields(condition?.fields ?? []);
  const vectors = await vectorsOf(config, { train: source, heldOut: source });
  const signal = interruptSignal();
  const rows = await encodeCentres(source, {
    encode: (images) => {
      hash.update(images);
      return encode(images);
    },
    condition,
    vectors,
    device,
    batch,
    signal,
  });
  torch.dispose(vectors);
  signal.throwIfAborted();
  return rows!;
}

function protocolOf({ firstStageModel, condition }: TwoStage, source: ImageSource): Protocol {
  return {
    measured: 'codes',
    firstStage: `sha256 ${weightsHash(firstStageModel)}`,
    condition: condition.fields?.join(' and ') ?? condition.field ?? 'none',
    size: source.size,
    crop: 'centre square',
  };
}
