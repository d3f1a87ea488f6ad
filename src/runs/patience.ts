/** Early stopping: ends a run whose held-out metric no longer improves. */
import { metricNamed, type Measure } from '../metrics/definitions.js';
import { formatMetric } from '../metrics/metric.js';

/** State of the patience in a checkpoint. */
export interface PatienceState {
  metric: string;
  /** Best value so far; null for infinity. */
  best: number | null;
  /** Step of the best value. */
  step: number;
  /** Number of evaluations since, none of which was better. */
  waited: number;
}

/** Counts the evaluations since the best one. */
export class Patience {
  readonly #evaluations: number;
  readonly #measures: readonly Measure[];
  #state: PatienceState | null;

  /**
   * @param evaluations number of evaluations without a better value after which the run ends
   * @param measures metrics, of which the first that is measured counts
   * @param state of the checkpoint that a resumed run continues from
   */
  constructor(evaluations: number, measures: readonly Measure[], state: PatienceState | null) {
    this.#evaluations = evaluations;
    this.#measures = measures;
    this.#state = state;
  }

  get state(): PatienceState | null {
    return this.#state;
  }

  /** Takes the metrics of an evaluation. */
  take(step: number, metrics: Readonly<Record<string, number>>): void {
    const measure = this.#measures.find(({ name }) => metrics[name] !== undefined);
    if (!measure) return;
    const { name: metric, better } = measure;
    const value = metrics[metric]!;
    const before = this.#state?.metric === metric ? this.#state : null;
    const most = better === 'higher' ? Infinity : -Infinity;
    const least = before === null ? -most : (before.best ?? most);
    if (better === 'higher' ? value > least : value < least) {
      this.#state = { metric, best: Number.isFinite(value) ? value : null, step, waited: 0 };
    } else {
      this.#state = { ...(before ?? { metric, best: null, step }), waited: (before?.waited ?? 0) + 1 };
    }
  }

  /** Sentence on why the run ends; null if it does not. */
  get stopped(): string | null {
    const state = this.#state;
    if (state === null || state.waited < this.#evaluations) return null;
    const { metric: name, best, step, waited } = state;
    const metric = metricNamed(name);
    const value = best === null || !metric ? String(best) : formatMetric(metric, best);
    return (
      `stopped early: ${name} has not improved in ${waited} evaluation${waited === 1 ? '' : 's'} ` +
      `since step ${step.toLocaleString('en')} (${value})`
    );
  }
}
