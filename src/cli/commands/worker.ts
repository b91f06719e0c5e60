import type { Command } from 'commander';
import { describeTypos } from '../typos.ts';
import type { Terminal } from '../ui/terminal.ts';

/** `tenantry worker`: one more process that carries out migration runs. */
export function addWorkerCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('worker')
    .description('Carry out migration runs, and serve nothing, until SIGTERM or Ctrl-C')
    .action(async () => {
      for (const text of await describeTypos(fileNames)) stderr.write(`${text}\n`);
      const { runWorker: work } = await import('../../server/serve.ts');
      await work(env, stdout, loadProduct);
    });
}
