/** Implementation of `tessera-torch trim`, after the command line is parsed. Loads libtorch. */
import { join } from 'node:path';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { modelFromConfig, type ModelConfig } from '../../../models/registry/from-config.js';
import { withoutLoss } from '../../../models/registry/without-loss.js';
import type { Net2NetTransformer, TwoStage } from '../../../models/two-stage.js';
import { trimFirstStage, trimTwoStage, type Trimmed } from '../../../models/weights/trim.js';
import { trimmedCard, usesOfImport } from '../../../reports/model-card.js';
import { foreignConfig, type RunConfig, type Stage } from '../../../runs/config.js';
import { checkRunIsNew, readConfig } from '../../../runs/folder.js';
import { writeImportedRun } from '../../../runs/import.js';
import { openRun } from '../../../runs/open.js';
import { openRunWeights } from '../../../runs/weights.js';
import { scope, type Device } from '../../../torch/index.js';
import type * as nn from '../../../torch/nn/index.js';
import { openRunImages, type Images } from '../../../training/images.js';
import { mapOf } from '../../../training/stages/vqgan/check.js';
import { isTokenFolder } from '../../../data/files/token-folder.js';
import { interruptSignal } from '../../interrupt.js';
import { countOf } from '../../numbers.js';
import { terminalProgress } from '../../terminal.js';
import { UsageError } from '../../usage-error.js';
import { addTrainedCodes, checkConditionCounts, countsOf, differing, type Encoded } from './codes.js';
import type { TrimFlags } from './command.js';

export async function trim(run: string, flags: TrimFlags): Promise<void> {
  const target = join(flags.out, flags.name);
  checkRunIsNew(target);
  const { stage } = await readConfig(run);
  const { model, config, device, classes } = await openRun({ run, ema: flags.ema }, stage, flags.device);
  const first = (stage === 'vqgan' ? model : (model as TwoStage).firstStageModel) as FirstStage;
  // Refused before any image is read.
  scope(() => void trimmed(config.model, model, stage, [0]));
  if (stage === 'transformer') await checkConditionCounts(run, model as TwoStage, flags.images);
  const images = await openImages(run, config, flags);
  const progress = terminalProgress();
  try {
    const encoded = encodedBy(images, stage, config, { flags, device, progress });
    const counts = await countsOf(first, encoded('counting codes'));
    if (flags.images === undefined && stage === 'transformer')
      await addTrainedCodes(run, model as TwoStage, counts);
    const used = [...counts.keys()].filter((code) => counts[code]! >= flags.atLeast);
    checkUsed(run, used, first.nCodes, flags);
    const smaller = trimmed(config.model, model, stage, used);
    const made = rebuilt(smaller, device);
    const inner = (stage === 'vqgan' ? made : (made as TwoStage).firstStageModel) as FirstStage;
    const unlike = await differing(first, inner, used, encoded('comparing images'));
    const facts: Facts = {
      codes: { before: first.nCodes, after: used.length },
      parameters: { before: sizeOf(model), after: sizeOf(made) },
      images: images.count * (config.data.flip ? 2 : 1),
      differing: unlike,
    };
    const written = { run, stage, config: configOf(config, smaller.section), made, classes, facts };
    await write(target, { ...written, ema: flags.ema });
    progress.end();
    tell(target, written, flags);
  } finally {
    progress.end();
    await images.close();
  }
}

/** What became smaller, and what the comparison found. */
interface Facts {
  codes: { before: number; after: number };
  parameters: { before: number; after: number };
  images: number;
  differing: number;
}

function trimmed(section: ModelConfig, model: nn.Module, stage: Stage, used: readonly number[]): Trimmed {
  try {
    return stage === 'vqgan'
      ? trimFirstStage(section, model as FirstStage, used)
      : trimTwoStage(section, model as TwoStage, used);
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function rebuilt({ section, weights }: Trimmed, device: Device): nn.Module {
  const model = modelFromConfig(withoutLoss(section), { init: false });
  model.loadStateDict(weights);
  return model.to(device).eval();
}

const sizeOf = (model: nn.Module): number => model.parameters().reduce((sum, each) => sum + each.numel(), 0);

/** @throws UsageError if all codes are in use, or none */
function checkUsed(run: string, used: readonly number[], codes: number, { atLeast }: TrimFlags): void {
  if (used.length === 0)
    throw new UsageError(`no code of ${run} was chosen ${atLeast} times: give a lower --at-least`);
  if (used.length < codes) return;
  throw new UsageError(
    `all ${codes} codes of ${run} are in use: there is nothing to leave out` +
      (atLeast === 1 ? '; --at-least 2 would leave out those that were chosen once' : ''),
  );
}

/** Opens the images of a run, or those of `--images`. @throws UsageError if there are none */
async function openImages(
  run: string,
  config: RunConfig,
  { images }: TrimFlags,
): Promise<Pick<Images, 'train' | 'heldOut'> & { count: number; close(): Promise<void> }> {
  const { heldOutPath: _, ...shared } = config.data;
  const data = images === undefined ? config.data : { ...shared, path: images, heldOut: 0 };
  if (!data.path || isTokenFolder(data.path)) {
    const why = data.path
      ? `was trained on the tokens in ${data.path}, which have no pixels`
      : 'has no images of its own';
    throw new UsageError(`${run} ${why}; name images whose codes count with --images`);
  }
  const { train, heldOut, close } = await openRunImages(
    { ...config, data },
    { signal: interruptSignal() },
    [],
  );
  return { train, heldOut, count: train.length + heldOut.length, close: () => close() };
}

function encodedBy(
  { train, heldOut, count }: { train: Images['train']; heldOut: Images['heldOut']; count: number },
  stage: Stage,
  config: RunConfig,
  {
    flags,
    device,
    progress,
  }: { flags: TrimFlags; device: Encoded['device']; progress: ReturnType<typeof terminalProgress> },
): (label: string) => Encoded {
  const signal = interruptSignal();
  return (label) => ({
    sources: [train, heldOut],
    field: stage === 'vqgan' ? mapOf(config) : null,
    flip: config.data.flip,
    batch: flags.batch,
    device,
    onProgress: (done) => {
      signal.throwIfAborted();
      if (!flags.quiet && !flags.json) progress.step(label, done, count);
    },
  });
}

/** Returns the configuration of a trimmed model, which has no images of its own. */
function configOf({ data }: RunConfig, section: ModelConfig): RunConfig {
  const config = foreignConfig(section, data.size, null);
  return { ...config, data: { ...config.data, ...(data.maps && { maps: data.maps }) } };
}

/** A trimmed model, and the run that it is from. */
interface Written {
  run: string;
  stage: Stage;
  config: RunConfig;
  made: nn.Module;
  classes: readonly string[];
  facts: Facts;
  ema: boolean | undefined;
}

async function write(
  target: string,
  { run, stage, config, made, classes, facts, ema }: Written,
): Promise<void> {
  // The discriminator's weights go along, for a run that begins from this one.
  const { tensors, file, close } = await openRunWeights(run, { ema });
  try {
    const model = made as FirstStage | Net2NetTransformer;
    const card = trimmedCard(target, { stage, config, run, what: sentenceOf(facts) });
    const opened = { stage, config, model, tensors, prefix: '' };
    await writeImportedRun(target, opened, { file, card, classes, signal: interruptSignal() });
  } finally {
    close();
  }
}

const sentenceOf = ({ codes, parameters }: Facts): string =>
  `${codes.after} of ${codes.before} codes are in use; ${parameters.before.toLocaleString('en')} parameters became ` +
  parameters.after.toLocaleString('en');

function tell(
  target: string,
  { run, stage, config, facts }: Omit<Written, 'ema'>,
  { json, quiet }: TrimFlags,
): void {
  if (json) process.stdout.write(`${JSON.stringify({ run: target, stage, ...facts })}\n`);
  if (json || quiet) return;
  const { images, differing: unlike } = facts;
  const same = unlike === 0 ? 'codes and pixels of all are the same' : `${unlike} differ`;
  const next = usesOfImport(target, stage, config).map((command) => `next: ${command}\n`);
  process.stdout.write(
    `${sentenceOf(facts)}\n${countOf(images, 'image')} compared with ${run}: ${same}\nwritten to ${target}\n${next.join('')}`,
  );
}
