import type { Command } from 'commander';
import { describeMisspelt } from './misspelt.ts';
import type { Terminal } from './terminal.ts';

/** `tenantry serve`: what `npm start` runs. */
export function addServeCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('serve')
    .description('Serve GraphQL, until SIGTERM or Ctrl-C (what npm start runs)')
    .action(async () => {
      for (const text of await describeMisspelt(fileNames)) stderr.write(`${text}\n`);
      const { serve } = await import('../serve.ts');
      await serve(env, stdout, loadProduct);
    });
}
