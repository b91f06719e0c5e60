import { readdir } from 'node:fs/promises';
import { type Config, ConfigError } from './config.ts';
import { messageOf } from './errors.ts';
import { whyUnwritable } from './make-folder.ts';

/**
 * Makes sure that the folders of the settings can be used for what they are for.
 * @throws {ConfigError} naming the setting
 */
export async function checkFolders({ server, dataDir, roleSecret, tokens, migrations }: Config): Promise<void> {
  // One that is not there would give tenants without tables.
  await readdir(migrations.tenantDir).catch((error: unknown) => {
    throw new ConfigError([`TENANT_MIGRATIONS_DIR must be a folder that can be read: ${messageOf(error)}`]);
  });
  // Whoever has all that could be made there needs none.
  const reason = server && roleSecret && tokens.keys.kind !== 'folder' ? undefined : await whyUnwritable(dataDir);
  if (reason) {
    throw new ConfigError([`DATA_DIR must be a folder that can be written to, and ${dataDir} is none: ${reason}`]);
  }
}
