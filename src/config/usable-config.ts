import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { unwritableReason } from '../lib/files.ts';
import { type Config, ConfigError, readConfig } from './config.ts';

/**
 * Reads and validates all settings as `loadConfig` does, and checks that the folders that they name can be used. Required
 * before opening an installation.
 * @throws {ConfigError} naming every problem
 */
export async function loadUsableConfig(env: Readonly<Record<string, string | undefined>>): Promise<Config> {
  const { config, problems } = readConfig(env);
  const all = [...problems, ...(await findFolderProblems(config))];
  if (all.length > 0) throw new ConfigError(all);
  return config;
}

async function findFolderProblems({ dataDir, migrations, ...config }: Config): Promise<readonly string[]> {
  // Without the folder, new tenants would have no tables. The error message contains the resolved path.
  const unreadable = await readdir(path.resolve(migrations.tenantDir)).then(() => undefined, messageOf);
  const unwritable = needsDataDir(config) ? await unwritableReason(dataDir) : undefined;
  return [
    ...(unreadable ? [`TENANT_MIGRATIONS_DIR must be a readable folder: ${unreadable}`] : []),
    ...(unwritable ? [`DATA_DIR must be a writable folder, but ${dataDir} is not: ${unwritable}`] : []),
  ];
}

/** The folder is only needed for what would be created in it. In production nothing is. */
function needsDataDir({ environment, server, roleSecret, tokens }: Omit<Config, 'dataDir' | 'migrations'>): boolean {
  if (environment === 'production') return false;
  return !server || !roleSecret || tokens.keys.kind === 'folder';
}
