import { join } from 'node:path';
import { hasNvidiaDriver } from '../../../setup/platform.js';
import { locateLibtorch } from '../../../setup/locate.js';
import { textOf } from '../../../files/look.js';
import type { Check } from './diagnosis.js';

/** Findings of the child process about CUDA. */
export interface CudaReport {
  /** Reason why CUDA cannot be used; null if it can. */
  reason: string | null;
  /** Highest CUDA version that the driver supports, such as 13000; null without a driver. */
  driver: number | null;
  /** Descriptions such as `NVIDIA H200, capability 9.0, 139 GiB`. */
  devices: string[];
  /** Reason why CUDA graphs cannot be captured; null if they can. */
  graphs: string | null;
}

/** Checks driver, libtorch build and devices, and whether they are compatible. */
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

/** Returns the CUDA version that a libtorch was built with, such as `13.0`; null if it is not stated. */
export function cudaVersion(root: string): string | null {
  for (const file of ['build-version', 'version.py']) {
    const match = /\d\+cu(\d+)(\d)\b/.exec(textOf(join(root, file)) ?? '');
    if (match) return `${match[1]}.${match[2]}`;
  }
  return null;
}

/** Returns the version of the loaded driver, such as `580.65.06`; null if there is none, or it is not stated. */
function driverVersion(): string | null {
  return parseDriverVersion(textOf('/proc/driver/nvidia/version') ?? '');
}

/** Parses the driver's version from the text of `/proc/driver/nvidia/version`. */
export function parseDriverVersion(text: string): string | null {
  return /Kernel Module\D*(?:for \S+)?\s+(\d+(?:\.\d+)+)/.exec(text)?.[1] ?? null;
}

/** Checks that the driver is loaded and new enough: CUDA's minor versions are compatible, its major ones are not. */
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
