import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const library = fileURLToPath(new URL('../../src/torch/index.ts', import.meta.url));

interface Ended {
  names: string[];
  status: number | null;
  signal: string | null;
}

/**
 * Runs statements in a process of their own. They have `torch`, `attempt(work)`, which puts the class of an error into
 * `names`, or 'nothing', and `names` itself, which is what is reported. Variables that are undefined are not set there.
 */
export function inProcess(statements: string, environment: NodeJS.ProcessEnv = {}): Ended {
  const code = `
    const torch = await import(${JSON.stringify(library)});
    const names = [];
    const attempt = (work) => { try { work(); names.push('nothing'); } catch (error) { names.push(error.constructor.name); } };
    ${statements}
    console.log(JSON.stringify(names));`;
  const args = ['--import=tsx', '--input-type=module', '-e', code];
  const env = { ...process.env, ...environment };
  const { stdout, status, signal } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  return { names: JSON.parse(stdout.trim().split('\n').at(-1) || '[]') as string[], status, signal };
}
