import type { Check } from './checks.js';
import type { Workshop } from './project.js';
export const runtimeChecks: readonly Check<Workshop>[] = [];
