import * as torch from '../../../src/torch/index.js';
import type { Schema } from '../../../src/torch/core/schema.js';
import { check, evaluate, overloadName } from './check.js';
import { genericSamples } from './generic.js';
import { excuse, refusal } from './reasons.js';
import type { Sample } from './sample.js';
import { writtenSample } from './samples/index.js';

/**
 * What an overload does with a float64 sample: its gradients agree with finite differences (`checked`, on the named
 * sample), they do not and there is a reason (`excused`), nothing is recorded (`without`), or it does not run (`refused`).
 * `unexplained` is a mistake: of the sample or of ours.
 */
export interface Verdict {
  kind: 'checked' | 'excused' | 'without' | 'refused' | 'unexplained';
  detail: string;
}

/** @param only the sample to use where the overload has several */
export function classify(schema: Schema, only?: string): Verdict {
  return torch.scope(() => {
    if (!schema.arguments.some(({ base }) => base === 'Tensor')) {
      return { kind: 'without', detail: 'takes no tensor' };
    }
    const written = writtenSample(schema);
    const samples = written ? new Map([['written', written]]) : genericSamples(schema);
    const chosen = only === undefined ? undefined : samples.get(only);
    return verdict(schema, chosen ? new Map([[only!, chosen]]) : samples);
  });
}

function verdict(schema: Schema, samples: Map<string, Sample>): Verdict {
  const name = overloadName(schema);
  let ran = false;
  let refused = 'has no sample';
  let failed: string | undefined;
  for (const [sampleName, sample] of samples) {
    let seen: { recorded: number; finite: boolean };
    try {
      seen = evaluate(schema, sample);
    } catch (error) {
      refused = (error as Error).message;
      continue;
    }
    ran = true;
    if (seen.recorded === 0) continue;
    if (!seen.finite) {
      failed ??= `${sampleName}: the results are not finite`;
      continue;
    }
    try {
      check(schema, sample);
      return { kind: 'checked', detail: sampleName };
    } catch (error) {
      failed = `${sampleName}: ${(error as Error).message}`;
    }
  }
  if (failed !== undefined) {
    const reason = excuse(name, failed);
    return reason ? { kind: 'excused', detail: reason } : { kind: 'unexplained', detail: failed };
  }
  if (ran) return { kind: 'without', detail: 'records nothing' };
  const reason = refusal(refused);
  return reason ? { kind: 'refused', detail: reason } : { kind: 'unexplained', detail: refused };
}

/** The committed list: names of overloads by verdict, with the sample or the reason. */
export type GradientList = Record<Exclude<Verdict['kind'], 'unexplained'>, Record<string, string>>;
