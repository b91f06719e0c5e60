import type { Writable } from 'node:stream';
import { type Command, Option } from 'commander';
import type { Exported, ExportOptions } from '../../../archive/export/options.ts';
import type { Services } from '../../../installation/services.ts';
import { counted, sizeText } from '../../../lib/quantities.ts';
import { anyCase } from '../../choices.ts';
import { withServices } from '../../open-app.ts';
import { createProgressLine, createSpeed } from '../../ui/progress-line.ts';
import type { CommandContext, Screen } from '../../ui/terminal.ts';
import { interruptible } from './interrupt.ts';

const formats = ['archive', 'csv', 'json'] as const;

interface Options {
  readonly out?: string;
  readonly force?: boolean;
  readonly format: (typeof formats)[number];
}

/** `tenantry tenant export`. */
export function addExportCommand(tenant: Command, context: CommandContext): void {
  tenant
    .command('export')
    .description("Write a tenant's rows and files to a file, while it is served")
    .argument('<slug>', 'its slug or id')
    .option('--out <file>', 'the file to write; - or nothing is standard output')
    .option('--force', 'replace the file if it exists')
    .addOption(
      anyCase(
        new Option('--format <format>', 'archive, which can be imported, or a zip file with csv or json for people')
          .choices(formats)
          .default('archive'),
      ),
    )
    .addHelpText('after', '\nExample: tenantry tenant export acme --out acme.tar.zst')
    .action((slug: string, options: Options) => exportTenant(context, slug, options));
}

async function exportTenant(
  context: CommandContext,
  reference: string,
  { out, format, force = false }: Options,
): Promise<void> {
  const { stdout, stderr } = context;
  const file = out === '-' ? undefined : out;
  const isCut =
    file === undefined
      ? 'The export was interrupted. The output is incomplete.'
      : `The export was interrupted. ${file} was not written.`;
  if (file === undefined && stdout.isTTY) {
    context.command.error(
      'error: binary data is not readable on a terminal. Name a file with --out, or redirect the output.',
    );
  }
  if (file === undefined && force) context.command.error('error: --force needs --out <file>');
  const { tenantByReference } = await import('../../../catalog/find-tenants.ts');
  const { writeFileWhole } = await import('../../../archive/export/output-file.ts');
  const { exportArchive } = await import('../../../archive/export/export-archive.ts');
  const { exportReadable } = await import('../../../archive/export/export-readable.ts');
  const { slug, exported } = await withServices(context, async (services) => {
    const tenant = await tenantByReference(services.catalog, reference);
    const exported = await interruptible(context, isCut, async (signal) => {
      using line = createProgressLine(context, stderr);
      const options = optionsOf(services, line.show, signal);
      const write = (output: Writable) =>
        format === 'archive' ? exportArchive(options, tenant, output) : exportReadable(options, tenant, format, output);
      // The streams of a process are such, which their type does not say.
      return await (file === undefined ? write(stdout as Writable & Screen) : writeFileWhole(file, force, write));
    });
    return { slug: tenant.slug, exported };
  });
  const report = `Exported the tenant ${slug}${file === undefined ? '' : ` to ${file}`}: ${describe(exported)}\n`;
  (file === undefined ? stderr : stdout).write(report);
}

function optionsOf(
  { catalog, servers, provisioning }: Services,
  show: (text: string) => void,
  signal: AbortSignal,
): ExportOptions {
  const speed = createSpeed();
  return {
    catalog,
    servers,
    files: provisioning.files,
    onProgress: ({ what, rows, files: count, bytes }) => {
      const facts = [
        counted(rows, 'row'),
        ...(count > 0 ? [counted(count, 'file')] : []),
        sizeText(bytes),
        speed(bytes),
      ];
      show(`Exporting ${what}: ${facts.filter((fact) => fact !== '').join(', ')}`);
    },
    signal,
  };
}

function describe({ tables, rows, files, bytes }: Exported): string {
  return `${counted(rows, 'row')} of ${counted(tables, 'table')} and ${counted(files, 'file')} in ${sizeText(bytes)}`;
}
