import type { Check } from './checks.js';
import type { Workshop } from './project.js';
export const typeChecks: readonly Check<Workshop>[] = [];
