/** The README's examples for Slurm and Kubernetes: what a process of them is told, by stand-ins for their programs. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseAllDocuments } from 'yaml';
import { packageRoot } from '../../src/files/package.js';
import { meetingOf } from '../../src/torch/distributed/meeting.js';
import { temporaryFolder } from '../training/tiny.js';

const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```(?:sh|yaml)\n([^]*?)```/g)].map(([, text]) => text!);
const blockWith = (text: string) => blocks.find((block) => block.includes(text))!;

/** Programs that stand in for those of a cluster. `npx` prints the variables and the arguments that a process has. */
const programs = {
  npx: `node -e 'console.log(JSON.stringify({ env: process.env, args: process.argv.slice(1) }))' -- "$@"`,
  scontrol: 'printf "node7\\nnode8\\n"',
  srun: 'SLURM_PROCID=5 SLURM_LOCALID=1 SLURM_NTASKS=8 SLURM_NTASKS_PER_NODE=4 exec "$@"',
};

/** Runs a script of bash, and returns what the process that it starts has. */
function started(t: ExecutionContext, script: string, variables: Record<string, string>) {
  const folder = temporaryFolder(t);
  for (const [name, code] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${code}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const env = { PATH: `${folder}:${process.env['PATH']}`, ...variables };
  return JSON.parse(
    execFileSync('bash', ['-c', script], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  ) as {
    env: Record<string, string>;
    args: string[];
  };
}

const bash = process.platform === 'win32' ? test.skip : test;

bash('Slurm tells each process its rank and the first node', (t) => {
  const script = blockWith('scontrol').split(/\n(?=# in a Slurm script)/)[1]!;
  const { env, args } = started(t, script, { SLURM_JOB_NODELIST: 'node[7-8]' });
  t.like(meetingOf({}, env), { host: 'node7', port: 29_500, rank: 5, worldSize: 8 });
  t.deepEqual([env['LOCAL_RANK'], env['LOCAL_WORLD_SIZE']], ['1', '4']);
  t.deepEqual(args.slice(0, 3), ['tessera-torch', 'train', 'vqgan']);
});

bash('Kubernetes tells each pod its rank and the name of the first', (t) => {
  const documents = parseAllDocuments(blockWith('completionMode'));
  const [service, job] = documents.map((document) => document.toJS() as unknown) as [Service, Job];
  const { completions, completionMode, template } = job.spec;
  const [container] = template.spec.containers;
  const variables = Object.fromEntries(container!.env.map(({ name, value }) => [name, value]));
  const [shell, flag, script] = container!.command;
  t.deepEqual([shell, flag, completionMode], ['bash', '-c', 'Indexed']);
  const { env, args } = started(t, script!, { ...variables, JOB_COMPLETION_INDEX: '2' });
  const host = `${job.metadata.name}-0.${service.metadata.name}`;
  t.like(meetingOf({}, env), { host, port: 29_500, rank: 2, worldSize: completions });
  t.is(template.spec.subdomain, service.metadata.name);
  t.is(service.spec.selector['job-name'], job.metadata.name);
  t.deepEqual([env['LOCAL_RANK'], env['LOCAL_WORLD_SIZE']], ['0', '1']);
  t.deepEqual(args.slice(0, 3), ['tessera-torch', 'train', 'vqgan']);
});

interface Named {
  metadata: { name: string };
}
interface Service extends Named {
  spec: { selector: Record<string, string> };
}
interface Job extends Named {
  spec: {
    completions: number;
    completionMode: string;
    template: {
      spec: {
        subdomain: string;
        containers: { command: string[]; env: { name: string; value: string }[] }[];
      };
    };
  };
}
