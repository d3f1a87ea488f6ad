/** Package managers: how each installs the tarballs as if from a registry, and runs commands. */
import { join } from 'node:path';
import { npmInstall, Project, type Workshop } from './project.js';
import { platformPackage } from '../../src/setup/addon-path.js';
import { manifest } from './stage.js';

/** A package manager. */
export interface Manager {
  name: string;
  /** Creates a project with both packages, and more. */
  project(workshop: Workshop, name: string, more?: readonly string[]): Project;
  /** Converts a command of the README to this manager. */
  words(command: string): string;
}

/** `npx` as in the README; it must find the command in the project, without fetching anything. */
const asWritten = (command: string): string => command;

const npm: Manager = {
  name: 'npm',
  project(workshop, name, more = []) {
    const project = new Project(workshop, name);
    npmInstall(project, [...workshop.tarballs, ...more]);
    return project;
  },
  words: asWritten,
};

/** Both names resolve to the tarballs, as no registry has the addon's package yet. */
function both({ tarballs }: Workshop): Record<string, string> {
  const [main = '', addon = ''] = tarballs;
  return { [manifest.name]: `file:${main}`, [platformPackage()]: `file:${addon}` };
}

/** Versions of the other packages that the README's programs import. */
function dependencies(workshop: Workshop, more: readonly string[]): Record<string, string> {
  const names = more.map((name) => {
    const at = name.lastIndexOf('@');
    return at > 0 ? [name.slice(0, at), name.slice(at + 1)] : [name, '*'];
  });
  return { [manifest.name]: both(workshop)[manifest.name], ...Object.fromEntries(names) } as Record<
    string,
    string
  >;
}

/** Installs a tool into a separate folder and returns the path of its program. */
function tool(workshop: Workshop, name: string, bin: string): string {
  const project = new Project(workshop, join('tools', bin));
  npmInstall(project, [name]);
  return join(project.folder, 'node_modules', '.bin', bin);
}

const pnpm: Manager = {
  name: 'pnpm',
  project(workshop, name, more = []) {
    const pnpmBin = tool(workshop, 'pnpm@10', 'pnpm');
    const project = new Project(workshop, name, {
      type: 'module',
      dependencies: dependencies(workshop, more),
      pnpm: { overrides: both(workshop) },
    });
    project.write('.npmrc', `store-dir=${join(workshop.home, 'store')}\n`);
    project.run(`${pnpmBin} install --ignore-scripts --reporter=silent`);
    return project;
  },
  words: (command) =>
    command.replace(/^npm install /, `$TOOLS/pnpm/node_modules/.bin/pnpm add --ignore-scripts `),
};

function yarn(linker: 'node-modules' | 'pnp'): Manager {
  return {
    name: `Yarn (${linker})`,
    project(workshop, name, more = []) {
      const bin = tool(workshop, '@yarnpkg/cli-dist@4', 'yarn');
      const project = new Project(workshop, name, {
        type: 'module',
        dependencies: dependencies(workshop, more),
        resolutions: both(workshop),
      });
      project.write(
        '.yarnrc.yml',
        `nodeLinker: ${linker}\nenableTelemetry: false\nenableScripts: false\nenableImmutableInstalls: false\n` +
          `enableGlobalCache: false\n`,
      );
      project.write('yarn.lock', '');
      project.run(`${bin} install`);
      return project;
    },
    words(command) {
      const own = command.replace(/^npm install /, '$TOOLS/yarn/node_modules/.bin/yarn add ');
      // Without node_modules neither npx nor Node alone would find anything.
      return linker === 'pnp'
        ? own.replace(/^(npx (--no-install )?|(?=node ))/, '$TOOLS/yarn/node_modules/.bin/yarn ')
        : own;
    },
  };
}

/** All package managers, npm first. */
export const managers: readonly Manager[] = [npm, pnpm, yarn('node-modules'), yarn('pnp')];
