import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { checkTenants } from '../../tenants/check.ts';
import { type CreateTenantInput, createTenant } from '../../tenants/create.ts';
import { placeOf } from '../export/tenant-data.ts';
import type { Manifest } from '../format/manifest.ts';
import { type ArchiveSource, readEntries } from '../format/read.ts';
import { verifyArchive } from '../format/verify.ts';
import { ContentReader } from './content-reader.ts';
import { knownMigrations } from './known-migrations.ts';
import { checkKinds, loadFiles } from './load-files.ts';
import { loadRows } from './load-rows.ts';
import type { ImportOptions } from './options.ts';

/** An imported tenant, and what its archive says. */
export interface Imported {
  readonly tenant: Tenant;
  readonly manifest: Manifest;
}

/**
 * Makes a tenant of an archive. The archive is read twice: whatever can be wrong with it alone is found before anything is made. The
 * tenant has the archive's migrations at first, and the installation's when it becomes active. After a failure nothing is left.
 * @param input the properties of the new tenant; its name defaults to that of the archive's
 * @throws {AppError} BAD_USER_INPUT if the archive cannot be imported here, or as `createTenant`
 */
export async function importArchive(
  options: ImportOptions,
  source: ArchiveSource,
  input: Omit<CreateTenantInput, 'name'> & { readonly name?: string | undefined },
): Promise<Imported> {
  const { provisioning, signal } = options;
  await refuseTaken(options, { ...input, name: input.name ?? input.slug });
  const manifest = await verifyArchive(observed(options, source, 'Checking the archive'), options.limits, signal);
  const applied = await knownMigrations(
    provisioning.catalog,
    await options.migrations.tenant.read(),
    manifest.migrations,
  );
  const stores = await provisioning.files();
  checkKinds(stores, manifest.files);
  signal.throwIfAborted();
  const tenant = await createTenant(
    provisioning,
    { ...input, name: input.name ?? manifest.tenant.name },
    async (made) => {
      const { provisioner } = await provisioning.servers.find(made.server);
      await provisioner.makeLike(made, applied);
      await using reader = new ContentReader(
        readEntries(observed(options, source, 'Importing'), options.limits, signal),
      );
      await reader.skip();
      await loadRows(placeOf(provisioning.servers, made), manifest, reader, signal);
      await loadFiles(stores, made.id, manifest.files, reader);
      signal.throwIfAborted();
      options.onProgress?.('Applying newer migrations', 1);
    },
  );
  return { tenant, manifest };
}

/** Before the archive is read, which may take long. */
async function refuseTaken({ provisioning }: ImportOptions, input: CreateTenantInput): Promise<void> {
  const [checked] = await checkTenants(provisioning, [input]);
  if (checked instanceof AppError) throw checked;
}

function observed({ onProgress }: ImportOptions, source: ArchiveSource, what: string): ArchiveSource {
  return { ...source, onRead: (bytes) => onProgress?.(what, bytes / source.bytes) };
}
