import { fork } from 'node:child_process';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../files/package.js';
import { locateAddon } from '../../../setup/addon-path.js';
import { locateLibtorch } from '../../../setup/locate.js';
import { glibcVersion, platformName } from '../../../setup/platform.js';
import { textOf } from '../../../files/look.js';
import { formatBytes } from '../../../setup/progress.js';
import { messageOf } from '../../system-error.js';
import { cudaChecks } from './cuda.js';
import type { ProbeReport } from './doctor-probe.js';

export interface Check {
  name: string;
  state: 'ok' | 'note' | 'missing';
  text: string;
  /** Command or advice that fixes it. */
  mend?: string;
}

/** Oldest glibc on which the official libtorch builds load. */
const GLIBC_MINIMUM = '2.28';
const PROBE_TIMEOUT = 120_000;

/** Returns all findings, each after those it depends on. Loads libtorch only in a child process. */
export async function diagnose(): Promise<Check[]> {
  const checks = [platformCheck(), nodeCheck(), glibcCheck(), machineCheck()].filter(
    (check) => check !== null,
  );
  const libtorch = installedCheck('libtorch', describeLibtorch, 'npx tessera-torch setup');
  const addon = installedCheck('addon', locateAddon, 'npx tessera-torch setup --build');
  checks.push(libtorch, addon);
  if (libtorch.state === 'missing' || addon.state === 'missing') return checks;
  return [...checks, ...(await probeChecks())];
}

function platformCheck(): Check {
  const name = platformName();
  const text = `${name}${name === 'linux-x64' ? '' : ' (no prebuilt addon: it is built from source)'}`;
  return { name: 'platform', state: name === 'linux-x64' ? 'ok' : 'note', text };
}

function nodeCheck(): Check {
  const api = process.versions['napi'] ?? '?';
  const fits = Number(api) >= 9;
  const text = `${process.version}, Node-API ${api}`;
  const mend = 'install Node 20.19 or newer from https://nodejs.org';
  return { name: 'node', state: fits ? 'ok' : 'missing', text, ...(!fits && { mend }) };
}

function glibcCheck(): Check | null {
  if (process.platform !== 'linux') return null;
  const version = glibcVersion();
  const mend = `use a distribution with glibc ${GLIBC_MINIMUM} or newer (Debian 10, Ubuntu 20.04, RHEL 8; not Alpine)`;
  if (version === null)
    return { name: 'glibc', state: 'missing', text: 'not found (another C library, such as musl?)', mend };
  const fits = Number(version.split('.')[1]) >= Number(GLIBC_MINIMUM.split('.')[1]);
  return { name: 'glibc', state: fits ? 'ok' : 'missing', text: version, ...(!fits && { mend }) };
}

function machineCheck(): Check {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const limit = memoryLimit();
  const memory = `${formatBytes(Math.min(totalmem(), limit ?? Infinity))} memory, ${formatBytes(freemem())} free`;
  return { name: 'machine', state: 'ok', text: `${availableParallelism()} cores (${model}), ${memory}` };
}

/** Returns the memory limit of the container, or null if there is none. */
function memoryLimit(): number | null {
  const limit = Number(textOf('/sys/fs/cgroup/memory.max') ?? NaN);
  return Number.isFinite(limit) ? limit : null;
}

function describeLibtorch(): string {
  const { version, flavor, root, source } = locateLibtorch();
  return `${version} (${flavor}) at ${root}, from ${source}`;
}

/** Returns the text of what is installed, or the error of what is not. */
function installedCheck(name: string, locate: () => string, mend: string): Check {
  try {
    return { name, state: 'ok', text: locate() };
  } catch (error) {
    return { name, state: 'missing', text: messageOf(error), mend };
  }
}

async function probeChecks(): Promise<Check[]> {
  const report = await probe().catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_ACCESS_DENIED') throw error;
    return null;
  });
  if (report === null) {
    const text = 'not tested: node --permission does not allow child processes';
    return [{ name: 'loading', state: 'note', text, mend: 'add --allow-child-process' }];
  }
  if ('error' in report) {
    const [text = '', elsewhere] = report.error.split('; set ');
    const mend =
      elsewhere === undefined
        ? 'npx tessera-torch setup --force --build (or see "Troubleshooting" in the README)'
        : `set ${elsewhere}`;
    return [{ name: 'loading', state: 'missing', text, mend }];
  }
  const against = `the addon was built against ${report.builtAgainst}`;
  const checks: Check[] = [
    { name: 'loading', state: 'ok', text: `libtorch ${report.version} in ${report.loadMs} ms; ${against}` },
    { name: 'threads', state: 'ok', text: `${report.threads}` },
  ];
  for (const { device, ok, text } of report.devices) {
    checks.push({ name: device, state: ok ? 'ok' : 'missing', text });
  }
  if (report.mismatch !== null) {
    const [text = '', mend = ''] = report.mismatch.split('; run: ');
    const what = `${text}: CUDA is not available, and calls may fail`;
    checks.push({ name: 'versions', state: 'note', text: what, mend });
  }
  checks.push(...cudaChecks(report.cuda));
  return checks;
}

/** Loads libtorch and computes in a child process: an incompatible library may crash its process. */
function probe(): Promise<ProbeReport | { error: string }> {
  return new Promise((resolve) => {
    // A file of its own in src/ as in dist/, where this file is bundled with others.
    const [folder, end] = import.meta.url.endsWith('.ts') ? ['src', 'ts'] : ['dist', 'js'];
    const script = join(packageRoot(), folder, `cli/commands/doctor/doctor-probe.${end}`);
    const child = fork(script, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), PROBE_TIMEOUT);
    let report: ProbeReport | { error: string } | null = null;
    child.on('message', (message) => (report = message as ProbeReport));
    child.on('error', (error) => resolve({ error: error.message }));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const end = signal ? `ended by ${signal}` : `ended with code ${code}`;
      resolve(
        report ?? { error: `the test process ${end}: ${stderr.trim().split('\n').slice(-3).join(' ')}` },
      );
    });
  });
}
