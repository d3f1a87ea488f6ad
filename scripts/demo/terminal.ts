// Output that all demos print.
import type { EndEvent, TrainingEvent } from 'tessera-torch';

const started = performance.now();

/** Returns the seconds since the start. */
export const seconds = (): number => (performance.now() - started) / 1000;

/** Prints a line with the time since the start. */
export function say(text: string): void {
  const whole = Math.round(seconds());
  console.log(`${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}  ${text}`);
}

/** Prints where a training stands. */
export function sayStep(step: number, eta: number, values: Record<string, number>, rate?: number): void {
  const figures = Object.entries(values)
    .filter(([name]) => name !== 'perceptual')
    .map(([name, value]) => `${name} ${value.toPrecision(3)}`);
  const left = `${Math.round(eta)} s left`;
  const speed = rate === undefined ? '' : `${rate.toPrecision(2)} per second, `.padStart(18);
  console.log(`  ${String(step).padStart(5)} steps, ${speed}${left.padStart(10)}: ${figures.join('  ')}`);
}

/** Runs a training to its end, printing a line every ten seconds; with `rate` also its steps per second. */
export async function follow(
  trainer: { run(options: { signal: AbortSignal }): AsyncIterable<TrainingEvent> },
  signal: AbortSignal,
  { rate = false } = {},
): Promise<EndEvent> {
  for await (const event of trainer.run({ signal })) {
    if (event.type === 'start') for (const note of event.notes) console.log(`  ${note}`);
    if (event.type === 'log') {
      const { step, eta, losses, metrics, stepsPerSecond } = event;
      sayStep(step, eta, { ...losses, ...metrics }, rate ? stepsPerSecond : undefined);
    }
    if (event.type === 'end') return event;
  }
  throw new Error('the training ended without an end event');
}

/** Ends the process with a message. */
export function fail(code: number, message: string): never {
  console.error(message);
  process.exit(code);
}
