import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ArchiveLimits } from '../../../archive/format/limits.ts';
import type { ImportOptions, ImportProgress } from '../../../archive/import/options.ts';
import type { Isolation } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';
import { counted, countText, sizeText } from '../../../lib/quantities.ts';
import { anyCase } from '../../choices.ts';
import { withServices } from '../../open-app.ts';
import { operatorName } from '../../operator.ts';
import { createProgressLine, createSpeed } from '../../ui/progress-line.ts';
import type { CommandContext } from '../../ui/terminal.ts';
import { interruptible } from './interrupt.ts';

interface Options {
  readonly slug: string;
  readonly name?: string;
  readonly host?: string;
  readonly isolation?: 'database' | 'schema';
  readonly server?: string;
  readonly maxSize?: number;
  readonly maxEntries?: number;
}

/** `tenantry tenant import`. */
export function addImportCommand(tenant: Command, context: CommandContext): void {
  tenant
    .command('import')
    .description('Create a tenant from an archive that tenantry tenant export has written, here or elsewhere')
    .argument('<file>', 'the archive; - is standard input')
    .requiredOption('--slug <slug>', "the new tenant's slug: 3 to 63 characters of a to z, 0 to 9 and -")
    .option('--name <name>', "its display name; defaults to the archive's")
    .option('--host <host>', 'the host name that identifies it in requests')
    .addOption(
      anyCase(
        new Option('--isolation <kind>', 'its isolation; defaults to DEFAULT_ISOLATION').choices([
          'database',
          'schema',
        ]),
      ),
    )
    .option('--server <name>', 'the PostgreSQL server to put it on')
    .option('--max-size <size>', 'refuse an archive that is larger when decompressed; defaults to 64G', parseSize)
    .option('--max-entries <n>', 'refuse an archive with more parts and files; defaults to 40000', parseCount)
    .addHelpText('after', '\nExample: tenantry tenant import acme.tar.zst --slug acme')
    .action((file: string, options: Options) => importTenant(context, file, options));
}

async function importTenant(context: CommandContext, file: string, options: Options): Promise<void> {
  const { slug, name, host, server } = options;
  if (file === '-' && context.stdin.isTTY) {
    context.command.error('error: an archive cannot be typed. Name a file, or use a pipe.');
  }
  const { importArchive } = await import('../../../archive/import/import-archive.ts');
  const { openArchive } = await import('../../../archive/import/input-file.ts');
  const limits = await limitsOf(options);
  // The cast is safe: Commander has validated the choice.
  const isolation = options.isolation?.toUpperCase() as Isolation | undefined;
  const { tenant, manifest } = await withServices(context, (services) =>
    interruptible(context, 'The import was interrupted. Nothing is left of the new tenant.', async (signal) => {
      using line = createProgressLine(context, context.stderr);
      await using source = await openArchive(file, context.stdin, limits.maxBytes, signal);
      return await importArchive(optionsOf(services, limits, line.show, signal), source, {
        slug,
        name,
        host,
        isolation,
        server,
      });
    }),
  );
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  context.stdout.write(
    `Imported the tenant ${tenant.slug}: ${counted(rows, 'row')} of ${counted(manifest.tables.length, 'table')} and ${counted(manifest.files.length, 'file')}, exported from ${manifest.tenant.slug} on ${manifest.createdAt.slice(0, 10)}\n`,
  );
}

function progressText({ what, bytes, totalBytes, rows }: ImportProgress, speed: string): string {
  // Everything is read: what remains takes no part of the archive.
  if (rows === undefined && bytes === totalBytes) return what;
  const facts = [
    // An archive may be shorter than its file says only if it changes while it is read.
    `${Math.min(100, Math.floor((bytes / Math.max(1, totalBytes)) * 100))} %`,
    ...(rows ? [`${countText(rows.stored)} of ${counted(rows.total, 'row')}`] : []),
    `${sizeText(bytes)} of ${sizeText(totalBytes)}`,
    ...(speed === '' ? [] : [speed]),
  ];
  return `${what}: ${facts.join(', ')}`;
}

async function limitsOf({ maxSize, maxEntries }: Options): Promise<ArchiveLimits> {
  const { defaultLimits } = await import('../../../archive/format/limits.ts');
  return {
    maxBytes: maxSize ?? defaultLimits.maxBytes,
    maxEntries: maxEntries ?? defaultLimits.maxEntries,
    // Who names a size knows what is coming.
    maxRatio: maxSize === undefined ? defaultLimits.maxRatio : Number.POSITIVE_INFINITY,
  };
}

function optionsOf(
  { transfers }: Services,
  limits: ArchiveLimits,
  show: (text: string) => void,
  signal: AbortSignal,
): ImportOptions {
  const speed = createSpeed();
  return {
    transfers,
    limits,
    requestedBy: `command line (${operatorName()}@${hostname()})`,
    onProgress: (progress) => show(progressText(progress, speed(progress.bytes))),
    signal,
  };
}

function parseSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})([KMGT]?)$/i.exec(text) ?? [];
  if (digits === '') throw new InvalidArgumentError('Use a number of bytes, or one with K, M, G or T, such as 10G.');
  return Number(digits) * 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase());
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Use a positive number.');
  return Number(text);
}
