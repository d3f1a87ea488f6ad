/** Temporary projects, and commands in them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Lines shown of the output of a failed command. */
const TAIL = 25;
const LIMIT = 15 * 60_000;

/** Input of every check. */
export interface Workshop {
  /** Temporary folder of all projects. */
  home: string;
  /** Tarballs of `npm run pack`: the package, then its addon. */
  tarballs: readonly string[];
  /** Folder with the reader's own files that the README names. */
  materials: string;
  env: NodeJS.ProcessEnv;
}

/** Fields of package.json that a check sets. */
export type ProjectManifest = Record<string, unknown>;

/** A folder with a package.json. */
export class Project {
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(workshop: Workshop, name: string, manifest: ProjectManifest = { type: 'module' }) {
    this.folder = join(workshop.home, name);
    this.#env = workshop.env;
    this.write('package.json', JSON.stringify({ private: true, ...manifest }, null, 2));
  }

  /** Writes a file below the project's folder and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /**
   * Runs a command line in the project and returns its output.
   * @throws Error with the end of the output if the exit code is not the expected one
   */
  run(command: string, { env = {}, code = 0 }: { env?: NodeJS.ProcessEnv; code?: number } = {}): string {
    const result = spawnSync('bash', ['-c', `set -o pipefail; ${command}`], {
      cwd: this.folder,
      env: { ...this.#env, ...env },
      encoding: 'utf8',
      timeout: LIMIT,
      maxBuffer: 1 << 28,
    });
    const output = `${result.stdout}${result.stderr}`;
    if (result.status === code) return output;
    const end = result.status === null ? `was ended (${result.signal})` : `ended with code ${result.status}`;
    throw new Error(`${command}\n${end}:\n${output.trim().split('\n').slice(-TAIL).join('\n')}`);
  }

  /** Runs a command line whose output must match `expected`. */
  prints(
    expected: string | RegExp,
    command: string,
    options: { env?: NodeJS.ProcessEnv; code?: number } = {},
  ): void {
    const output = this.run(command, options);
    const found = typeof expected === 'string' ? output.includes(expected) : expected.test(output);
    if (!found) throw new Error(`${command}\nprinted, but not ${String(expected)}:\n${output.slice(-2000)}`);
  }
}

const QUIET = '--ignore-scripts --no-audit --no-fund --loglevel error';

/** Installs packages with npm, without running their scripts. */
export function npmInstall(project: Project, packages: readonly string[]): void {
  project.run(`npm install ${QUIET} ${packages.map((name) => `'${name}'`).join(' ')}`);
}

/** Creates a project with both tarballs, and more, installed by npm. */
export function installed(
  workshop: Workshop,
  name: string,
  more: readonly string[] = [],
  manifest?: ProjectManifest,
): Project {
  const project = new Project(workshop, name, manifest);
  npmInstall(project, [...workshop.tarballs, ...more]);
  return project;
}
