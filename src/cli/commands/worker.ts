import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { describeTypos } from '../typos.ts';
import type { Terminal } from '../ui/terminal.ts';
import { integer } from './migrate-up.ts';

/** As for the setting SERVER_PROCESSES. */
const MAX_PROCESSES = 256;

/** `tenantry worker`: a process, or several, that only carries out migration runs. */
export function addWorkerCommand(program: Command, { env, fileNames, stdout, stderr, loadProduct }: Terminal): void {
  program
    .command('worker')
    .description(
      'Carry out migration runs, transfers and other work in the background without serving requests, until SIGTERM or Ctrl-C',
    )
    .option('--processes <number>', 'work in this many processes, or max for one per core', parseProcesses, 1)
    .action(async ({ processes }: { readonly processes: number }) => {
      const typos = cluster.isPrimary ? await describeTypos(fileNames) : [];
      for (const text of typos) stderr.write(`${text}\n`);
      const { runWorker } = await import('../../server/serve.ts');
      await runWorker(env, stdout, loadProduct, processes);
    });
}

const wholeNumber = integer(1, MAX_PROCESSES);

function parseProcesses(text: string): number {
  return text === 'max' ? availableParallelism() : wholeNumber(text);
}
