/**
 * Logits of cells that are drawn from windows. While a window stands still, as most do near the edges of a grid, the keys
 * and values of its positions stay the same: they are kept, and only the positions since its last cell are computed.
 */
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { WindowCell } from '../orders/window.js';

/** A cell to draw, and the part of its window that is kept. */
export interface StandingCell {
  /** Number of the cell in its step. */
  index: number;
  /** Name of its window. */
  corner: string;
  /** Number of positions that it is drawn after. */
  length: number;
  /** Number of the first ones that were kept when the window was used last. */
  past: number;
  /** First position to compute: at most `past`, less where another cell of the group needs more positions. */
  start: number;
  /** Slot of the cache that holds the window; null: none. */
  slot: number | null;
  /** Step in which the window is used next; Infinity: none. */
  next: number;
}

type Plan = readonly (readonly WindowCell[])[];
type LengthOf = (this: void, cell: WindowCell) => number;

/**
 * Assigns the windows of planned steps to slots of a cache. After each step those windows are kept that are used again the
 * soonest, at most `most`. Returns the cells of each step in groups, one for each forward: those with a past, then the
 * others, which may take over their slots.
 */
export function planSlots(plan: Plan, lengthOf: LengthOf, most: number): StandingCell[][][] {
  let kept: StandingCell[] = [];
  return cellsOf(plan, lengthOf).map((cells) => {
    const known = new Map(kept.map((cell) => [cell.corner, cell]));
    for (const cell of cells) {
      const before = known.get(cell.corner);
      if (before) [cell.past, cell.slot] = [before.length, before.slot];
      known.set(cell.corner, cell);
    }
    kept = [...known.values()]
      .filter(({ next }) => next < Infinity)
      .sort((a, b) => a.next - b.next)
      .slice(0, Math.max(0, most));
    giveSlots(kept);
    const continued = cells.filter(({ past }) => past > 0);
    const count = largest(continued, ({ length, past }) => length - past);
    for (const cell of continued) cell.start = Math.max(0, cell.length - count);
    return [continued, cells.filter(({ past }) => past === 0)].filter((group) => group.length > 0);
  });
}

/** Returns the planned cells, with the step of the next use of their windows. */
function cellsOf(plan: Plan, lengthOf: LengthOf): StandingCell[][] {
  const latest = new Map<string, StandingCell>();
  return plan.map((cells, step) =>
    cells.map((cell, index) => {
      const corner = `${cell.top}, ${cell.left}`;
      const before = latest.get(corner);
      if (before) before.next = step;
      const made = { index, corner, length: lengthOf(cell), past: 0, start: 0, slot: null, next: Infinity };
      latest.set(corner, made);
      return made;
    }),
  );
}

/** Gives the lowest free slots to cells that have none. */
function giveSlots(cells: readonly StandingCell[]): void {
  const taken = new Set(cells.map(({ slot }) => slot));
  let free = 0;
  for (const cell of cells) {
    while (taken.has(free)) free++;
    cell.slot ??= free++;
  }
}

export interface WindowEngineOptions {
  plan: Plan;
  /** Returns the number of positions that a cell is drawn after. */
  lengthOf: LengthOf;
  /** Number R of rows that are fed for a cell. */
  rows: number;
  /** Largest memory for keys and values, in bytes. */
  cacheBytes: number;
}

/** Computes the logits of planned cells. */
export interface WindowEngine {
  /**
   * Returns the logits `[R·K, V]` of the next step's K cells, given their windows, a row's K after the other: `[R·K, L]`.
   */
  logits(fed: Tensor): Tensor;
  /** Frees the memory; called by `using`. */
  [Symbol.dispose](): void;
}

/** Creates an engine that computes the steps of a plan in their order. */
export function windowEngine(
  prior: Prior,
  { plan, lengthOf, rows, cacheBytes }: WindowEngineOptions,
): WindowEngine {
  const { device } = prior.parameters()[0]!;
  const capacity = largest(plan.flat(), lengthOf);
  // One slot takes what is not kept.
  const kept = Math.floor(cacheBytes / (rows * capacity * bytesOf(prior))) - 1;
  const steps = planSlots(plan, lengthOf, kept);
  const cells = steps.flat(2);
  const slots = largest(cells, ({ slot }) => (slot ?? -1) + 1);
  const cache = slots > 0 ? prior.createCache!(rows * (slots + 1), capacity) : null;
  const upTo = (count: number) => torch.arange(count, { dtype: 'int64', device });
  const each = (value: (cell: StandingCell) => number) =>
    torch.tensor(
      BigInt64Array.from(cells, (cell) => BigInt(value(cell))),
      { device },
    );
  const index = each((cell) => cell.index);
  const start = each((cell) => cell.start);
  const last = each(({ length, start: from }) => length - 1 - from);
  const slot = each((cell) => cell.slot ?? slots);
  const firstSlots = upTo(rows)
    .mul(slots + 1)
    .unsqueeze(1); // [R, 1]
  let step = 0;
  let done = 0; // cells

  /** Returns the logits `[R, k, V]` of a group of k cells, given the windows of all: `[R, K, L]`. */
  const forward = (group: readonly StandingCell[], windows: Tensor): Tensor => {
    const own = (of: Tensor) => of.narrow(0, done, group.length); // [k]
    const count = largest(group, (cell) => cell.length - cell.start); // T
    const position = own(start).unsqueeze(1).add(upTo(count)).repeat([rows, 1]); // [R·k, T]
    const tokens = windows.indexSelect(1, own(index)).flatten(0, 1).gather(1, position); // [R·k, T]
    const window = group[0]!.past > 0 ? largest(group, (cell) => cell.start + count) : null;
    const slotsOf = () => firstSlots.add(own(slot)).flatten(); // [R·k]
    const isKept = group.some((cell) => cell.slot !== null);
    const kept = isKept ? cache!.rows(slotsOf(), position, window, prior.nUnmasked) : null;
    const logits = prior.forward(tokens, { cache: kept, at: own(last).repeat([rows]) }); // [R·k, 1, V]
    done += group.length;
    return logits.view([rows, group.length, -1]);
  };

  return {
    logits(fed) {
      const groups = steps[step++]!;
      const count = fed.shape[0]! / rows; // K
      const inStep = index.narrow(0, done, count);
      if (groups.flat().every((cell) => cell.slot === null)) {
        const at = last.narrow(0, done, count).repeat([rows]); // [R·K]
        done += count;
        return prior.forward(fed, { at }).squeeze(1);
      }
      const windows = fed.view([rows, count, -1]);
      const logits = torch.cat(
        groups.map((group) => forward(group, windows)),
        1,
      ); // [R, K, V]
      return logits.emptyLike().indexCopy_(1, inStep, logits).flatten(0, 1);
    },
    [Symbol.dispose]: () => cache?.dispose(),
  };
}

/** Returns the bytes that a position of a row takes in a cache; infinity if the prior has none. */
function bytesOf(prior: Prior): number {
  using cache = prior.createCache?.(1, 1);
  return cache?.bytes ?? Infinity;
}

function largest<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, value(item)), 0);
}
