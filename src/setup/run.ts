import { spawn } from 'node:child_process';

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal | undefined;
  /** Called for every line that the command prints, on either stream. */
  onLine?: (line: string) => void;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command without a shell and collects its output. Rejects only if it cannot be started or is aborted. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  const { onLine, ...spawnOptions } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe'] });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      let rest = '';
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        texts[name] += chunk;
        const lines = (rest + chunk).split(/\r?\n/);
        rest = lines.pop() ?? '';
        for (const line of lines) onLine?.(line);
      });
      child[name].on('end', () => rest && onLine?.(rest));
    }
    let failure: Error | null = null;
    child.on('error', (error) => {
      failure = error;
      // Wait for a command that was started and aborted: it may still be writing.
      if (child.pid === undefined) reject(error);
    });
    child.on('close', (code, signal) => {
      if (failure) return reject(failure);
      if (signal) texts.stderr += `${command} was ended by ${signal}\n`;
      resolve({ code: code ?? 1, ...texts });
    });
  });
}

/** Stands for what a command that cannot be started would return. */
const failed: RunResult = { code: 1, stdout: '', stderr: '' };

/** Returns the first line of a command's `--version`; null if it cannot be started or fails. */
export async function commandVersion(
  command: string,
  args: string[] = ['--version'],
): Promise<string | null> {
  const { code, stdout, stderr } = await run(command, args).catch(() => failed);
  return code === 0 ? ((stdout || stderr).split('\n')[0] ?? '') : null;
}
