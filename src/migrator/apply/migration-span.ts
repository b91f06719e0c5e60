import { inSpan } from '../../telemetry/tracing.ts';
import type { Direction, MigrationFile } from '../files/migration-file.ts';

/** Runs what carries out one migration in one database in a span of its own. Its statements are spans below it. */
export function inMigrationSpan<T>(
  { name }: Pick<MigrationFile, 'name'>,
  direction: Direction,
  work: () => Promise<T>,
): Promise<T> {
  const attributes = () => ({ 'tenantry.migration': name });
  return inSpan(direction === 'down' ? 'revert migration' : 'apply migration', { attributes }, work);
}
