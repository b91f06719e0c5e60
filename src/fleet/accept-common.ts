import { type CommonState, storeCommonStates } from '../catalog/common-states.ts';
import { messageOf } from '../lib/errors.ts';
import { commonSchema } from '../migrator/files/common-schema.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { type AcceptOptions, acceptAt, fileOf, isAcceptable, nothingToAccept } from './accept-hash.ts';
import { type Acceptance, recordAcceptances } from './accept-hash-store.ts';
import { type DatabasePlace, KnownCommon } from './common-plan.ts';

/**
 * Accepts a changed or renamed migration of `common` in every database that, according to the catalog, has it with another
 * hash or name.
 * @returns the outcome for each database; one that could not be reached has an `error` that names it, and can be retried
 * @throws {AppError} NOT_FOUND if the code has no such migration, CONFLICT if no hash differs
 */
export async function acceptInCommon(options: AcceptOptions, migration: string): Promise<readonly Acceptance[]> {
  const { catalog } = options;
  const file = fileOf(options.files, migration, 'COMMON');
  const places = await catalog.use(async (client) => {
    const known = await KnownCommon.read(client);
    return known.places().filter((place) => known.of(place).some((one) => isAcceptable(one, file, options.files)));
  });
  const accepted: Acceptance[] = [];
  const states: CommonState[] = [];
  for (const place of places) {
    try {
      const { acceptance, found } = await acceptAt(options, file, { ...place, schema: commonSchema }, null);
      states.push({ ...place, ...found });
      if (acceptance) accepted.push(acceptance);
    } catch (error) {
      accepted.push(failed(options, file, place, error));
    }
  }
  if (accepted.length === 0) throw nothingToAccept(file, 'No database');
  await recordAcceptances(
    catalog,
    accepted.filter(({ error }) => error === null),
    [],
  );
  await catalog.use((client) => inTransaction(client, () => storeCommonStates(client, states)));
  return accepted;
}

function failed(
  { acceptedBy, log }: AcceptOptions,
  file: MigrationFile,
  { server, database }: DatabasePlace,
  error: unknown,
): Acceptance {
  log.warn({ err: error, server, database, migration: file.name }, 'could not accept a changed migration of common');
  const message = `The database ${database} on the server ${server}: ${messageOf(error)}`;
  const when = { acceptedAt: new Date(), durationMs: 0 };
  return { tenant: null, file, acceptedBy, previousHash: null, error: message, ...when };
}
