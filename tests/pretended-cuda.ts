import type { CudaBinding } from '../src/torch/native/cuda-binding.js';
import { native } from '../src/torch/native/load.js';

/**
 * A CUDA that only keeps a list of what it is asked for, and whose replays are a function of the test's. It shows in which
 * order a graph calls, nothing about a GPU: that is for tests/cuda.
 */
export const pretence = { log: [] as string[], replayed: () => {}, failing: false };

const say =
  (text: string) =>
  (...args: unknown[]): void =>
    void pretence.log.push([text, ...args.filter((arg) => typeof arg === 'number')].join(' '));

const pretended: Partial<CudaBinding> = {
  deviceCount: () => 1,
  initialize: () => {},
  currentDevice: () => 0,
  setDevice: () => {},
  synchronizeDevice: say('synchronize'),
  emptyCache: say('empty cache'),
  currentStream: () => 0,
  newStream: () => 7,
  setStream: (stream) => say('stream')(stream),
  newEvent: () => ({}),
  recordEvent: (_, stream) => say('record')(stream),
  waitEvent: (_, stream) => say('wait')(stream),
  openGraphs: () => {},
  newGraph: () => ({}),
  registerGenerator: (_, generator) => say('generator')(generator),
  beginCapture: (_, sharing) => say(sharing ? 'begin sharing' : 'begin')(),
  endCapture: () => {
    say('end')();
    if (pretence.failing)
      throw Object.assign(new Error('CUDA error: capture was spoilt'), { kind: 'Runtime' });
  },
  replayGraph: () => {
    say('replay')();
    pretence.replayed();
  },
  resetGraph: say('reset'),
};
/** From now on this process has one device, and graphs can be captured on it. */
export function pretendCuda(): void {
  Object.assign(native.cuda, pretended);
}
