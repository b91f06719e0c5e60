import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { extract, type Header, pack } from 'tar-stream';
import type { Manifest } from '../../src/archive/format/manifest.ts';
import type { Fleet } from './fleet.ts';
import { type CommandResult, commandsOf } from './run-command.ts';

/** An entry of an archive that a test reads or makes up. */
export interface TestEntry {
  readonly name: string;
  readonly content: Buffer;
  readonly header?: Partial<Header>;
}

/** Exports a tenant by the command line; throws if that fails. */
export async function exportTo(fleet: Fleet, slug: string, file: string, ...more: string[]): Promise<CommandResult> {
  const result = await commandsOf(fleet.app)('tenant', 'export', slug, '--out', file, ...more);
  if (result.exit !== 0) throw new Error(`The export failed: ${result.stderr}`);
  return result;
}

/** Imports a file by the command line. */
export function importFrom(fleet: Fleet, file: string, slug: string, ...more: string[]): Promise<CommandResult> {
  return commandsOf(fleet.app)('tenant', 'import', file, '--slug', slug, ...more);
}

/** Reads all entries of an archive. */
export async function readArchive(file: string): Promise<readonly TestEntry[]> {
  const archive = extract();
  archive.end(zstdDecompressSync(await readFile(file)));
  const entries: TestEntry[] = [];
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push({ name: entry.header.name, content: Buffer.concat(chunks) });
  }
  return entries;
}

/** Writes a compressed tar with these entries. */
export async function writeArchive(file: string, entries: readonly TestEntry[]): Promise<void> {
  await writeFile(file, zstdCompressSync(await tarOf(entries)));
}

/** A tar with these entries. */
export async function tarOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const archive = pack();
  const content = buffer(archive as AsyncIterable<Buffer> as NodeJS.ReadableStream & AsyncIterable<Buffer>);
  for (const { name, content, header } of entries) {
    if (header?.type !== undefined && header.type !== 'file') archive.entry({ name, ...header });
    else archive.entry({ name, ...header }, content);
  }
  archive.finalize();
  return content;
}

/** The manifest among entries. */
export function manifestIn(entries: readonly TestEntry[]): Manifest {
  const found = entries.find(({ name }) => name === 'manifest.json');
  if (!found) throw new Error('There is no manifest');
  // It is one of ours.
  return JSON.parse(found.content.toString()) as Manifest;
}

/** The entries with another manifest, whose checksum is right. */
export function withManifest(entries: readonly TestEntry[], manifest: unknown): readonly TestEntry[] {
  const content = typeof manifest === 'string' ? Buffer.from(manifest) : Buffer.from(JSON.stringify(manifest));
  const checksum = Buffer.from(`${createHash('sha256').update(content).digest('hex')}\n`);
  return entries.map((entry) => {
    if (entry.name === 'manifest.json') return { ...entry, content };
    return entry.name === 'manifest.sha256' ? { ...entry, content: checksum } : entry;
  });
}

/** The entries with another content of one of them, whose size and checksum in the manifest are right. */
export function withContent(entries: readonly TestEntry[], name: string, content: Buffer): readonly TestEntry[] {
  const old = entries.find((entry) => entry.name === name)?.content ?? Buffer.alloc(0);
  const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const text = JSON.stringify(manifestIn(entries)).replace(
    `{"bytes":${old.length},"sha256":"${hashOf(old)}"}`,
    `{"bytes":${content.length},"sha256":"${hashOf(content)}"}`,
  );
  return withManifest(
    entries.map((entry) => (entry.name === name ? { name, content } : entry)),
    text,
  );
}

/** All that an import may leave behind, on the fleet's first server. */
export async function leftovers(fleet: Fleet): Promise<readonly string[]> {
  const rows = await fleet.inCatalog<{ name: string }>(`
    SELECT 'database ' || datname AS name FROM pg_database WHERE datname !~ '_template_'
    UNION ALL SELECT 'role ' || rolname FROM pg_roles
    UNION ALL SELECT 'tenant ' || slug || ' ' || status FROM tenants ORDER BY 1`);
  const schemas = await fleet.session(fleet.app.services.config.databases.shared);
  const { rows: found } = await schemas.query<{ name: string }>(
    `SELECT 'schema ' || nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1`,
  );
  await fleet.end(schemas);
  return [...rows, ...found].map(({ name }) => name);
}
