import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { readState, writeState } from '../../src/postgres/embedded/cluster.ts';
import { freePort } from '../../src/postgres/embedded/launch.ts';
import { startEmbeddedPostgres } from '../../src/postgres/embedded/start.ts';
import { removeDataDir } from './remove-data-dir.ts';

/** How many servers a test file may have at once: copies of one cluster have its identity, and are one server to Tenantry. */
const IDENTITIES = 3;

declare module 'vitest' {
  interface ProvidedContext {
    /** Folders of embedded PostgreSQL servers with nothing in them. */
    emptyClusters: readonly string[];
    /** The folder of one that `tenantry setup` has made, with the migrations of the project's tests. */
    installation: string;
  }
}

/** Each project has its own copy of this module, and all share the process. */
// TypeScript knows no property of this name there.
const shared = globalThis as { testClusters?: Map<string, Promise<string>> };
shared.testClusters ??= new Map();
const clusters = shared.testClusters;

/** Makes what test files copy, once for all projects with the same environment: to make it takes seconds, a copy a tenth of one. */
export default async function makeClusters(project: TestProject): Promise<() => Promise<void>> {
  const once = (name: string, make: () => Promise<string>) => {
    const made = clusters.get(name) ?? make();
    clusters.set(name, made);
    return made;
  };
  const { env } = project.config;
  const [installation, ...emptyClusters] = await Promise.all([
    once(JSON.stringify(env), () => makeInstallation(env)),
    ...Array.from({ length: IDENTITIES }, (_, index) => once(`empty ${index}`, makeEmptyCluster)),
  ]);
  project.provide('emptyClusters', emptyClusters);
  project.provide('installation', installation);
  return async () => {
    await Promise.all([installation, ...emptyClusters].map(removeDataDir));
  };
}

async function makeEmptyCluster(): Promise<string> {
  const dataDir = await makeDataDir('tenantry-empty-');
  await using _server = await startEmbeddedPostgres({ dataDir });
  return dataDir;
}

async function makeInstallation(env: NodeJS.ProcessEnv): Promise<string> {
  const dataDir = await makeDataDir('tenantry-installation-');
  const { PATH, HOME, TMPDIR } = process.env;
  await promisify(execFile)(process.execPath, ['src/cli.ts', 'setup'], {
    env: { PATH, HOME, TMPDIR, ...env, NODE_ENV: 'test', DATA_DIR: dataDir },
  });
  return dataDir;
}

let copied = 0;

/** Makes a folder for an embedded PostgreSQL, with an empty cluster in it. */
export async function makeClusterDir(prefix: string): Promise<string> {
  const empty = inject('emptyClusters')[copied % IDENTITIES];
  copied += 1;
  return copyDataDir(String(empty), prefix);
}

/** Makes the folder of an installation on an embedded PostgreSQL, as `tenantry setup` leaves it. */
export function makeInstallationDir(prefix: string): Promise<string> {
  return copyDataDir(inject('installation'), prefix);
}

async function copyDataDir(from: string, prefix: string): Promise<string> {
  const state = await readState(from);
  if (!state) throw new Error(`There is no cluster in ${from}`);
  const dataDir = await makeDataDir(prefix);
  const names = (await readdir(from)).filter((name) => !/^embedded\.json|^postgres\.log/.test(name));
  await promisify(execFile)('cp', ['-a', '-H', ...names.map((name) => path.join(from, name)), dataDir]);
  // A port of its own: one that goes down finds it free when it comes back.
  await writeState(dataDir, { ...state, port: await freePort() }, undefined);
  return dataDir;
}

/** It is open to all, so that the cluster is in it also where root starts PostgreSQL as another user. */
async function makeDataDir(prefix: string): Promise<string> {
  const dataDir = await mkdtemp(path.join(tmpdir(), prefix));
  await chmod(dataDir, 0o755);
  return dataDir;
}
