import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { packageRoot, packageVersion } from '../files/package.js';
import { platformName } from './platform.js';
import { attempt, exists, isFile, isForbidden } from '../files/look.js';

/** Platforms for which a package with a built addon is published. */
export const PREBUILT_PLATFORMS = ['linux-x64'];

/** Returns the path of the addon that `tessera-torch setup --build` makes. */
export function builtAddon(root = packageRoot()): string {
  return join(root, 'build', 'Release', 'tessera.node');
}

/** Returns the name of the npm package with the addon for this platform. */
export function platformPackage(): string {
  return `tessera-torch-${platformName()}`;
}

/**
 * Returns the path of the native addon: from the TESSERA_ADDON variable, else this package's own build, else the
 * platform package that npm installs next to this one.
 * @throws Error that names the command to run if there is none
 */
export function locateAddon(env: NodeJS.ProcessEnv = process.env, base?: string): string {
  const given = env['TESSERA_ADDON'];
  if (given) {
    if (isFile(given)) return resolve(given);
    const reason = isForbidden(resolve(given))
      ? 'which this process may not read (node --permission; allow it with --allow-fs-read)'
      : exists(given)
        ? 'which is not a file'
        : 'which does not exist';
    throw new Error(`TESSERA_ADDON is ${given}, ${reason}; set it to a tessera.node, or unset it`);
  }
  const root = base ?? packageRoot();
  const built = builtAddon(root);
  if (isFile(built)) return built;
  const packaged = fromPlatformPackage(root);
  if (packaged) return packaged;
  throw new Error(`the native addon for ${platformName()} was not found: ${mend(root)}`);
}

function fromPlatformPackage(root: string): string | null {
  const folder = packageFolder(platformPackage(), root);
  const addon = folder && join(folder, 'tessera.node');
  return addon && isFile(addon) ? addon : null;
}

/** Returns the folder of an installed package, as a module in `base` finds it; null if there is none. */
export function packageFolder(name: string, base: string): string | null {
  const manifest = attempt(() => createRequire(join(base, 'package.json')).resolve(`${name}/package.json`));
  return manifest && dirname(manifest);
}

function mend(root: string): string {
  const build = 'build it with: npx tessera-torch setup --build';
  // A checkout builds its own addon; an installed package needs its platform package, if one is published.
  const installed = root.includes('node_modules') && PREBUILT_PLATFORMS.includes(platformName());
  return installed ? `install it with: ${installCommand(root)}, or ${build}` : build;
}

/** Returns the command that installs this platform's addon in the version of this package. */
export function installCommand(root = packageRoot()): string {
  const version = packageVersion(root);
  return `npm install ${platformPackage()}${version === 'unknown' ? '' : `@${version}`}`;
}
