import type { Command } from 'commander';
import { describeTypos } from '../typos.ts';
import type { Terminal } from '../ui/terminal.ts';

/** `tenantry worker`: a process that only carries out migration runs. */
export function addWorkerCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('worker')
    .description('Carry out migration runs without serving requests, until SIGTERM or Ctrl-C')
    .action(async () => {
      for (const text of await describeTypos(fileNames)) stderr.write(`${text}\n`);
      const { runWorker } = await import('../../server/serve.ts');
      await runWorker(env, stdout, loadProduct);
    });
}
