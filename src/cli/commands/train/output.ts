/** Output of a training run. */
import { metricNamed } from '../../../metrics/definitions.js';
import { formatMetric } from '../../../metrics/metric.js';
import type { LogEvent, StartEvent, TrainingEvent } from '../../../runs/events.js';
import { amount, duration, shortNumber } from '../../numbers.js';
import { barOf, isInteractive, liveLine, paint } from '../../terminal.js';

export interface TrainOutput {
  event(event: TrainingEvent): void;
  /** Reports that the user has asked to stop. */
  stopping(): void;
  end(): void;
}

export interface OutputOptions {
  stage: string;
  /** Number of steps of the run, if limited by steps. */
  steps?: number | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
  stream?: NodeJS.WriteStream;
}

/** Returns JSON lines, no output, a line that redraws itself on a terminal, or plain lines elsewhere. */
export function trainOutput(options: OutputOptions): TrainOutput {
  const { json, quiet, stream = process.stdout } = options;
  const silent = { event() {}, stopping() {}, end() {} };
  if (quiet) return silent;
  if (!json) return textOutput(options, stream);
  const event = (told: TrainingEvent) => told.type !== 'step' && stream.write(`${JSON.stringify(told)}\n`);
  return { ...silent, event };
}

const REDRAW = 200;
const BAR = 16;

function textOutput({ stage, steps }: OutputOptions, stream: NodeJS.WriteStream): TrainOutput {
  const live = isInteractive(stream);
  const { clear, draw: drawLine, line } = liveLine(stream);
  let lastDraw = 0;
  let last: LogEvent | null = null;
  // Held-out metrics are measured less often than losses; the latest remain visible.
  let metrics: Record<string, number> = {};
  const draw = (step: number, progress: number) => {
    const text = progressLine(stage, step, progress, steps, last, metrics, true);
    const room = Math.max(20, (stream.columns || 80) - 1);
    drawLine(text.length > room ? `${text.slice(0, room - 1)}…` : text);
  };
  return {
    event(event) {
      if (event.type === 'start') for (const text of startLines(stage, event)) line(text);
      else if (event.type === 'note') line(`${paint('yellow', 'note:', stream)} ${event.message}`);
      else if (event.type === 'log') {
        last = event;
        metrics = { ...metrics, ...event.metrics };
        if (live) draw(event.step, event.progress);
        else line(progressLine(stage, event.step, event.progress, steps, last, event.metrics ?? {}, false));
      } else if (event.type === 'step' && live && Date.now() - lastDraw > REDRAW) {
        lastDraw = Date.now();
        draw(event.step, event.progress);
      }
    },
    stopping: () => line('stopping after this step, then saving; press Ctrl-C again to quit at once'),
    end: clear,
  };
}

function startLines(stage: string, event: StartEvent): string[] {
  const { images, parameters, device, threads, precision } = event;
  const where = device === 'cpu' ? `cpu, ${threads} thread${threads === 1 ? '' : 's'}` : device;
  const from = event.step > 0 ? `, resumed at step ${event.step.toLocaleString('en')}` : '';
  return [
    `${stage}: ${images.train.toLocaleString('en')} images to train on, ${images.heldOut.toLocaleString('en')} held out; ` +
      `${amount(parameters)} parameters; ${where}, ${precision}${from}`,
    ...event.notes.map((note) => `note: ${note}`),
    `run folder: ${event.folder} (Ctrl-C saves and stops)`,
  ];
}

/** Formats `vqgan  1,240/20,000  6%  5.1 it/s  40.8 img/s  eta 1h01  rec 0.142 …  held-out 23.1 dB  codes 212/256`. */
function progressLine(
  stage: string,
  step: number,
  progress: number,
  steps: number | undefined,
  log: LogEvent | null,
  metrics: Record<string, number>,
  bar: boolean,
): string {
  const total = steps === undefined ? '' : `/${steps.toLocaleString('en')}`;
  const parts = [stage, `${step.toLocaleString('en')}${total}`, `${Math.floor(progress * 100)}%`];
  if (bar) parts.push(barOf(Math.min(1, progress), BAR));
  if (log) {
    // Unknown in the first steps.
    if (log.stepsPerSecond > 0) {
      parts.push(`${shortNumber(log.stepsPerSecond)} it/s`, `${shortNumber(log.imagesPerSecond)} img/s`);
    }
    if (Number.isFinite(log.eta)) parts.push(`eta ${duration(log.eta)}`);
    // Leaves out a term that is off (no LPIPS weights).
    const losses = Object.entries(log.losses).filter(([name, value]) => name !== 'perceptual' || value !== 0);
    parts.push(losses.map(([name, value]) => `${name} ${shortNumber(value)}`).join(' '));
    if (log.dataWait >= 0.1) parts.push(`data wait ${Math.round(log.dataWait * 100)}%`);
  }
  parts.push(...Object.entries(metrics).map(([name, value]) => metricText(name, value)));
  return parts.join('  ');
}

function metricText(name: string, value: number): string {
  const metric = metricNamed(name);
  return metric ? `${metric.short} ${formatMetric(metric, value)}` : `${name} ${shortNumber(value)}`;
}
