import type { Command } from 'commander';
import { withAudit } from '../open-app.ts';
import type { CommandContext } from '../ui/terminal.ts';

const help = `
In development, where no key is set, the new key is put into DATA_DIR. Otherwise nothing is changed, but the settings are
printed that are to be made, the public keys of now among them: first JWT_PUBLIC_KEY on all servers, then, five minutes
later, JWT_PRIVATE_KEY. When the last token of an old key has expired, take the key out of JWT_PUBLIC_KEY.`;

/** `tenantry keys rotate`: a new key to sign tokens with. */
export function addKeysCommand(program: Command, context: CommandContext): void {
  program
    .command('keys')
    .description('Manage the keys that tokens are signed with')
    .command('rotate')
    .description('Make a new key to sign tokens with; those before it go on verifying')
    .addHelpText('after', help)
    .action(async () => void context.stdout.write(await rotate(context)));
}

/** The settings are in single quotes, as shells and files `.env` both understand them. */
async function rotate(context: CommandContext): Promise<string> {
  const { loadConfig } = await import('../../config/config.ts');
  const { loadTokenKeys } = await import('../../auth/tokens/keys.ts');
  const { newKeySettings, rotateDevelopmentKeys } = await import('../../auth/tokens/rotate-keys.ts');
  const config = loadConfig(context.env);
  const { tokens, dataDir } = config;
  return withAudit(context, config, async () => {
    if (tokens.keys.kind === 'folder') {
      const file = await rotateDevelopmentKeys(dataDir);
      return `A new key is in ${file}. Start the servers again: until then they refuse what tenantry token signs with it.\n`;
    }
    const { publicKeys, privateKey } = newKeySettings(await loadTokenKeys(tokens.keys, dataDir));
    return `JWT_PUBLIC_KEY='${publicKeys}'\nJWT_PRIVATE_KEY='${privateKey}'\n`;
  });
}
