import { execFile } from 'node:child_process';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { startEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { readState, writeState } from '../../src/postgres/embedded-cluster.ts';
import { freePort } from '../../src/postgres/embedded-launch.ts';
import { removeDataDir } from './remove-data-dir.ts';

/** How many servers a test file may have at once: copies of one cluster have its identity, and are one server to Tenantry. */
const IDENTITIES = 3;

/** Makes empty clusters for all test files, once: initdb takes longer than a copy of what it makes. */
export default async function makeEmptyClusters(): Promise<() => Promise<void>> {
  const dirs = await Promise.all(
    Array.from({ length: IDENTITIES }, async () => {
      const dataDir = await makeDataDir('tenantry-empty-');
      await using _server = await startEmbeddedPostgres({ dataDir });
      return dataDir;
    }),
  );
  process.env.EMPTY_CLUSTERS = dirs.join(path.delimiter);
  return async () => {
    await Promise.all(dirs.map(removeDataDir));
  };
}

let copied = 0;

/** Makes a folder for an embedded PostgreSQL, with an empty cluster if there is one to copy. */
export async function makeClusterDir(prefix: string): Promise<string> {
  const empty = process.env.EMPTY_CLUSTERS?.split(path.delimiter).at(copied % IDENTITIES);
  copied += 1;
  const dataDir = await makeDataDir(prefix);
  const state = empty && (await readState(empty));
  if (!state) return dataDir;
  await promisify(execFile)('cp', ['-a', path.join(empty, 'postgres'), dataDir]);
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
