import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { describeTypos } from '../typos.ts';
import type { Terminal } from '../ui/terminal.ts';

/** `tenantry worker`: a process, or several, that only carries out migration runs. */
export function addWorkerCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('worker')
    .description('Carry out migration runs without serving requests, until SIGTERM or Ctrl-C')
    .option('--processes <number>', 'work in this many processes, or max for one per core', parseProcesses, 1)
    .action(async ({ processes }: { readonly processes: number }) => {
      const typos = cluster.isPrimary ? await describeTypos(fileNames) : [];
      for (const text of typos) stderr.write(`${text}\n`);
      const { runWorker } = await import('../../server/serve.ts');
      await runWorker(env, stdout, loadProduct, processes);
    });
}

function parseProcesses(text: string): number {
  if (text === 'max') return availableParallelism();
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 to 99, or max.');
}
