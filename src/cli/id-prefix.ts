import { InvalidArgumentError } from 'commander';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';

/** The tables of objects that commands refer to by id. */
const tables = {
  run: 'migration_runs',
  checkpoint: 'checkpoints',
  webhook: 'webhooks',
  transfer: 'tenant_transfers',
} as const;

/** Parses an id or a prefix of one, including ids that a narrow terminal has truncated with an ellipsis. */
export function parseId(text: string): string {
  if (isIdPrefix(text)) return prefixOf(text);
  throw new InvalidArgumentError('is not an id or a prefix of one. Use at least 4 characters of 0 to 9, a to f and -.');
}

/** Whether a text can be an id or a prefix of one. */
export function isIdPrefix(text: string): boolean {
  return /^[0-9a-f][0-9a-f-]{3,35}$/.test(prefixOf(text));
}

function prefixOf(text: string): string {
  return text.replace(/…$/, '').toLowerCase();
}

/**
 * Finds the id with a prefix.
 * @throws {AppError} NOT_FOUND if no id has it, CONFLICT if several have it
 */
export async function expandId(catalog: Catalog, kind: keyof typeof tables, start: string): Promise<string> {
  if (isUuid(start)) return start;
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(`SELECT id FROM ${tables[kind]} WHERE starts_with(id::text, $1) LIMIT 2`, [start]),
  );
  const [found, other] = rows;
  if (!found) throw new AppError('NOT_FOUND', `There is no ${kind} whose id begins with ${start}`);
  if (other) throw new AppError('CONFLICT', `Several ids begin with ${start}. Use a longer prefix`);
  return found.id;
}
