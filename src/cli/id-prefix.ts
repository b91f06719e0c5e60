import { InvalidArgumentError } from 'commander';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';

/** What is asked for by its id. */
const tables = { run: 'migration_runs', checkpoint: 'checkpoints' } as const;

/** Reads an id or its beginning, also as a table shows it that a narrow terminal has cut. */
export function parseId(text: string): string {
  const start = text.replace(/…$/, '').toLowerCase();
  if (/^[0-9a-f][0-9a-f-]{3,35}$/.test(start)) return start;
  throw new InvalidArgumentError('is no id, nor the beginning of one, at least 4 characters of 0 to 9, a to f and -');
}

/**
 * The id that begins so.
 * @throws {AppError} NOT_FOUND if there is none, CONFLICT if there are several
 */
export async function expandId(catalog: Catalog, kind: keyof typeof tables, start: string): Promise<string> {
  if (isUuid(start)) return start;
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(`SELECT id FROM ${tables[kind]} WHERE starts_with(id::text, $1) LIMIT 2`, [start]),
  );
  const [found, other] = rows;
  if (!found) throw new AppError('NOT_FOUND', `There is no ${kind} whose id begins with ${start}`);
  if (other) throw new AppError('CONFLICT', `Several ids begin with ${start}: say more of the one that is meant`);
  return found.id;
}
