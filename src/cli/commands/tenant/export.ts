import type { Writable } from 'node:stream';
import { type Command, Option } from 'commander';
import type { Exported, ExportOptions } from '../../../archive/export/options.ts';
import type { Services } from '../../../installation/services.ts';
import { withServices } from '../../open-app.ts';
import { createProgressLine, sizeText } from '../../ui/progress-line.ts';
import type { CommandContext, Screen } from '../../ui/terminal.ts';
import { abortedBySignals } from './interrupt.ts';

const formats = ['archive', 'csv', 'json'] as const;

interface Options {
  readonly out?: string;
  readonly format: (typeof formats)[number];
}

/** `tenantry tenant export`. */
export function addExportCommand(tenant: Command, context: CommandContext): void {
  tenant
    .command('export')
    .description("Write a tenant's rows and files to a file, while it is served")
    .argument('<slug>', 'its slug or id')
    .option('--out <file>', 'the file to write; - or nothing is standard output')
    .addOption(
      new Option('--format <format>', 'archive, which can be imported, or a zip file with csv or json for people')
        .choices(formats)
        .default('archive'),
    )
    .addHelpText('after', '\nExample: tenantry tenant export acme --out acme.tar.zst')
    .action((slug: string, options: Options) => exportTenant(context, slug, options));
}

async function exportTenant(context: CommandContext, reference: string, { out, format }: Options): Promise<void> {
  const { stdout, stderr } = context;
  const file = out === '-' ? undefined : out;
  if (file === undefined && stdout.isTTY) {
    throw new Error('Binary data would not be readable on a terminal. Name a file with --out, or redirect the output.');
  }
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { writeFileWhole } = await import('../../../archive/export/output-file.ts');
  const { slug, exported } = await withServices(context, async (services) => {
    const tenant = await tenantByReference(services.catalog, reference);
    using interrupt = abortedBySignals(context);
    using line = createProgressLine(context, stderr);
    const options = optionsOf(services, line.show, interrupt.signal);
    const { exportArchive } = await import('../../../archive/export/export-archive.ts');
    const { exportReadable } = await import('../../../archive/export/export-readable.ts');
    const write = (output: Writable) =>
      format === 'archive' ? exportArchive(options, tenant, output) : exportReadable(options, tenant, format, output);
    // The streams of a process are such, which their type does not say.
    const exported = await (file === undefined ? write(stdout as Writable & Screen) : writeFileWhole(file, write));
    return { slug: tenant.slug, exported };
  });
  const report = `Exported the tenant ${slug}${file === undefined ? '' : ` to ${file}`}: ${describe(exported)}\n`;
  (file === undefined ? stderr : stdout).write(report);
}

function optionsOf(
  { servers, provisioning }: Services,
  show: (text: string) => void,
  signal: AbortSignal,
): ExportOptions {
  return {
    servers,
    files: provisioning.files,
    onProgress: (what, count) => show(`Exporting ${what}: ${count}`),
    signal,
  };
}

function describe({ tables, rows, files, bytes }: Exported): string {
  return `${rows} rows of ${tables} tables and ${files} files in ${sizeText(bytes)}`;
}
