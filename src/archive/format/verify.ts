import { createHash } from 'node:crypto';
import { z } from 'zod';
import { countLines } from '../../copying/count-lines.ts';
import { isWithin } from './json-limits.ts';
import { type ArchiveLimits, maxManifestBytes } from './limits.ts';
import {
  ARCHIVE_FORMAT,
  ARCHIVE_VERSION,
  type ContentEntry,
  contentEntries,
  entryName,
  headerSchema,
  MAX_HEADER_BYTES,
  type Manifest,
  manifestSchema,
} from './manifest.ts';
import { quoted, refused } from './problem.ts';
import { type ArchiveEntry, type ArchiveSource, readEntries } from './read.ts';

/** An entry as it was found. */
interface FoundEntry extends ContentEntry {
  readonly lines: number;
}

/**
 * Reads a whole archive and checks everything that can be known without a database: its structure, names, sizes, checksums and
 * the number of rows.
 * @throws {AppError} BAD_USER_INPUT with what is wrong
 */
export async function verifyArchive(
  source: ArchiveSource,
  limits: ArchiveLimits,
  signal: AbortSignal,
): Promise<Manifest> {
  const found: FoundEntry[] = [];
  let isFirst = true;
  let manifest: Buffer | undefined;
  let isChecked = false;
  for await (const entry of readEntries(source, limits, signal)) {
    if (isFirst) checkHeader(await firstEntry(entry));
    else if (isChecked) throw refused(`has the entry ${quoted(entry.name)} after its last one`);
    else if (manifest) {
      checkManifest(manifest, entry.name, await inMemory(entry, MAX_HEADER_BYTES));
      isChecked = true;
    } else if (entry.name === entryName.manifest) manifest = await readManifest(entry, maxManifestBytes(limits));
    else found.push(await measured(entry));
    isFirst = false;
  }
  if (isFirst) throw refused('is empty');
  if (!manifest || !isChecked) throw refused('is incomplete: it has no manifest. Copy or export it again');
  const parsed = parseManifest(manifest, found.length);
  compare(contentEntries(parsed), found);
  countRows(parsed, found);
  return parsed;
}

async function firstEntry(entry: ArchiveEntry): Promise<Buffer> {
  if (entry.name !== entryName.header) {
    throw refused(`is not one of Tenantry: it starts with ${quoted(entry.name)} instead of ${entryName.header}`);
  }
  return inMemory(entry, MAX_HEADER_BYTES);
}

function checkHeader(content: Buffer): void {
  const header = headerSchema.safeParse(parseJson(content, entryName.header));
  if (!header.success) throw refused(`is not one of Tenantry: ${entryName.header} does not say ${ARCHIVE_FORMAT}`);
  const { version } = header.data;
  if (version !== ARCHIVE_VERSION) {
    throw refused(
      `has version ${version} of the format, and this version of Tenantry reads version ${ARCHIVE_VERSION}. Use ${version > ARCHIVE_VERSION ? 'a newer' : 'the older'} version of Tenantry`,
    );
  }
}

function checkManifest(manifest: Buffer, name: string, checksum: Buffer): void {
  if (name !== entryName.checksum) throw refused(`has the entry ${quoted(name)} instead of ${entryName.checksum}`);
  const hash = createHash('sha256').update(manifest).digest('hex');
  if (checksum.toString('latin1') !== `${hash}\n`) throw refused('is damaged: the checksum of its manifest is wrong');
}

/** The most columns, tables, sequences and migrations that a manifest may have together. */
const MAX_DESCRIBED = 500_000;

/** @param entries the number of entries that it describes */
function parseManifest(content: Buffer, entries: number): Manifest {
  const containers = MAX_DESCRIBED + entries;
  if (!isWithin(content, { depth: 8, properties: 20, containers, values: 8 * containers }))
    throw refused('has an invalid manifest: it describes more than the archive can have');
  const parsed = manifestSchema.safeParse(parseJson(content, entryName.manifest));
  if (parsed.success) return checkNames(parsed.data);
  const [issue] = parsed.error.issues;
  throw refused(
    `has an invalid manifest: ${quoted(issue ? `${z.core.toDotPath(issue.path)}: ${issue.message}` : 'unknown')}`,
  );
}

/** Two tables of one name would be loaded into the same table. */
function checkNames(manifest: Manifest): Manifest {
  const unique = (what: string, all: readonly string[]) => {
    const known = new Set<string>();
    for (const name of all) {
      if (known.has(name)) throw refused(`has the ${what} ${quoted(name)} twice`);
      known.add(name);
    }
  };
  unique('migration', namesOf(manifest.migrations));
  unique('table', namesOf(manifest.tables));
  unique('sequence', namesOf(manifest.sequences));
  unique(
    'file',
    manifest.files.map(({ kind, name }) => `${kind}/${name}`),
  );
  for (const { name, columns } of manifest.tables) unique(`column of ${quoted(name)}`, namesOf(columns));
  return manifest;
}

function namesOf(all: readonly { readonly name: string }[]): readonly string[] {
  return all.map(({ name }) => name);
}

/** The entries must be those of the manifest, in its order. */
function compare(expected: readonly ContentEntry[], found: readonly FoundEntry[]): void {
  const known = new Set<string>();
  for (const [index, entry] of found.entries()) {
    const wanted = expected[index];
    if (known.has(entry.name)) throw refused(`has the entry ${quoted(entry.name)} twice`);
    known.add(entry.name);
    if (entry.name !== wanted?.name) throw misplaced(entry.name, wanted?.name, expected);
    if (entry.bytes !== wanted.bytes) {
      throw refused(`is damaged: ${entry.name} has ${entry.bytes} bytes instead of ${wanted.bytes}`);
    }
    if (entry.sha256 !== wanted.sha256) throw refused(`is damaged: the checksum of ${entry.name} is wrong`);
  }
  const missing = expected[found.length];
  if (missing) throw refused(`lacks the entry ${missing.name}, which its manifest lists`);
}

function misplaced(name: string, wanted: string | undefined, expected: readonly ContentEntry[]) {
  if (!expected.some((entry) => entry.name === name))
    return refused(`has the entry ${quoted(name)}, which its manifest does not list`);
  return refused(
    `has the entry ${quoted(name)} where ${wanted === undefined ? 'it should end' : `${wanted} should be`}`,
  );
}

/** PostgreSQL ends each row with a newline, and writes newlines of values in another way. */
function countRows({ tables }: Manifest, found: readonly FoundEntry[]): void {
  let next = 0;
  for (const { name, rows, parts } of tables) {
    const lines = found.slice(next, next + parts.length).reduce((sum, part) => sum + part.lines, 0);
    next += parts.length;
    if (lines !== rows) throw refused(`has ${lines} rows of the table ${quoted(name)} instead of ${rows}`);
  }
}

/** Reads an entry without keeping it. */
async function measured({ name, bytes, content }: ArchiveEntry): Promise<FoundEntry> {
  const hash = createHash('sha256');
  let lines = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    if (name.startsWith('tables/')) lines += countLines(chunk);
  }
  return { name, bytes, sha256: hash.digest('hex'), lines };
}

async function readManifest(entry: ArchiveEntry, most: number): Promise<Buffer> {
  if (entry.bytes <= most) return inMemory(entry, most);
  throw refused(
    `has a manifest of ${entry.bytes} bytes, and the maximum is ${most}. To accept it, raise --max-entries`,
  );
}

async function inMemory({ name, bytes, content }: ArchiveEntry, most: number): Promise<Buffer> {
  if (bytes > most) throw refused(`has ${bytes} bytes of ${quoted(name)}, and the maximum is ${most}`);
  const whole = Buffer.alloc(bytes);
  let size = 0;
  for await (const chunk of content) size += chunk.copy(whole, size);
  return whole.subarray(0, size);
}

function parseJson(content: Buffer, name: string): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw refused(`has no valid JSON in ${name}`, error);
  }
}
