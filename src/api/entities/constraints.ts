import type { EntityMetadata } from '@mikro-orm/core';
import { PostgresNames } from '../../orm/naming.ts';
import { sqlState, type Violation } from '../../postgres/sql/error-codes.ts';
import { allMetadata } from './metadata.ts';

/** What a client learns about a violated constraint. */
export interface ConstraintRefusal {
  readonly code: 'BAD_USER_INPUT' | 'CONFLICT';
  readonly message: string;
  /** The property that the constraint is about, if it is about one. */
  readonly field?: string;
}

const sentences = new Map<string, { readonly message: string; readonly field: string | undefined }>();

/**
 * Sets the sentence that clients get when a constraint is violated.
 * @param field the field to name, if it is not the property that the constraint is about
 */
export function explainConstraint(constraint: string, message: string, field?: string): void {
  sentences.set(constraint, { message, field });
}

/**
 * Returns the refusal of a violated constraint, from the entities' metadata and the sentences of modules.
 * @returns undefined if no entity has the table
 */
export function refusalOfConstraint(violation: Violation): ConstraintRefusal | undefined {
  const meta = allMetadata().find(({ tableName }) => tableName === violation.table);
  const own = sentences.get(violation.constraint ?? '');
  if (!meta && !own) return undefined;
  const properties = meta ? propertiesOf(meta, violation) : [];
  const [property] = properties;
  const field = own?.field ?? (properties.length === 1 ? property : undefined);
  const { code, message } = sentenceOf(violation, properties.join(', '));
  return { code, message: own?.message ?? message, ...(field !== undefined && { field }) };
}

/** The properties of an entity that a constraint is about; empty if that is not known. */
function propertiesOf(meta: EntityMetadata, { constraint, column }: Violation): readonly string[] {
  const { props, tableName, checks, uniques } = meta;
  if (column !== undefined)
    return props.filter(({ fieldNames }) => fieldNames?.includes(column)).map(({ name }) => name);
  if (constraint === undefined) return [];
  const check = checks.find(({ name }) => name === constraint);
  if (check) return check.property === undefined ? [] : [String(check.property)];
  const unique = uniques.find(({ name }) => name === constraint);
  if (unique) return [unique.properties ?? []].flat().map(String);
  if (constraint === `${tableName}_pkey`) return meta.primaryKeys;
  const names = new PostgresNames();
  const found = props.find(({ fieldNames = [], foreignKeyName, unique: named }) => {
    const usual = (['unique', 'foreign'] as const).map((kind) => names.indexName(tableName, fieldNames, kind));
    return [foreignKeyName, named, ...usual, `${tableName}_${fieldNames.join('_')}_excl`].includes(constraint);
  });
  return found ? [found.name] : [];
}

function sentenceOf({ code, isReferenced }: Violation, properties: string): ConstraintRefusal {
  const subject = properties || 'A value';
  switch (code) {
    case sqlState.uniqueViolation:
      return { code: 'CONFLICT', message: `${subject} must be unique, and another object has the same value` };
    case sqlState.exclusionViolation:
      return { code: 'CONFLICT', message: 'This overlaps with something that exists already' };
    case sqlState.notNullViolation:
      return { code: 'BAD_USER_INPUT', message: `${subject} is missing` };
    case sqlState.checkViolation:
      return { code: 'BAD_USER_INPUT', message: `${subject} has a value that is not allowed` };
    default:
      return isReferenced
        ? { code: 'CONFLICT', message: 'Other objects still refer to this one' }
        : { code: 'BAD_USER_INPUT', message: `${subject} refers to something that does not exist` };
  }
}
