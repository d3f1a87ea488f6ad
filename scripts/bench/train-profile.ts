/** Calls of an operator in a profile, and milliseconds in it without the operators that it calls. */
export type OperatorTime = [operator: string, calls: number, milliseconds: number];

/** Returns the least time of each operator in several profiles: what interrupts a program only adds to it. */
export function leastTimes(profiles: readonly (readonly OperatorTime[])[]): OperatorTime[] {
  const least = new Map<string, OperatorTime>();
  for (const [operator, calls, time] of profiles.flat()) {
    least.set(operator, [operator, calls, Math.min(time, least.get(operator)?.[2] ?? Infinity)]);
  }
  return [...least.values()];
}

/** Prints a table of operators, those in which we lose most first. */
export function printProfiles(
  name: string,
  steps: number,
  ours: readonly OperatorTime[],
  theirs: readonly OperatorTime[],
): void {
  const [own, other] = [ours, theirs].map(
    (profile) => new Map(profile.map(([operator, calls, time]) => [operator, { calls, time }])),
  );
  const none = { calls: 0, time: 0 };
  const rows = [...new Set([...own!.keys(), ...other!.keys()])].map((operator) => {
    const [a, b] = [own!.get(operator) ?? none, other!.get(operator) ?? none];
    return {
      operator,
      calls: [a.calls / steps, b.calls / steps] as const,
      times: [a.time / steps, b.time / steps] as const,
    };
  });
  const sum = (i: 0 | 1) => rows.reduce((total, { times }) => total + times[i], 0);
  rows.sort((a, b) => b.times[0] - b.times[1] - (a.times[0] - a.times[1]));
  console.log(`\n${name}: where a step's time goes`);
  console.log(line('operator', 'calls', 'theirs', 'ms ours', 'theirs', 'more'));
  for (const { operator, calls, times } of rows) {
    // What takes no time on either side only fills the table.
    if (Math.max(...times) < 0.0005 * sum(1)) continue;
    console.log(
      line(operator, String(calls[0]), String(calls[1]), ...[...times, times[0] - times[1]].map(told)),
    );
  }
  console.log(line('all operators', '', '', ...[sum(0), sum(1), sum(0) - sum(1)].map(told)));
}

const told = (milliseconds: number): string => milliseconds.toFixed(2);

function line(operator: string, ...numbers: string[]): string {
  return operator.slice(0, 50).padEnd(52) + numbers.map((text) => text.padStart(10)).join('');
}
