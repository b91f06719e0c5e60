import { type EntityMetadata, type EntityProperty, ReferenceKind } from '@mikro-orm/core';
import { quoteIdentifier } from '../../../postgres/sql/quote.ts';
import { tableSql } from '../entity-model.ts';
import { propertyOf, targetOf } from '../metadata.ts';

/**
 * Returns the condition that links a related row to its parent.
 * @param parent the alias of the table of `owner`, which has the relation
 * @param related the alias of the related table
 */
export function relationSql(owner: EntityMetadata, relation: EntityProperty, parent: string, related: string): string {
  const { kind, joinColumns, inverseJoinColumns, referencedColumnNames, mappedBy, pivotTable } = relation;
  if (kind === ReferenceKind.MANY_TO_MANY) {
    const keys = targetOf(relation)
      .getPrimaryProps()
      .flatMap(({ fieldNames }) => fieldNames);
    const ofOwner = owner.getPrimaryProps().flatMap(({ fieldNames }) => fieldNames);
    const link = `${equal('link', joinColumns, parent, ofOwner)} AND ${equal('link', inverseJoinColumns, related, keys)}`;
    return `EXISTS (SELECT FROM ${tableSql(owner.schema, pivotTable)} link WHERE ${link})`;
  }
  if (!mappedBy) return equal(related, referencedColumnNames, parent, joinColumns);
  const inverse = propertyOf(targetOf(relation), mappedBy);
  return equal(related, inverse.joinColumns, parent, inverse.referencedColumnNames);
}

/** Returns the columns of the parent that {@link relationSql} uses. */
export function parentColumns(owner: EntityMetadata, relation: EntityProperty): readonly string[] {
  if (relation.kind === ReferenceKind.MANY_TO_MANY)
    return owner.getPrimaryProps().flatMap(({ fieldNames }) => fieldNames);
  if (!relation.mappedBy) return relation.joinColumns;
  return propertyOf(targetOf(relation), relation.mappedBy).referencedColumnNames;
}

function equal(one: string, columns: readonly string[], other: string, others: readonly string[]): string {
  const pairs = columns.map((column, index) => {
    const counterpart = quoteIdentifier(others[index] ?? '');
    return `${one}.${quoteIdentifier(column)} = ${other}.${counterpart}`;
  });
  return pairs.join(' AND ');
}
