/**
 * Two programs measured against each other: each is a process of its own that times what it is told to, a name a line on
 * standard input, and answers with JSON. Rounds alternate, so that a machine whose speed drifts slows both alike.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

/** A running program that answers each case's name with a number. */
export interface Arm {
  measure(name: string): Promise<number>;
  /** Sends a line and gives the answer, whatever JSON it is. */
  ask(line: string): Promise<unknown>;
  stop(): void;
  /** Ends it in the middle of what it does; an answer to come is an error. */
  kill(): void;
}

export function startArm(command: string, args: string[], env: NodeJS.ProcessEnv = {}, cwd = '.'): Arm {
  const options = { env: { ...process.env, ...env }, cwd };
  const child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
  // Whether it still listens shows in its next answer.
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let failure: Error | null = null;
  child.on('error', (error) => (failure = error));
  const ask = async (line: string): Promise<unknown> => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    if (done) throw failure ?? new Error(`${command} ended before it answered '${line}'`);
    return JSON.parse(value) as unknown;
  };
  return {
    ask,
    measure: async (name) => (await ask(name)) as number,
    stop: () => child.stdin.end(),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** The Python with PyTorch that is compared with: TESSERA_PYTHON, else `python3`. */
export const python = process.env['TESSERA_PYTHON'] ?? 'python3';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Comparison {
  name: string;
  ours: number;
  theirs: number;
  /** Median of the rounds' own ratios ours / theirs, and their spread. */
  ratio: number;
  lowest: number;
  highest: number;
}

/** Alternates the two arms over the cases, round by round over all of them, for at most so many rounds until `late`. */
export async function compare(
  ours: Arm,
  theirs: Arm,
  names: readonly string[],
  rounds: number,
  late: () => boolean = () => false,
): Promise<Comparison[]> {
  const measured = names.map((): [number, number][] => []);
  for (const name of names) {
    await ours.measure(name);
    await theirs.measure(name);
  }
  for (let round = 0; round < rounds && (round === 0 || !late()); round++) {
    for (const [i, name] of names.entries()) {
      const first = round % 2 === 0;
      const a = first ? await ours.measure(name) : 0;
      const b = await theirs.measure(name);
      measured[i]!.push([first ? a : await ours.measure(name), b]);
    }
  }
  const results: Comparison[] = [];
  for (const [i, name] of names.entries()) {
    const pairs = measured[i]!;
    const ratios = pairs.map(([a, b]) => a / b);
    results.push({
      name,
      ours: median(pairs.map(([a]) => a)),
      theirs: median(pairs.map(([, b]) => b)),
      ratio: median(ratios),
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
    });
  }
  return results;
}

/** Prints the comparisons as a table and writes them to bench-results/<file>.json. */
export function report(
  file: string,
  unit: string,
  versions: Record<string, string>,
  results: readonly Comparison[],
): void {
  console.log(
    Object.entries(versions)
      .map(([key, value]) => `${key} ${value}`)
      .join(', '),
  );
  console.log(
    `${'case'.padEnd(28)}${`ours ${unit}`.padStart(14)}${`theirs ${unit}`.padStart(14)}${'ratio'.padStart(9)}   spread`,
  );
  for (const { name, ours, theirs, ratio, lowest, highest } of results) {
    const spread = `${lowest.toFixed(3)}–${highest.toFixed(3)}`;
    console.log(
      `${name.padEnd(28)}${ours.toFixed(1).padStart(14)}${theirs.toFixed(1).padStart(14)}${ratio.toFixed(3).padStart(9)}   ${spread}`,
    );
  }
  mkdirSync('bench-results', { recursive: true });
  const path = join('bench-results', `${file}.json`);
  writeFileSync(path, JSON.stringify({ date: new Date().toISOString(), unit, versions, results }, null, 2));
  console.log(`written to ${path}`);
}
