import { realpath, rm } from 'node:fs/promises';
import path from 'node:path';

/** Removes the folder of an embedded PostgreSQL that has stopped, and its cluster, which is elsewhere if root started it. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const cluster = await realpath(path.join(dataDir, 'postgres')).catch(() => undefined);
  if (cluster) await rm(cluster, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}
