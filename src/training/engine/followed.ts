/** Followers of a run's events: they write files in which other programs show the run. */
import { RunCsv } from '../../reports/metrics-csv.js';
import { RunEvents } from '../../reports/tensorboard/run-events.js';
import type { TrainingEvent } from '../../runs/events.js';
import type { Run } from '../../runs/run.js';

interface Follower {
  take(event: TrainingEvent): Promise<void>;
}

/** Returns the followers that a run's settings ask for, by setting. */
function followersOf({ folder, config: { training } }: Run): Map<string, Follower> {
  const followers = new Map<string, Follower>();
  if (training.tensorboard) followers.set('tensorboard', new RunEvents(folder));
  if (training.csv) followers.set('csv', new RunCsv(folder));
  return followers;
}

/** Passes on the events of a run, each after its followers have taken it. One that fails is left out from then on. */
export async function* followed(
  run: Run,
  events: AsyncGenerator<TrainingEvent, void, undefined>,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const followers = followersOf(run);
  for await (const event of events) {
    const failed: string[] = [];
    for (const [setting, follower] of followers) {
      // A file that cannot be written must not end the run.
      await follower.take(event).catch((error: Error) => {
        followers.delete(setting);
        failed.push(`training.${setting} is off from here on: ${error.message}`);
      });
    }
    yield event;
    for (const message of failed) yield { type: 'note', step: run.step, message };
  }
}
