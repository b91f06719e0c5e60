import type { Command } from 'commander';
import { withAudit } from '../open-app.ts';
import type { CommandContext } from '../ui/terminal.ts';

const help = `
In development without configured keys, the new key is written to DATA_DIR. Otherwise the command changes nothing and
prints the new settings, which include the current public keys. Set JWT_PUBLIC_KEY on all servers first and JWT_PRIVATE_KEY
five minutes later. When the last token of an old key has expired, remove that key from JWT_PUBLIC_KEY.`;

/** `tenantry keys rotate`: creates a new key for signing tokens. */
export function addKeysCommand(program: Command, context: CommandContext): void {
  program
    .command('keys')
    .description('Manage the keys that sign tokens')
    .command('rotate')
    .description('Create a new key for signing tokens; earlier keys still verify tokens')
    .addHelpText('after', help)
    .action(async () => void context.stdout.write(await rotate(context)));
}

/** The settings are in single quotes, which both shells and `.env` files understand. */
async function rotate(context: CommandContext): Promise<string> {
  const { loadConfig } = await import('../../config/config.ts');
  const { loadTokenKeys } = await import('../../auth/tokens/keys.ts');
  const { newKeySettings, rotateDevelopmentKeys } = await import('../../auth/tokens/rotate-keys.ts');
  const config = loadConfig(context.env);
  const { tokens, dataDir } = config;
  return withAudit(context, config, async () => {
    if (tokens.keys.kind === 'folder') {
      const file = await rotateDevelopmentKeys(dataDir);
      return `A new key is in ${file}. Restart the servers: until then they reject tokens that tenantry token signs with it.\n`;
    }
    const { publicKeys, privateKey } = newKeySettings(await loadTokenKeys(tokens.keys, dataDir));
    return `JWT_PUBLIC_KEY='${publicKeys}'\nJWT_PRIVATE_KEY='${privateKey}'\n`;
  });
}
