import type { Command } from 'commander';
import { describeTypos } from '../typos.ts';
import type { Terminal } from '../ui/terminal.ts';

/** `tenantry serve`: starts the server; `npm start` runs this. */
export function addServeCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('serve')
    .description('Serve GraphQL until SIGTERM or Ctrl-C (npm start runs this)')
    .action(async () => {
      for (const text of await describeTypos(fileNames)) stderr.write(`${text}\n`);
      const { serve } = await import('../../server/serve.ts');
      await serve(env, stdout, loadProduct);
    });
}
