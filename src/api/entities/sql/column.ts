import type { EntityProperty } from '@mikro-orm/core';
import { badInput } from '../../../lib/errors.ts';
import { isUuid } from '../../../lib/uuid.ts';
import { quoteIdentifier } from '../../../postgres/sql/quote.ts';
import type { ColumnKind } from '../column-kinds.ts';

/** Returns the column of a property that is not a relation. */
export function columnSql(alias: string, { fieldNames: [name = ''] }: EntityProperty): string {
  return `${alias}.${quoteIdentifier(name)}`;
}

/**
 * Converts a value for a column of this kind.
 * @throws {AppError} BAD_USER_INPUT for an id that is not a UUID
 */
export function parameterOf(field: string, kind: ColumnKind, value: unknown): unknown {
  if (kind.scalar === 'ID') {
    const ids = Array.isArray(value) ? value : [value];
    if (!ids.every((id) => typeof id === 'string' && isUuid(id))) throw badInput(field, `${field} must be a UUID`);
  }
  return kind.parameter(value);
}
