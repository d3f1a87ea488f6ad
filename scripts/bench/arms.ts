/**
 * Two programs measured against each other: each is a process of its own that reads the name of a case from a line of
 * standard input, times it, and answers with JSON. Rounds alternate, so that a machine whose speed drifts slows both alike.
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
  /** Most that is wanted of the ratio. */
  wanted?: number;
}

/** For each case, the measurements of the two arms, a pair a round. */
export type Pairs = [number, number][][];

/** Alternates the two arms over the cases, round by round over all of them, for at most `rounds` rounds until `late`. */
export async function compare(
  ours: Arm,
  theirs: Arm,
  names: readonly string[],
  rounds: number,
  late: () => boolean = () => false,
): Promise<Comparison[]> {
  return summarize(names, await measureRounds(ours, theirs, names, rounds, late));
}

/**
 * Compares as `compare` does, with new processes for both arms after every three rounds. Where a process's code and
 * data happen to lie in memory, and when its functions were optimized, moves a call of half a microsecond by up to 15%
 * for as long as it runs: more rounds of the same two processes would repeat that, not average it.
 */
export async function compareProcesses(
  start: () => [ours: Arm, theirs: Arm],
  names: readonly string[],
  rounds: number,
): Promise<Comparison[]> {
  const together: Pairs = names.map(() => []);
  for (let left = rounds; left > 0; left -= 3) {
    const [ours, theirs] = start();
    const pairs = await measureRounds(ours, theirs, names, Math.min(left, 3));
    for (const [i, more] of pairs.entries()) together[i]!.push(...more);
    ours.stop();
    theirs.stop();
  }
  return summarize(names, together);
}

async function measureRounds(
  ours: Arm,
  theirs: Arm,
  names: readonly string[],
  rounds: number,
  late: () => boolean = () => false,
): Promise<Pairs> {
  const measured: Pairs = names.map(() => []);
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
  return measured;
}

/** Returns the medians and the ratios of what was measured for each case. */
export function summarize(names: readonly string[], measured: Pairs): Comparison[] {
  return names.map((name, i) => {
    const pairs = measured[i]!;
    const ratios = pairs.map(([a, b]) => a / b);
    return {
      name,
      ours: median(pairs.map(([a]) => a)),
      theirs: median(pairs.map(([, b]) => b)),
      ratio: median(ratios),
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
    };
  });
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
  for (const { name, ours, theirs, ratio, lowest, highest, wanted } of results) {
    const bound = wanted === undefined ? '' : `   at most ${wanted} is wanted`;
    const spread = `${lowest.toFixed(3)}–${highest.toFixed(3)}${bound}`;
    console.log(
      `${name.padEnd(28)}${ours.toFixed(1).padStart(14)}${theirs.toFixed(1).padStart(14)}${ratio.toFixed(3).padStart(9)}   ${spread}`,
    );
  }
  mkdirSync('bench-results', { recursive: true });
  const path = join('bench-results', `${file}.json`);
  writeFileSync(path, JSON.stringify({ date: new Date().toISOString(), unit, versions, results }, null, 2));
  console.log(`written to ${path}`);
}
