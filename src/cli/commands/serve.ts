import cluster from 'node:cluster';
import type { Command } from 'commander';
import { describeTypos } from '../typos.ts';
import type { Terminal } from '../ui/terminal.ts';

/** `tenantry serve`: starts the server; `npm start` runs this. */
export function addServeCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('serve')
    .description('Serve GraphQL until SIGTERM or Ctrl-C (npm start runs this)')
    .action(async () => {
      const typos = cluster.isPrimary ? await describeTypos(fileNames) : [];
      for (const text of typos) stderr.write(`${text}\n`);
      const { serve } = await import('../../server/serve.ts');
      await serve(env, stdout, loadProduct);
    });
}
