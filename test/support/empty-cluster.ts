import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { copyDataDir, makeDataDir } from './cluster-copies.ts';
import { removeDataDir } from './remove-data-dir.ts';
import { startCluster } from './start-cluster.ts';

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
  const folder = await once('folder', () => makeDataDir(path.join(tmpdir(), 'tenantry-tests-')));
  const empty = (name: string) => once(name, () => makeEmptyCluster(folder));
  const [installation, ...emptyClusters] = await Promise.all([
    once(JSON.stringify(env), async () => makeInstallation(await empty('installation'), env)),
    ...Array.from({ length: IDENTITIES }, (_, index) => empty(`empty ${index}`)),
  ]);
  project.provide('emptyClusters', emptyClusters);
  project.provide('installation', installation);
  return async () => {
    const made = await Promise.all(clusters.values());
    await Promise.all(made.filter((dataDir) => dataDir !== folder).map(removeDataDir));
    // With the copies in it.
    await rm(folder, { recursive: true, force: true });
  };
}

/** With these, a cluster keeps no WAL for later, which would be copied each time. */
const smallSettings = { wal_recycle: 'off', min_wal_size: '32MB' };

async function makeEmptyCluster(folder: string): Promise<string> {
  const dataDir = await makeDataDir(path.join(folder, 'empty-'));
  await using _server = await startCluster(dataDir, smallSettings);
  return dataDir;
}

async function makeInstallation(empty: string, env: NodeJS.ProcessEnv): Promise<string> {
  const dataDir = await copyDataDir(empty, 'installation-');
  await using _server = await startCluster(dataDir, smallSettings);
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
