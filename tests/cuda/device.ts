/**
 * The device that the tests in this folder run on: TESSERA_TEST_DEVICE, by default the first GPU. With `cpu` the same
 * bodies run anywhere, which shows that they are right before a GPU is there. Where the device cannot be had, each test
 * is skipped and its title says why.
 */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as torch from '../../src/torch/index.js';

export const device = (process.env['TESSERA_TEST_DEVICE'] ?? 'cuda:0') as torch.Device;

/** Reason why nothing can run on the device; null if it can be used. */
const absent = reasonOfAbsence();

function reasonOfAbsence(): string | null {
  if (!device.startsWith('cuda')) return null;
  try {
    torch.requireCuda();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

type Body = (t: ExecutionContext) => void | Promise<void>;

/** A test on the device, or a visibly skipped one. */
export function onDevice(title: string, body: Body): void {
  runOrSkip(title, body, absent);
}

/** A test of what the CPU has not: skipped with TESSERA_TEST_DEVICE=cpu, too. */
export function onGpu(title: string, body: Body): void {
  runOrSkip(title, body, device.startsWith('cuda') ? absent : `TESSERA_TEST_DEVICE is ${device}`);
}

function runOrSkip(title: string, body: Body, reason: string | null): void {
  if (reason === null) test.serial(title, body);
  else test.skip(`${title} (skipped: ${reason})`, body);
}

/** Seeds, makes and moves: initial weights are drawn on the CPU, and so equal everywhere. */
export function placed<M extends { to(place: torch.Device): M }>(make: () => M, where = device): M {
  torch.manualSeed(0);
  return make().to(where);
}
