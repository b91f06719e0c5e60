import type { Command } from 'commander';
import { withServices } from '../../open-app.ts';
import { writeTable } from '../../ui/table.ts';
import { type CommandContext, writeJson } from '../../ui/terminal.ts';
import { summaryOf, transferColumns } from '../../ui/transfer-summary.ts';
import { integer } from '../migrate-up.ts';

interface Options {
  readonly limit: number;
  readonly json?: true;
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;

/** `tenantry tenant transfers`. */
export function addTransfersCommand(tenant: Command, context: CommandContext): void {
  tenant
    .command('transfers')
    .description('List moves, clones, imports and restored checkpoints: those that have not ended, then the latest')
    .argument('[slug]', 'only those of this tenant, also its clones; its slug or id')
    .option('--limit <n>', 'how many that have ended; at most 1000', integer(1, MAX_LIMIT), DEFAULT_LIMIT)
    .option('--json', 'print JSON')
    .action((slug: string | undefined, options: Options) => list(context, slug, options));
}

async function list(context: CommandContext, reference: string | undefined, { limit, json }: Options): Promise<void> {
  const { listTransfers } = await import('../../../transfers/list.ts');
  const found = await withServices(context, ({ catalog }) => listTransfers(catalog, reference, limit));
  if (json) {
    writeJson(
      context.stdout,
      found.map(({ transfer, isUnclaimed }) => ({ ...summaryOf(transfer), waitsForProcess: isUnclaimed })),
    );
  } else if (found.length === 0) context.stderr.write('There are no transfers.\n');
  else writeTable(context, context.stdout, transferColumns, found);
}
