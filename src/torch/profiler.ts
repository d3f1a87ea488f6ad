/** Where the time goes, by operator: libtorch's profiler under the names of PyTorch's `torch.profiler`. */
import { native } from './native/load.js';
import { ArgumentError } from './core/errors.js';
import { translated } from './core/translated.js';

/** A call of an operator, or a step of backward. */
export interface ProfilerEvent {
  /** Name of the operator, such as `aten::add`; of a step of backward, that of its function. */
  name: string;
  /** Number of the thread. */
  thread: number;
  /** Microseconds since the start of the profile. */
  start: number;
  /** Microseconds since the start of the profile. */
  end: number;
}

/** All events of one name. Times are in microseconds. */
export interface EventAverage {
  key: string;
  count: number;
  /** Time in these events without the events inside them. */
  selfCpuTimeTotal: number;
  /** Time in these events with all that is inside them. */
  cpuTimeTotal: number;
}

/**
 * The recorded events of a `profile`.
 *
 * @example
 * ```ts
 * const recorded: torch.Profile = torch.profiler.profile(() => torch.ones([4]).add(1));
 * const additions = recorded.events.filter(({ name }) => name === 'aten::add');
 * ```
 */
export class Profile {
  /** In the order of their start. */
  readonly events: readonly ProfilerEvent[];

  constructor(events: readonly ProfilerEvent[]) {
    // Of two that start together, the longer one holds the other.
    this.events = [...events].sort((a, b) => a.start - b.start || b.end - a.end);
  }

  /** Returns the events by name, those with the most time of their own first. */
  keyAverages(): EventAverage[] {
    const averages = new Map<string, EventAverage>();
    const open = new Map<number, { event: ProfilerEvent; average: EventAverage }[]>();
    for (const event of this.events) {
      const { name: key, thread, start, end } = event;
      const average = averages.get(key) ?? { key, count: 0, selfCpuTimeTotal: 0, cpuTimeTotal: 0 };
      averages.set(key, average);
      const around = (open.get(thread) ?? []).filter((outer) => outer.event.end > start);
      const took = end - start;
      average.count++;
      average.selfCpuTimeTotal += took;
      // An event in another one of its name is in that one's time already.
      if (!around.some((outer) => outer.average === average)) average.cpuTimeTotal += took;
      const outer = around.at(-1);
      if (outer) outer.average.selfCpuTimeTotal -= took;
      open.set(thread, [...around, { event, average }]);
    }
    return [...averages.values()].sort((a, b) => b.selfCpuTimeTotal - a.selfCpuTimeTotal);
  }
}

/**
 * Records the operators that `run` calls on the CPU, with the steps of backward, and the time in each. Recording takes
 * about a microsecond for each call. Only one profile at a time can be recorded.
 *
 * @throws TorchError while another profile is recorded; ArgumentError if `run` returns a promise
 */
function profile(run: () => unknown): Profile {
  // Else its library tells standard error of every start and stop.
  process.env['KINETO_LOG_LEVEL'] ??= '6';
  translated(() => native.startProfiler());
  let recorded: ReturnType<typeof native.stopProfiler>;
  let result: unknown;
  try {
    result = run();
  } finally {
    recorded = translated(() => native.stopProfiler());
  }
  if (result instanceof Promise) {
    result.catch(() => {}); // Its error would hide this one.
    throw new ArgumentError(
      'profile: the function returned a promise, and what other code does meanwhile would be recorded, too; call profile ' +
        'inside the asynchronous function, around its synchronous parts',
    );
  }
  const { names, events } = recorded;
  return new Profile(
    Array.from({ length: events.length / 4 }, (_, i) => {
      const [name = 0, thread = 0, start = 0, end = 0] = events.subarray(4 * i, 4 * i + 4);
      return { name: names[name]!, thread, start: start / 1000, end: end / 1000 };
    }),
  );
}

/**
 * Shows where the time goes, like `torch.profiler`: `profile` records the operators that a function calls on the CPU, with
 * the steps of backward. Only one profile at a time can be recorded, of a function that does not return a promise.
 *
 * @example
 * ```ts
 * const x = torch.randn([64, 64]);
 * const profile = torch.profiler.profile(() => x.matmul(x).relu());
 * for (const { key, count, selfCpuTimeTotal } of profile.keyAverages()) console.log(key, count, selfCpuTimeTotal);
 * ```
 */
export const profiler: { readonly profile: typeof profile } = { profile };
