import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import type { CopyProgress } from '../../copying/place.ts';
import { placeOn } from '../../copying/place-on.ts';
import { AppError } from '../../lib/errors.ts';
import { serverNamed } from '../../postgres/server.ts';
import { checkTenants } from '../../tenants/check.ts';
import type { CreateTenantInput } from '../../tenants/create.ts';
import type { ActiveTransfer } from '../../transfers/active-transfer.ts';
import { importTenant } from '../../transfers/import.ts';
import type { Manifest } from '../format/manifest.ts';
import { type ArchiveSource, readEntries } from '../format/read.ts';
import { verifyArchive } from '../format/verify.ts';
import { ContentReader } from './content-reader.ts';
import { knownMigrations } from './known-migrations.ts';
import { checkKinds, loadFiles } from './load-files.ts';
import { loadRows } from './load-rows.ts';
import type { ImportOptions, ImportProgress } from './options.ts';

/** An imported tenant, and what its archive says. */
export interface Imported {
  readonly tenant: Tenant;
  readonly manifest: Manifest;
}

/**
 * Creates a tenant from an archive. The archive is read twice: what is wrong with it alone is found before anything is made. The
 * tenant has the archive's migrations at first, and the installation's when it becomes active. After a failure nothing is left.
 * @param input the properties of the new tenant; its name defaults to that of the archive's
 * @throws {AppError} BAD_USER_INPUT if the archive cannot be imported here, or as `createTenant`
 */
export async function importArchive(
  options: ImportOptions,
  source: ArchiveSource,
  input: Omit<CreateTenantInput, 'name'> & { readonly name?: string | undefined },
): Promise<Imported> {
  const { transfers, signal } = options;
  await refuseTaken(options, { ...input, name: input.name ?? input.slug });
  const manifest = await verifyArchive(observed(options, source, 'Checking the archive'), options.limits, signal);
  const applied = await knownMigrations(
    transfers.catalog,
    await transfers.migrations.tenant.read(),
    manifest.migrations,
  );
  const stores = await transfers.files();
  checkKinds(stores, manifest.files);
  signal.throwIfAborted();
  const tenant = await importTenant(
    transfers,
    {
      input: { ...input, name: input.name ?? manifest.tenant.name },
      requestedBy: options.requestedBy,
      applied,
      fill: (made, active) => fill(options, source, manifest, made, active),
    },
    signal,
  );
  return { tenant, manifest };
}

/** Reads the archive for the second time, and stores what is in it. */
async function fill(
  options: ImportOptions,
  source: ArchiveSource,
  manifest: Manifest,
  { id }: Tenant,
  active: ActiveTransfer,
): Promise<CopyProgress> {
  const { signal, transfer } = active;
  const { files, servers } = options.transfers;
  const total = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  let stored = 0;
  const observedSource = observed(options, source, 'Importing', () => ({ rows: { stored, total } }));
  const entries = readEntries(observedSource, options.limits, signal);
  await using reader = new ContentReader(entries);
  await reader.skip();
  const onProgress = (progress: CopyProgress) => {
    stored = progress.rowsCopied;
    active.progress(progress);
  };
  const place = placeOn(serverNamed(servers, transfer.to.server), transfer.to);
  const progress = await loadRows(place, manifest, reader, onProgress, signal);
  await loadFiles(await files(), id, manifest.files, reader);
  options.onProgress?.({ what: 'Applying newer migrations', bytes: source.bytes, totalBytes: source.bytes });
  return progress;
}

/** Before the archive is read, which may take long. */
async function refuseTaken({ transfers }: ImportOptions, input: CreateTenantInput): Promise<void> {
  const [checked] = await checkTenants(transfers, [input]);
  if (checked instanceof AppError) throw checked;
}

function observed(
  { onProgress }: ImportOptions,
  source: ArchiveSource,
  what: string,
  more: () => Pick<ImportProgress, 'rows'> = () => ({}),
): ArchiveSource {
  return { ...source, onRead: (bytes) => onProgress?.({ what, bytes, totalBytes: source.bytes, ...more() }) };
}
