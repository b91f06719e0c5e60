import { execFile } from 'node:child_process';
import { chownSync, copyFileSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { chmod, lstat, mkdtemp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { readState, writeState } from '../../src/postgres/embedded/cluster.ts';
import { freePort } from '../../src/postgres/embedded/launch.ts';
import { removeDataDir } from './remove-data-dir.ts';

/** What each copy is of. */
const originals = new Map<string, string>();
/** Copies that tests have given back, by what they are of. */
const used = new Map<string, string[]>();

/** Copies the folder of an embedded PostgreSQL that has stopped, beside it. */
export async function copyDataDir(from: string, prefix: string): Promise<string> {
  const state = await readState(from);
  if (!state) throw new Error(`There is no cluster in ${from}`);
  const names = (await readdir(from)).filter((name) => !/^embedded\.json|^postgres\.log/.test(name));
  const again = used.get(from)?.pop();
  const dataDir = again ?? (await makeDataDir(path.join(path.dirname(from), prefix)));
  if (again) restore(from, again, names);
  else await promisify(execFile)('cp', ['-R', '-p', '-H', ...names.map((name) => path.join(from, name)), dataDir]);
  // A port of its own: one that goes down finds it free when it comes back.
  await writeState(dataDir, { ...state, port: await freePort() }, undefined);
  originals.set(dataDir, from);
  return dataDir;
}

/** Takes back a folder whose PostgreSQL has ended, for the next test: to restore it costs a fifth of what a new copy costs. */
export async function giveBack(dataDir: string): Promise<void> {
  const from = originals.get(dataDir);
  const cluster = await lstat(path.join(dataDir, 'postgres')).catch(() => undefined);
  // The cluster may have been moved out of a folder that PostgreSQL's user may not enter.
  if (!from || !cluster?.isDirectory()) return removeDataDir(dataDir);
  used.set(from, [...(used.get(from) ?? []), dataDir]);
}

/** Copies what is missing or has another size or time, and removes what is not in the original. */
function restore(from: string, to: string, names = readdirSync(from)): void {
  const superfluous = new Set(readdirSync(to));
  for (const name of names) {
    superfluous.delete(name);
    const [source, target] = [path.join(from, name), path.join(to, name)];
    const wanted = statSync(source);
    const found = lstatSync(target, { throwIfNoEntry: false });
    if (wanted.isDirectory()) {
      if (!found) {
        mkdirSync(target, { mode: wanted.mode });
        chownSync(target, wanted.uid, wanted.gid);
      }
      restore(source, target);
    } else if (found?.size !== wanted.size || Math.abs(found.mtimeMs - wanted.mtimeMs) >= 1) {
      copyFileSync(source, target);
      chownSync(target, wanted.uid, wanted.gid);
      utimesSync(target, wanted.atime, wanted.mtime);
    }
  }
  for (const name of superfluous) rmSync(path.join(to, name), { recursive: true });
}

/** Makes an empty folder. It is open to all, so that a cluster fits in also where root starts PostgreSQL as another user. */
export async function makeDataDir(prefix: string): Promise<string> {
  const dataDir = await mkdtemp(prefix);
  await chmod(dataDir, 0o755);
  return dataDir;
}
