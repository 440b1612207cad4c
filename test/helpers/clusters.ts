/** Clusters of one machine, on loopback: a real Slurm and a real Ray head, where they are installed. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { freePort } from './loopback.js';
import { until } from './until.js';

/** A cluster that a test may break. */
export interface TestCluster {
  kind: 'slurm' | 'ray';
  env: Record<string, string>;
  /** Text of the user's settings that name it. */
  settings: string;
  /** Names of the jobs it was ever given, one for each submission. */
  jobs(): Promise<string[]>;
  /** Kills what a job needs, with no chance to say anything, and starts it anew. */
  breakDown(): Promise<void>;
}

function isThere(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

async function killed(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return;
  }
  await until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
}

/** Starts munged, slurmctld and slurmd as this user; null, with the reason, where that cannot be done. */
export async function startSlurm(t: ExecutionContext): Promise<TestCluster | string> {
  const programs = ['munged', 'slurmctld', 'slurmd', 'sbatch'];
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length > 0) return `${missing.join(', ')} not installed (slurm-wlm, munge)`;
  if (process.getuid?.() !== 0) return 'slurmd wants root';
  // Sockets have short names.
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'slurm-'));
  const at = (name: string): string => path.join(dir, name);
  for (const name of ['state', 'spool']) await fs.mkdir(at(name));
  await fs.writeFile(at('munge.key'), randomBytes(1024), { mode: 0o400 });
  const [controller, worker] = [await freePort(), await freePort()];
  const host = os.hostname().split('.')[0];
  await fs.writeFile(
    at('slurm.conf'),
    [
      'ClusterName=dlvtest',
      `SlurmctldHost=${host}(127.0.0.1)`,
      'CommunicationParameters=NoCtldInAddrAny,NoInAddrAny',
      ...['SlurmUser=root', 'SlurmdUser=root', 'AuthType=auth/munge'],
      `AuthInfo=socket=${at('munge.socket')}`,
      ...[`StateSaveLocation=${at('state')}`, `SlurmdSpoolDir=${at('spool')}`],
      ...[`SlurmctldPidFile=${at('ctld.pid')}`, `SlurmdPidFile=${at('d.pid')}`],
      ...[`SlurmctldLogFile=${at('ctld.log')}`, `SlurmdLogFile=${at('d.log')}`],
      ...[`SlurmctldPort=${controller}`, `SlurmdPort=${worker}`],
      ...['ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none', 'MpiDefault=none'],
      ...['SchedulerType=sched/builtin', 'SelectType=select/cons_tres'],
      ...['SelectTypeParameters=CR_Core', 'ReturnToService=2', 'SlurmdTimeout=5'],
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN`,
      'PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP',
      '',
    ].join('\n'),
  );
  const env = { SLURM_CONF: at('slurm.conf') };
  const run = (program: string, args: string[] = []): string =>
    execFileSync(program, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
  const pidOf = async (name: string): Promise<number> =>
    Number(await fs.readFile(at(name), 'utf8'));
  t.teardown(async () => {
    spawnSync('scancel', ['--me'], { env: { ...process.env, ...env } });
    for (const name of ['d.pid', 'ctld.pid', 'munged.pid']) {
      await pidOf(name).then(killed, () => {});
    }
    await fs.rm(dir, { recursive: true, force: true, maxRetries: 20 });
  });
  run('munged', [
    ...['--force', `--key-file=${at('munge.key')}`, `--socket=${at('munge.socket')}`],
    ...[`--pid-file=${at('munged.pid')}`, `--log-file=${at('munged.log')}`],
    `--seed-file=${at('munged.seed')}`,
  ]);
  run('slurmctld');
  run('slurmd');
  await until(() => run('sinfo', ['--noheader', '--format=%T']).includes('idle'));
  return {
    kind: 'slurm',
    env,
    settings: '[executor]\n  kind = slurm\n  memoryMb = 300\n',
    jobs: async () =>
      run('squeue', ['--noheader', '--states=all', '--format=%j']).split('\n').filter(Boolean),
    breakDown: async () => {
      // The worker with all that runs there: its daemon, and what watches over the steps.
      await killed(await pidOf('d.pid'));
      const steps = spawnSync('pgrep', ['-f', `^slurmstepd: \\[`], { encoding: 'utf8' }).stdout;
      const scripts = spawnSync('pgrep', ['-f', at('spool')], { encoding: 'utf8' }).stdout;
      for (const pid of `${steps}\n${scripts}`.split('\n').filter(Boolean)) {
        const children = spawnSync('pgrep', ['-P', pid], { encoding: 'utf8' }).stdout.split('\n');
        for (const one of [pid, ...children.filter(Boolean)]) await killed(Number(one));
      }
      await until(() => !run('sinfo', ['--noheader', '--format=%T']).includes('alloc'));
      run('slurmd');
    },
  };
}

/** Starts a Ray head; a text says why that cannot be done. DLV_TEST_RAY names the command `ray`. */
export async function startRay(t: ExecutionContext): Promise<TestCluster | string> {
  const ray = process.env.DLV_TEST_RAY ?? 'ray';
  if (spawnSync(ray, ['--version'], { stdio: 'ignore' }).status !== 0) {
    return "no command 'ray' (pip install 'ray[default]' in an environment of its own, and set DLV_TEST_RAY)";
  }
  // The paths of its sockets have at most 107 characters.
  const dir = await fs.mkdtemp('/tmp/ray-');
  const [port, dashboard, client, agent] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const address = `http://127.0.0.1:${dashboard}`;
  let head: ChildProcess | null = null;
  const begin = async (): Promise<void> => {
    const args = [
      ...['start', '--head', '--block', '--disable-usage-stats', '--node-ip-address=127.0.0.1'],
      ...['--dashboard-host=127.0.0.1', `--dashboard-port=${dashboard}`, `--port=${port}`],
      ...['--min-worker-port=0', '--max-worker-port=0', `--ray-client-server-port=${client}`],
      `--dashboard-agent-listen-port=${agent}`,
      ...['--num-cpus=2', '--object-store-memory=100000000', `--temp-dir=${dir}`],
    ];
    head = spawn(ray, args, {
      stdio: 'ignore',
      detached: true,
      // What a killed head leaves in the temporary folder goes with its own.
      env: { ...process.env, RAY_USAGE_STATS_ENABLED: '0', TMPDIR: dir },
    });
    await until(async () => {
      await pause(200);
      return fetch(`${address}/api/jobs/`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  };
  const end = async (): Promise<void> => {
    // Its parts have the folder in their command lines.
    const found = spawnSync('pgrep', ['-f', dir], { encoding: 'utf8' }).stdout;
    for (const pid of found.split('\n').filter(Boolean)) await killed(Number(pid));
    if (head?.pid !== undefined) await killed(head.pid);
  };
  t.teardown(async () => {
    await end();
    await fs.rm(dir, { recursive: true, force: true, maxRetries: 20 });
  });
  await begin();
  return {
    kind: 'ray',
    env: {},
    settings: `[executor]\n  kind = ray\n  memoryMb = 300\n[ray]\n  address = ${address}\n`,
    jobs: async () => {
      const answer = await fetch(`${address}/api/jobs/`);
      const jobs = (await answer.json()) as { submission_id: string | null }[];
      return jobs.flatMap(({ submission_id: id }) => (id === null ? [] : [id]));
    },
    breakDown: async () => {
      await end();
      await begin();
    },
  };
}
