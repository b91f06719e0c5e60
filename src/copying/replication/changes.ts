import type { Lsn } from './lsn.ts';

/** A value as its type's output function writes it, `null`, or undefined for a large value that an update has left as it was. */
export type ColumnValue = string | null | undefined;

/** The values of a row, in the order of the relation's columns. */
export type Tuple = readonly ColumnValue[];

/** A column of a {@link Relation}. */
export interface RelationColumn {
  readonly name: string;
  /** Whether it is part of the table's replica identity. */
  readonly isKey: boolean;
  /** The OID of its type at the source. */
  readonly type: number;
  /** The type's modifier, such as the length of a varchar. */
  readonly modifier: number;
}

/** A table as it is when its following changes are made. PostgreSQL sends it before the first one, and after it was altered. */
export interface Relation {
  readonly kind: 'relation';
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** `d` the primary key, `i` an index, `f` all columns, `n` nothing. */
  readonly identity: string;
  readonly columns: readonly RelationColumn[];
}

/** A change of rows. `relation` is a {@link Relation.id}. */
export type RowChange =
  | { readonly kind: 'insert'; readonly relation: number; readonly values: Tuple }
  | {
      readonly kind: 'update';
      readonly relation: number;
      /** The row's identity before, if the update has changed it or if all columns are the identity. */
      readonly old: Tuple | undefined;
      readonly values: Tuple;
    }
  | { readonly kind: 'delete'; readonly relation: number; readonly old: Tuple }
  | { readonly kind: 'truncate'; readonly relations: readonly number[] };

/** What PostgreSQL decodes from its log. Transactions come whole, in the order of their commits; those rolled back do not come. */
export type DecodedMessage =
  | { readonly kind: 'begin'; readonly commitLsn: Lsn }
  | { readonly kind: 'commit'; readonly endLsn: Lsn }
  | { readonly kind: 'message'; readonly prefix: string; readonly content: string }
  | Relation
  | RowChange;
