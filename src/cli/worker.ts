import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** `tenantry worker`: one more process that carries out migration runs. */
export function addWorkerCommand(program: Command, { env, stdout }: Terminal): void {
  program
    .command('worker')
    .description('Carry out migration runs, and serve nothing, until SIGTERM or Ctrl-C')
    .action(async () => {
      const { work } = await import('../serve.ts');
      await work(env, stdout);
    });
}
