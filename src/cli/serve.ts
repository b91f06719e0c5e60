import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** `tenantry serve`: what `npm start` runs. */
export function addServeCommand(program: Command, { env, stdout }: Terminal): void {
  program
    .command('serve')
    .description('Serve GraphQL, until SIGTERM or Ctrl-C (what npm start runs)')
    .action(async () => {
      const { serve } = await import('../serve.ts');
      await serve(env, stdout);
    });
}
