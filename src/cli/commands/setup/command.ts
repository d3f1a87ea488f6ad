import type { Command } from 'commander';
import { attempt } from '../../../files/look.js';
import { locateAddon } from '../../../setup/addon-path.js';
import { buildAddon } from '../../../setup/build-addon.js';
import { installLibtorch } from '../../../setup/install.js';
import { locateLibtorch, type Flavor, type Libtorch } from '../../../setup/locate.js';
import { hasNvidiaDriver } from '../../../setup/platform.js';
import type { Progress } from '../../../setup/progress.js';
import { choice } from '../../arguments.js';
import { interruptSignal } from '../../interrupt.js';
import { terminalProgress } from '../../terminal.js';

interface SetupFlags {
  device: 'auto' | Flavor;
  from?: string;
  allowUnverified?: boolean;
  force?: boolean;
  build?: boolean;
  weights?: 'lpips';
}

/** Defines `tessera-torch setup`, which installs libtorch into the cache and builds the addon if there is none. */
export function setupCommand(command: Command): Command {
  const device = 'which libtorch; auto selects cuda if an NVIDIA driver is loaded';
  const weights = 'install weights that training uses; needs an installed libtorch';
  return command
    .addOption(choice('--device <device>', device, ['auto', 'cpu', 'cuda'], 'auto'))
    .addOption(choice('--weights <what>', weights, ['lpips']))
    .option(
      '--from <path>',
      'take libtorch from this zip, wheel or folder instead of the network; with --weights, a checkpoint or folder',
    )
    .option('--allow-unverified', 'accept a --from file whose SHA-256 is not known')
    .option('--force', 'install (and, with --build, build) again')
    .option('--build', 'build the addon from source, if the sources have changed')
    .option('--no-build', 'never build the addon')
    .action(setup);
}

async function setup(flags: SetupFlags, command: Command): Promise<void> {
  if (flags.allowUnverified && !flags.from) command.error('error: --allow-unverified needs --from');
  const progress = terminalProgress();
  try {
    if (flags.weights) {
      // Needs libtorch, which the rest of this command installs.
      const { setupLpips } = await import('./weights.js');
      const { from, force, allowUnverified } = flags;
      await setupLpips({ from, force, allowUnverified, progress, signal: interruptSignal() });
      return;
    }
    const libtorch = await ensureLibtorch(flags, progress);
    // Without --build and --no-build, if there is none.
    if (flags.build ?? attempt(locateAddon) === null) {
      await buildAddon({ libtorch, progress, force: flags.force ?? false, signal: interruptSignal() });
    }
    progress.line('ready; check it with: npx tessera-torch doctor');
  } finally {
    progress.end();
  }
}

async function ensureLibtorch(flags: SetupFlags, progress: Progress): Promise<Libtorch> {
  if (process.env['LIBTORCH'] && !flags.from && !flags.force) {
    const given = locateLibtorch();
    progress.line(`using libtorch ${given.version} (${given.flavor}) from LIBTORCH: ${given.root}`);
    return given;
  }
  const folder = await install(flags, progress);
  const libtorch = locateLibtorch();
  if (!libtorch.root.startsWith(folder)) {
    progress.line(`note: ${libtorch.root} (${libtorch.source}) is the one in use`);
  }
  return libtorch;
}

async function install(flags: SetupFlags, progress: Progress): Promise<string> {
  const { from, allowUnverified, force } = flags;
  const signal = interruptSignal();
  const options = { progress, signal, from, allowUnverified, force };
  if (flags.device !== 'auto') return installLibtorch({ flavor: flags.device, ...options });
  if (!hasNvidiaDriver()) return installLibtorch({ flavor: 'cpu', ...options });
  try {
    return await installLibtorch({ flavor: 'cuda', ...options });
  } catch (error) {
    signal.throwIfAborted();
    if (from !== undefined) throw error;
    progress.line(
      `${error instanceof Error ? error.message : String(error)}\ninstalling the CPU build instead`,
    );
    return installLibtorch({ flavor: 'cpu', ...options });
  }
}
