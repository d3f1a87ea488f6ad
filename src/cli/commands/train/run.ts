/** Implementation of `tessera-torch train`, after the command line is parsed. Loads libtorch. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import { valueAt } from '../../../config/interpolation.js';
import { listCheckpoints } from '../../../runs/checkpoint.js';
import type { RunConfig, Stage } from '../../../runs/config.js';
import type { EndEvent } from '../../../runs/events.js';
import { stageTexts } from '../../../reports/stages.js';
import { writeReport } from '../../../reports/index.js';
import { RunError } from '../../../runs/error.js';
import type { RunPlan } from '../../../training/trainer.js';
import type { TransformerTrainer } from '../../../training/transformer-trainer.js';
import type { VqganTrainer } from '../../../training/vqgan-trainer.js';
import { amount, duration } from '../../numbers.js';
import type { ConfigTree } from './config-files.js';
import { configOfStart, inheritedConfig } from './first-stage.js';
import { interruptSignal } from '../../interrupt.js';
import { terminalProgress } from '../../terminal.js';
import { examplePlaces, readChanges, readTrainConfig, type TrainInput } from './config.js';
import { trainOutput, type TrainOutput } from './output.js';
import type { TrainFlags } from './command.js';
import { UsageError } from '../../usage-error.js';
import { INTERRUPTED } from '../../exit-codes.js';
import { isFirst, joinProcesses, leaveProcesses, ofFirst } from './processes.js';

type AnyTrainer = VqganTrainer | TransformerTrainer;

/** Only the requested trainer is loaded. */
const trainers = {
  vqgan: async () => (await import('../../../training/vqgan-trainer.js')).VqganTrainer,
  transformer: async () => (await import('../../../training/transformer-trainer.js')).TransformerTrainer,
} satisfies Record<Stage, unknown>;

export async function train(stage: Stage, input: TrainInput, flags: TrainFlags): Promise<void> {
  const signal = interruptSignal();
  if (!flags.printConfig) await joinProcesses();
  try {
    await trainAlike(stage, input, { ...flags, quiet: flags.quiet || !isFirst() }, signal);
  } finally {
    leaveProcesses();
  }
}

/** Trains in this process, which may be one of several that do the same. */
async function trainAlike(
  stage: Stage,
  input: TrainInput,
  flags: TrainFlags,
  signal: AbortSignal,
): Promise<void> {
  const resumed = flags.resume === undefined ? null : ofFirst(() => findRun(stage, flags));
  const progress = terminalProgress();
  const opening = { signal, ...(isFirst() && { onProgress: progress.step }) };
  const Trainer = await trainers[stage]();
  let trainer;
  if (resumed !== null) {
    const { tree } = await readChanges(stage, input);
    if (flags.printConfig || flags.dryRun)
      throw new UsageError('--print-config and --dry-run are for new runs');
    trainer = await opened<AnyTrainer>(Trainer.resume(resumed, { changes: tree, ...opening }));
  } else {
    const { config, notes } = await newConfig(stage, input, flags.printConfig);
    if (!flags.json && !flags.quiet) for (const note of notes) progress.line(`note: ${note}`);
    if (flags.printConfig) return void process.stdout.write(stringify(config, { lineWidth: 110 }));
    const run = ofFirst(() => runFolder(stage, flags));
    if (flags.dryRun) {
      const plan = await opened<RunPlan>(Trainer.plan(config, { run, ...opening }));
      progress.end();
      if (!isFirst()) return;
      return describe(stage, plan, run);
    }
    const existed = existsSync(run);
    trainer = await opened<AnyTrainer>(Trainer.create(config, { run, ...opening }), () => {
      const another =
        !isFirst() || existed || existsSync(join(run, 'run.lock')) || listCheckpoints(run).length > 0;
      if (existsSync(run) && !another) rmSync(run, { recursive: true });
    });
  }
  progress.end();
  const output = trainOutput({ ...flags, stage, steps: trainer.config.training.steps });
  signal.addEventListener('abort', () => output.stopping(), { once: true });
  const saveSoon = () => trainer.saveSoon();
  process.on('SIGUSR1', saveSoon);
  const before = trainer.step;
  let end: EndEvent | null = null;
  try {
    for await (const event of trainer.run({ signal })) {
      output.event(event);
      if (event.type === 'images') await showSoFar(trainer, output);
      if (event.type === 'end') end = event;
    }
  } catch (error) {
    // The page must not say that training goes on.
    await writeReport(trainer.folder).catch(() => {});
    throw error;
  } finally {
    process.off('SIGUSR1', saveSoon);
    output.end();
  }
  if (end?.interrupted) process.exitCode = INTERRUPTED;
  if (!isFirst()) return;
  const report = await writeReport(trainer.folder);
  if (end && !flags.json && !flags.quiet) tellEnd(stage, trainer, end, { report, before });
}

/** Writes the page of a run that goes on, which it does even if the page cannot be written. */
async function showSoFar({ folder, step }: AnyTrainer, output: TrainOutput): Promise<void> {
  try {
    await writeReport(folder, { running: true });
  } catch (error) {
    output.event({ type: 'note', step, message: `report.html was not written: ${(error as Error).message}` });
  }
}

/** Awaits a trainer. If it fails to start, calls `cleanUp` and converts errors in settings to usage errors. */
async function opened<T>(trainer: Promise<T>, cleanUp?: () => void): Promise<T> {
  try {
    return await trainer;
  } catch (error) {
    cleanUp?.();
    if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** Returns the configuration of a new run; an `example`, for printing, may leave out images and first stage. */
async function newConfig(
  stage: Stage,
  input: TrainInput,
  example = false,
): Promise<{ config: RunConfig; notes: string[] }> {
  const inherit = async (given: ConfigTree): Promise<ConfigTree> => ({
    ...(await configOfStart(stage, given)),
    ...(stage === 'transformer' && (await firstStageOf(given, example))),
  });
  return readTrainConfig(stage, input, { example, inherit });
}

/** Returns the settings taken from the first stage, which the flag, an override or a file may name. */
async function firstStageOf(given: ConfigTree, example: boolean): Promise<ConfigTree> {
  const named = valueAt(given, ['training', 'vqgan']);
  const begins = valueAt(given, ['training', 'from']) !== undefined;
  if (named === undefined && (begins || namesFirstStage(given))) return {};
  const vqgan = named ?? (example ? examplePlaces.vqgan : undefined);
  if (typeof vqgan !== 'string') {
    throw new UsageError(
      'name the run of the trained first stage with --vqgan RUN; npx tessera-torch train vqgan makes one',
    );
  }
  const inherited = existsSync(join(vqgan, 'config.yaml')) ? await inheritedConfig(vqgan) : {};
  return { ...inherited, training: { vqgan } };
}

/** True if the model section names trained weights of its first stage, as the reference's files do. */
function namesFirstStage({ model }: ConfigTree): boolean {
  const params = (model as Partial<ModelConfig> | undefined)?.params;
  const first = params?.['first_stage_config'] as Partial<ModelConfig> | undefined;
  return [params, first?.params].some((given) => typeof given?.['ckpt_path'] === 'string');
}

/** Returns the folder of a new run: `--name`, or the first of `vqgan`, `vqgan-2`, … that does not exist. */
function runFolder(stage: Stage, { out, name }: TrainFlags): string {
  if (name !== undefined) return join(out, name);
  for (let n = 1; ; n++) {
    const folder = join(out, n === 1 ? stage : `${stage}-${n}`);
    if (!existsSync(folder)) return folder;
  }
}

/** Returns the run to resume: the named one, or the newest of this stage in `--out`. */
function findRun(stage: Stage, { resume, out, name }: TrainFlags): string {
  if (name !== undefined) throw new UsageError('--name is for new runs; --resume already names the run');
  if (resume !== 'latest') return resume!;
  const runs = (existsSync(out) ? readdirSync(out) : [])
    .map((entry) => join(out, entry))
    .filter((folder) => stageOf(folder) === stage)
    .sort((a, b) => lastChange(b) - lastChange(a));
  if (!runs[0]) throw new RunError(`there is no run of a ${stage} in ${out}; name another folder with --out`);
  return runs[0];
}

/** Returns the stage of the run in a folder; undefined if there is none. */
function stageOf(folder: string): unknown {
  const path = join(folder, 'config.yaml');
  if (!existsSync(path)) return undefined;
  return (parse(readFileSync(path, 'utf8')) as { stage?: unknown } | null)?.stage;
}

function lastChange(folder: string): number {
  return statSync(join(folder, 'metrics.jsonl'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Prints a description of a run without starting it. */
function describe(
  stage: Stage,
  { config, images, parameters, notes, device }: RunPlan,
  folder: string,
): void {
  for (const note of notes) process.stderr.write(`${note.startsWith('left out ') ? '' : 'note: '}${note}\n`);
  const { steps, minutes, batchSize, accumulate } = config.training;
  const batches = accumulate === 1 ? 'batches' : `${accumulate} batches per step`;
  const length = [steps && `${steps.toLocaleString('en')} steps`, minutes && `${minutes} minutes`].filter(
    Boolean,
  );
  process.stdout.write(
    `${stage}: ${images.train.toLocaleString('en')} images to train on, ${images.heldOut.toLocaleString('en')} held out, ` +
      `${config.data.size} × ${config.data.size} pixels${config.data.channels === 1 ? ', grey' : ''}\n` +
      `model: ${amount(parameters)} parameters, ${config.model.target}\n` +
      `run: ${length.join(' or ')}, ${batches} of ${batchSize}, on ${device}, into ${folder}\n` +
      'dry run: nothing was written\n',
  );
}

function tellEnd(
  stage: Stage,
  { folder, config }: AnyTrainer,
  end: EndEvent,
  { report, before }: { report: string; before: number },
): void {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const steps = `${end.step.toLocaleString('en')} steps in ${duration(end.seconds)}`;
  if (end.interrupted) {
    say(`stopped after ${steps}; saved in ${end.checkpoint}`);
    say(`resume it with: npx tessera-torch train ${stage} --resume ${folder}`);
    return;
  }
  if (end.step === before) {
    const { steps: limit, minutes } = config.training;
    const bySteps = minutes === undefined || (limit !== undefined && end.step >= limit);
    const reached = bySteps ? `${limit} steps` : `${minutes} minutes`;
    say(
      end.stopped === undefined
        ? `nothing to do: the run had already reached its end, ${reached}; to continue it, give a longer one: --minutes M or training.steps=N`
        : `nothing to do: the run has ${end.stopped}; to continue it, raise training.patience=${config.training.patience}`,
    );
  }
  say(`done: ${steps}; images, curves and metrics: ${report}`);
  say(`next: ${stageTexts[stage].next(folder, config)}`);
}
