import { z } from 'zod';
import { isPlainLine } from '../../lib/input.ts';

/** What the first entry of every archive says it is. */
export const ARCHIVE_FORMAT = 'tenantry-archive';
/** The version of the format that this code writes and reads; see docs/archive-format.md. */
export const ARCHIVE_VERSION = 1;

/** The names of the entries that every archive has: the first one, and the last two. */
export const entryName = {
  header: 'tenantry.json',
  manifest: 'manifest.json',
  checksum: 'manifest.sha256',
} as const;

/** The most that the first entry may have, in bytes. */
export const MAX_HEADER_BYTES = 4_096;
/** The most that any manifest may have, in bytes. An import accepts less by default; see `maxManifestBytes`. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

const MAX_TABLES = 100_000;
/** PostgreSQL allows no more. @see https://www.postgresql.org/docs/current/limits.html */
const MAX_COLUMNS = 1_600;
const MAX_PARTS = 1_000_000;
const MAX_FILES = 1_000_000;
const MAX_MIGRATIONS = 100_000;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A name that PostgreSQL would neither truncate nor refuse. */
const identifier = z
  .string()
  .min(1)
  .max(63)
  .refine((name) => Buffer.byteLength(name) <= 63 && !name.includes('\0') && name.isWellFormed());
const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed());

/** A list. Its check ends at the first invalid item, so that many of them do not become as many messages. */
function listOf<Item>(item: z.ZodType<Item>, most: number) {
  return z
    .array(z.unknown())
    .max(most)
    .transform((all, context) => {
      for (const [index, each] of all.entries()) {
        const parsed = item.safeParse(each);
        const issue = parsed.error?.issues[0];
        if (issue) {
          context.addIssue({ code: 'custom', message: issue.message, input: each, path: [index, ...issue.path] });
          return z.NEVER;
        }
        // In place, because two lists of many items need twice the memory.
        all[index] = parsed.data;
      }
      // Each item has been replaced.
      return all as Item[];
    });
}

/** A text that is shown as it is. */
const line = (max: number) =>
  text(max).refine(isPlainLine, { error: 'It must be one line without control characters' });

/** The first entry. Every version of the format has these two properties and may have others. */
export const headerSchema = z.object({ format: z.literal(ARCHIVE_FORMAT), version: z.number().int() });

const partSchema = z.strictObject({ bytes: count, sha256 });

const tableSchema = z.strictObject({
  name: identifier,
  /** In the order of the values in each row. */
  columns: listOf(z.strictObject({ name: identifier, type: text(1_000) }), MAX_COLUMNS),
  rows: count,
  parts: listOf(partSchema, MAX_PARTS),
});

const sequenceSchema = z.strictObject({
  name: identifier,
  /** A bigint, which JSON's numbers cannot hold. */
  value: z.string().regex(/^-?\d{1,19}$/),
  /** Whether the next value comes after `value`, or is it. */
  called: z.boolean(),
});

const fileSchema = z.strictObject({
  kind: z.string().regex(/^[a-z0-9-]{1,40}$/),
  name: text(1_024),
  bytes: count,
  sha256,
});

/** The manifest of an archive: what must be in it, and what it is of. */
export const manifestSchema = z.strictObject({
  format: z.literal(ARCHIVE_FORMAT),
  version: z.literal(ARCHIVE_VERSION),
  createdAt: z.iso.datetime(),
  /** The version of Tenantry that has written it. */
  tenantry: line(100),
  tenant: z.strictObject({
    id: z.uuid(),
    slug: line(63),
    name: text(200),
    isolation: z.enum(['DATABASE', 'SCHEMA']),
  }),
  /** In the order of application. */
  migrations: listOf(z.strictObject({ name: line(255), hash: sha256 }), MAX_MIGRATIONS),
  tables: listOf(tableSchema, MAX_TABLES),
  sequences: listOf(sequenceSchema, MAX_TABLES),
  files: listOf(fileSchema, MAX_FILES),
});

/** See {@link manifestSchema}. */
export type Manifest = z.output<typeof manifestSchema>;
/** A table in a manifest. */
export type ManifestTable = Manifest['tables'][number];
/** A sequence in a manifest. */
export type ManifestSequence = Manifest['sequences'][number];
/** A file in a manifest. */
export type ManifestFile = Manifest['files'][number];
/** A part of a table's rows in a manifest. */
export type ManifestPart = z.output<typeof partSchema>;

/** The name of the entry with a part of a table's rows. Both numbers start at 1. */
export function partName(table: number, part: number): string {
  return `tables/${String(table).padStart(4, '0')}/${String(part).padStart(6, '0')}.copy`;
}

/** The name of the entry with a file's content. Numbers start at 1. */
export function fileName(file: number): string {
  return `files/${String(file).padStart(6, '0')}`;
}

/** An entry that an archive with this manifest has between its first and its last two. */
export interface ContentEntry extends ManifestPart {
  readonly name: string;
}

/** The entries that an archive with this manifest has between its first and its last two, in order. */
export function contentEntries({ tables, files }: Pick<Manifest, 'tables' | 'files'>): readonly ContentEntry[] {
  return [
    ...tables.flatMap(({ parts }, table) =>
      parts.map((part, index) => ({ ...part, name: partName(table + 1, index + 1) })),
    ),
    ...files.map(({ bytes, sha256: hash }, index) => ({ name: fileName(index + 1), bytes, sha256: hash })),
  ];
}
