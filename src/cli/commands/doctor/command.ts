import type { Command } from 'commander';
import { diagnose, type Check } from './diagnosis.js';
import { paint } from '../../terminal.js';

/** Defines `tessera-torch doctor`, which reports what is installed, what is missing, and the command that fixes it. */
export function doctorCommand(command: Command): Command {
  return command.option('--json', 'print the findings as JSON').action(doctor);
}

async function doctor(flags: { json?: boolean }): Promise<void> {
  const checks = await diagnose();
  const ok = checks.every((check) => check.state !== 'missing');
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
  else for (const check of checks) process.stdout.write(`${describe(check)}\n`);
  process.exitCode = ok ? 0 : 1;
}

function describe({ name, state, text, mend }: Check): string {
  const marks = {
    ok: paint('green', 'ok     '),
    note: paint('yellow', 'note   '),
    missing: paint('red', 'missing'),
  };
  return `${marks[state]}  ${name.padEnd(9)} ${text}${mend ? `\n${' '.repeat(19)}→ ${mend}` : ''}`;
}
