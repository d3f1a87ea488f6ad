/** Runs checks one after the other, times them, and reports them in a table. */

/** A line of the table. */
export interface Check<T> {
  name: string;
  run(workshop: T): void | Promise<void>;
}

export interface Outcome {
  name: string;
  seconds: number;
  /** The reason of a failure; null if it passed. */
  fault: string | null;
}

export interface RunOptions {
  /** Stop at the first failure. */
  strict?: boolean;
  /** Run only checks whose name begins with this. */
  only?: string;
  say?: (text: string) => void;
}

/**
 * Runs the checks in order and returns their outcomes.
 * @throws Error that lists the names if `only` matches none
 */
export async function runChecks<T>(
  checks: readonly Check<T>[],
  workshop: T,
  { strict = false, only, say = (text) => console.log(text) }: RunOptions = {},
): Promise<Outcome[]> {
  const chosen = checks.filter(({ name }) => only === undefined || name.startsWith(only));
  if (chosen.length === 0)
    throw new Error(`--only ${only}: no such check; there are: ${checks.map(({ name }) => name).join('; ')}`);
  const outcomes: Outcome[] = [];
  for (const { name, run } of chosen) {
    const started = performance.now();
    let fault: string | null = null;
    try {
      await run(workshop);
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    const seconds = (performance.now() - started) / 1000;
    outcomes.push({ name, seconds, fault });
    say(`${fault === null ? 'ok   ' : 'FAULT'} ${name} (${seconds.toFixed(1)} s)`);
    if (fault !== null) say(indent(fault));
    if (fault !== null && strict) break;
  }
  return outcomes;
}

/** Returns a table of outcomes: name, seconds, and ok or the first line of the failure. */
export function table(outcomes: readonly Outcome[]): string {
  const width = Math.max(...outcomes.map(({ name }) => name.length));
  const lines = outcomes.map(({ name, seconds, fault }) => {
    const end = fault === null ? 'ok' : `FAULT: ${fault.split('\n')[0]}`;
    return `${name.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${end}`;
  });
  const faults = outcomes.filter(({ fault }) => fault !== null).length;
  const total = outcomes.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...lines, `${outcomes.length} checks, ${faults} with a fault, ${total.toFixed(0)} s`].join('\n');
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `      ${line}`)
    .join('\n');
}
