import { join } from 'node:path';
import { hasNvidiaDriver } from '../../../setup/platform.js';
import { locateLibtorch } from '../../../setup/locate.js';
import { textOf } from '../../../files/look.js';
import type { Check } from './diagnosis.js';

/** What the child process found out about CUDA. */
export interface CudaReport {
  /** Why CUDA cannot be used; null where it can. */
  reason: string | null;
  /** The CUDA version that the driver is for, as 13000; null without a driver. */
  driver: number | null;
  /** Such as `NVIDIA H200, capability 9.0, 139 GiB`. */
  devices: string[];
  /** Why there are no graphs. */
  graphs: string | null;
}

/** Driver, build and devices, and what of them does not fit together. */
export function cudaChecks(report: CudaReport): Check[] {
  const { flavor, root } = locateLibtorch();
  const driver = hasNvidiaDriver();
  if (flavor !== 'cuda') {
    if (!driver) return [];
    const text = 'an NVIDIA driver is loaded, but this libtorch is for the CPU only';
    return [{ name: 'cuda', state: 'note', text, mend: 'npx tessera-torch setup --device cuda' }];
  }
  const built = cudaVersion(root);
  const checks: Check[] = [driverCheck(driverVersion(), report.driver, built)];
  checks.push(cudaCheck(report, built));
  if (report.devices.length > 0) {
    const state = report.graphs === null ? 'ok' : 'note';
    checks.push({ name: 'graphs', state, text: report.graphs ?? 'CUDA graphs can be captured' });
  }
  return checks;
}

/** CUDA version that a libtorch was built with, such as `13.0`; null where it does not say. */
export function cudaVersion(root: string): string | null {
  for (const file of ['build-version', 'version.py']) {
    const match = /\d\+cu(\d+)(\d)\b/.exec(textOf(join(root, file)) ?? '');
    if (match) return `${match[1]}.${match[2]}`;
  }
  return null;
}

/** Version of the driver that is loaded, such as `580.65.06`; null where there is none, or it does not say. */
function driverVersion(): string | null {
  return parseDriverVersion(textOf('/proc/driver/nvidia/version') ?? '');
}

/** From the text of `/proc/driver/nvidia/version`. */
export function parseDriverVersion(text: string): string | null {
  return /Kernel Module\D*(?:for \S+)?\s+(\d+(?:\.\d+)+)/.exec(text)?.[1] ?? null;
}

/** Whether the driver is there and new enough: CUDA's minor versions are compatible, its major ones are not. */
export function driverCheck(version: string | null, supports: number | null, built: string | null): Check {
  if (version === null && supports === null) {
    const text = 'no NVIDIA driver: CUDA builds of libtorch run on the CPU here';
    return { name: 'driver', state: 'note', text };
  }
  const upTo =
    supports === null ? null : `${Math.floor(supports / 1000)}.${Math.floor((supports % 1000) / 10)}`;
  const text = `NVIDIA ${version ?? '(version unknown)'}${upTo === null ? '' : `, for CUDA up to ${upTo}`}`;
  if (upTo !== null && built !== null && Number.parseInt(upTo, 10) < Number.parseInt(built, 10)) {
    const mend = `install a driver for CUDA ${built}, or a libtorch for CUDA ${upTo} (LIBTORCH)`;
    return { name: 'driver', state: 'missing', text: `${text}, but libtorch was built with ${built}`, mend };
  }
  return { name: 'driver', state: 'ok', text };
}

function cudaCheck({ reason, devices }: CudaReport, built: string | null): Check {
  const version = built === null ? 'an unknown CUDA' : `CUDA ${built}`;
  if (reason === null) return { name: 'cuda', state: 'ok', text: `${version}: ${devices.join('; ')}` };
  const state = hasNvidiaDriver() ? 'missing' : 'note';
  return { name: 'cuda', state, text: `libtorch was built with ${version}, but ${reason}` };
}
