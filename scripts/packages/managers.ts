/** The package managers: how each installs the tarballs as if they came from a registry, and runs commands. */
import { join } from 'node:path';
import { npmInstall, Project, type Workshop } from './project.js';
import { platformPackage } from '../../src/setup/addon-path.js';
import { manifest } from './stage.js';

/** A package manager as the checks use it. */
export interface Manager {
  name: string;
  /** A new project with both packages and more in it. */
  project(workshop: Workshop, name: string, more?: readonly string[]): Project;
  /** A command of the README's in the words of this manager. */
  words(command: string): string;
}

/** `npx` as the README writes it; it must find the command in the project, and fetches nothing. */
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

/** The package needs its addon's, which no registry has yet: both names lead to the tarballs. */
function both({ tarballs }: Workshop): Record<string, string> {
  const [main = '', addon = ''] = tarballs;
  return { [manifest.name]: `file:${main}`, [platformPackage()]: `file:${addon}` };
}

/** Versions of what the README's programs import besides. */
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

/** Installs a tool into a folder of its own, and gives the path of its program. */
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
      // Without node_modules there is nothing that npx, or Node by itself, would find.
      return linker === 'pnp'
        ? own.replace(/^(npx (--no-install )?|(?=node ))/, '$TOOLS/yarn/node_modules/.bin/yarn ')
        : own;
    },
  };
}

/** All of them, npm first. */
export const managers: readonly Manager[] = [npm, pnpm, yarn('node-modules'), yarn('pnp')];
