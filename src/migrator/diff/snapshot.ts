import { Type, t, UnknownType } from '@mikro-orm/core';
import {
  type AbstractSqlPlatform,
  type CheckDef,
  type Column,
  DatabaseSchema,
  DatabaseTable,
  type DatabaseView,
  type ForeignKey,
  type IndexDef,
  type SqlPolicyDef,
  type SqlTriggerDef,
  type TablePartitioning,
} from '@mikro-orm/sql';
import { z } from 'zod';

/** A part of a table as MikroORM describes it, without unset values. */
const part = z.record(z.string(), z.unknown());

const table = z.object({
  name: z.string(),
  schema: z.string().optional(),
  columns: z.array(part),
  indexes: z.array(part).default([]),
  checks: z.array(part).default([]),
  foreignKeys: z.record(z.string(), part).default({}),
  triggers: z.array(part).default([]),
  policies: z.array(part).default([]),
  rlsEnabled: z.boolean().default(false),
  rlsForced: z.boolean().default(false),
  comment: z.string().optional(),
  collation: z.string().optional(),
  partitioning: part.optional(),
});

/** Reads a {@link TableSnapshot} from a file. */
export const tableSnapshot = z.object({
  namespaces: z.array(z.string()).default([]),
  tables: z.array(table).default([]),
  views: z.array(part).default([]),
  nativeEnums: z.record(z.string(), part).default({}),
});

/** Tables in a form that can be stored in a file and compared later. */
export type TableSnapshot = z.output<typeof tableSnapshot>;

/** Converts tables to a snapshot. */
export function snapshotOf(schema: DatabaseSchema): TableSnapshot {
  const { namespaces, views, nativeEnums } = schema.toJSON();
  const tables = schema
    .getTables()
    .map((found) => {
      const { columns, ...rest } = found.toJSON();
      // MikroORM orders columns by name; recreating the table needs their own order.
      const ordered = found.getColumns().map((column) => withoutEmpty(exact(columns[column.name], column)));
      return withoutEmpty({
        ...rest,
        columns: ordered,
        collation: found.collation,
        partitioning: found.getPartitioning(),
      });
    })
    .sort((a, b) => (String(a.name) < String(b.name) ? -1 : 1));
  // Converted to JSON and back, so that it equals what is read from a file.
  return tableSnapshot.parse(JSON.parse(JSON.stringify({ namespaces, tables, views, nativeEnums })));
}

/** MikroORM rounds defaults to the scale of their column, and adds a precision to types without one. */
function exact(stored: Readonly<Record<string, unknown>>, { type, default: value }: Column): Record<string, unknown> {
  const isPrecisionAdded = String(stored.type).replace(/\(\d+\)$/, '') === type?.toLowerCase();
  return { ...stored, default: value, ...(isPrecisionAdded && { type }) };
}

/** Converts a snapshot to tables that MikroORM can compare. */
export function schemaOf(snapshot: TableSnapshot, platform: AbstractSqlPlatform, name: string): DatabaseSchema {
  const schema = new DatabaseSchema(platform, name);
  schema.setNamespaces(new Set(snapshot.namespaces));
  // The casts below restore the types that the parts had when `snapshotOf` stored them.
  schema.setNativeEnums(snapshot.nativeEnums as ReturnType<DatabaseSchema['getNativeEnums']>);
  schema.setViews(
    snapshot.views.map((view) => {
      const { indexes, ...rest } = view as unknown as DatabaseView;
      return indexes ? { ...rest, indexes: indexes.map((index) => ({ ...plainIndex, ...index })) } : rest;
    }),
  );
  schema.setTables(
    snapshot.tables.map((stored) => {
      const found = new DatabaseTable(platform, stored.name, stored.schema);
      found.nativeEnums = schema.getNativeEnums();
      found.rlsEnabled = stored.rlsEnabled;
      found.rlsForced = stored.rlsForced;
      if (stored.comment !== undefined) found.comment = stored.comment;
      if (stored.collation !== undefined) found.collation = stored.collation;
      found.setPartitioning(stored.partitioning as TablePartitioning | undefined);
      found.setIndexes(stored.indexes.map((index) => ({ ...plainIndex, ...index }) as unknown as IndexDef));
      found.setChecks(stored.checks as unknown as CheckDef[]);
      found.setForeignKeys(stored.foreignKeys as unknown as Record<string, ForeignKey>);
      found.setTriggers(stored.triggers as unknown as SqlTriggerDef[]);
      found.setPolicies(stored.policies.map((policy) => ({ roles: [], ...policy }) as unknown as SqlPolicyDef));
      for (const column of stored.columns) found.addColumn(columnOf(column));
      return found;
    }),
  );
  return schema;
}

const plainIndex = { columnNames: [], unique: false, constraint: false, primary: false };

function columnOf(stored: Readonly<Record<string, unknown>>): Column {
  const known = Object.entries(t).find(([name]) => name === stored.mappedType)?.[1] ?? UnknownType;
  return { ...(stored as unknown as Column), mappedType: Type.getType(known) };
}

function withoutEmpty(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => saysSomething(value)));
}

/** Whether a value differs from the empty ones: null, false, and empty collections. */
export function saysSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}
