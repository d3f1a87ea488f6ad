import type { Check } from './checks.js';
import type { Workshop } from './project.js';
export const runnerChecks: readonly Check<Workshop>[] = [];
