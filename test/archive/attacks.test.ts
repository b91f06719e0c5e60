import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/archive/format/manifest.ts';
import {
  importFrom,
  leftovers,
  manifestIn,
  type TestEntry,
  withContent,
  withManifest,
  writeArchive,
} from '../support/archives.ts';
import { type AttackLab, startAttackLab } from './attack-lab.ts';

let lab: AttackLab;
/** A valid archive. */
let good: readonly TestEntry[];

beforeAll(async () => {
  lab = await startAttackLab();
  good = lab.good;
});
afterAll(() => lab[Symbol.asyncDispose]());

/** The valid archive's entry with the rows of a table. */
const rowsOf = (table: string) => `tables/${nth(manifestIn(good).tables, table)}/000001.copy`;
const nth = (all: Manifest['tables'], table: string) =>
  String(all.findIndex(({ name }) => name === table) + 1).padStart(4, '0');
const content = (name: string) => good.find((entry) => entry.name === name)?.content ?? Buffer.alloc(0);
const changed = (change: (manifest: Manifest) => unknown) => {
  const manifest = manifestIn(good);
  return withManifest(good, change(manifest) ?? manifest);
};
const without = (name: string) => good.filter((entry) => entry.name !== name);
const inserted = (entry: TestEntry, at = 2) => good.toSpliced(at, 0, entry);
const entry = (name: string, header: TestEntry['header'] = {}): TestEntry => ({
  name,
  content: Buffer.from('x'),
  header,
});
const renamed = (name: string, to: string) => good.map((each) => (each.name === name ? { ...each, name: to } : each));
const first = <Item>(items: Item[]): Item => {
  const [item] = items;
  if (item === undefined) throw new Error('There is none');
  return item;
};

const entries: Readonly<Record<string, readonly [() => readonly TestEntry[], RegExp]>> = {
  'another version of the format': [
    () => withHeader({ format: 'tenantry-archive', version: 2 }),
    /has version 2 of the format, and this version of Tenantry reads version 1\. Use a newer version/,
  ],
  'another format': [() => withHeader({ format: 'other', version: 1 }), /is not one of Tenantry/],
  'no header': [() => without('tenantry.json'), /is not one of Tenantry: it starts with "tables/],
  'a header that is no JSON': [() => withHeader('{'), /has no valid JSON in tenantry\.json/],
  'a huge header': [() => withHeader('x'.repeat(5000)), /has 5000 bytes of "tenantry.json", and the maximum is 4096/],
  nothing: [() => [], /is empty/],
  'no manifest': [() => good.slice(0, -2), /is incomplete: it has no manifest/],
  'no checksum of the manifest': [() => good.slice(0, -1), /is incomplete: it has no manifest/],
  'something after the end': [() => [...good, entry('more')], /has the entry "more" after its last one/],
  'a changed manifest': [
    () => good.map((each) => (each.name === 'manifest.json' ? { ...each, content: Buffer.from('{}') } : each)),
    /the checksum of its manifest is wrong/,
  ],
  'a manifest that is no JSON': [() => withManifest(good, 'null x'), /has no valid JSON in manifest\.json/],
  'a manifest that is a list': [() => withManifest(good, '[]'), /has an invalid manifest/],
  'a deeply nested manifest': [
    () => withManifest(good, '['.repeat(200_000)),
    /has no valid JSON|has an invalid manifest/,
  ],
  'a closed, deeply nested manifest': [
    () => withManifest(good, '['.repeat(1_000_000) + ']'.repeat(1_000_000)),
    /has an invalid manifest: it describes more than the archive can have/,
  ],
  'a manifest of millions of objects': [
    () => withManifest(good, `{"tables":[${'{},'.repeat(4_500_000)}{}]}`),
    /has an invalid manifest: it describes more than the archive can have/,
  ],
  'a manifest of millions of numbers': [
    () => withManifest(good, `{"tables":[${'0,'.repeat(7_000_000)}0]}`),
    /has an invalid manifest: it describes more than the archive can have/,
  ],
  'a manifest that is larger than those of so few entries': [
    () => withManifest(good, `{"tables":[${'0,'.repeat(10_000_000)}0]}`),
    /has a manifest of 20000014 bytes, and the maximum is 14788608\. To accept it, raise --max-entries/,
  ],
  'a manifest of many properties': [
    () => withManifest(good, `{${Array.from({ length: 100_000 }, (_, index) => `"${index}":0`).join()}}`),
    /has an invalid manifest: it describes more than the archive can have/,
  ],
  'a manifest of many invalid tables': [
    () => changed((manifest) => ({ ...manifest, tables: Array.from({ length: 90_000 }, () => ({})) })),
    /has an invalid manifest: "tables\[0\]\.name: Invalid input: expected string, received undefined"/,
  ],
  'control characters in the slug of its tenant': [
    () => changed(({ tenant }) => void Object.assign(tenant, { slug: 'a\u001b]0;b\u0007\nc' })),
    /has an invalid manifest: "tenant\.slug: It must be one line without control characters"/,
  ],
  'control characters in the name of a migration': [
    () => changed(({ migrations }) => void Object.assign(first(migrations), { name: 'a\u001b[2Jb\nc' })),
    /has an invalid manifest: "migrations\[0\]\.name: It must be one line without control characters"/,
  ],
  'a prototype in the manifest': [
    () => withManifest(good, JSON.stringify(manifestIn(good)).replace('{', '{"__proto__": {"tables": []}, ')),
    /has an invalid manifest/,
  ],
  'changed rows': [
    () => good.map((each) => (each.name === rowsOf('products') ? { ...each, content: flipped(each.content) } : each)),
    /is damaged: the checksum of tables\/\d+\/000001\.copy is wrong/,
  ],
  'rows that are cut off': [
    () => good.map((each) => (each.name === rowsOf('orders') ? { ...each, content: each.content.subarray(5) } : each)),
    /is damaged: tables\/\d+\/000001\.copy has \d+ bytes instead of \d+/,
  ],
  'a missing entry': [() => without(rowsOf('products')), /lacks the entry tables\/\d+\/000001\.copy/],
  'an entry twice': [() => inserted(first([...good.slice(1)]), 2), /has the entry "tables\/.*" twice/],
  'an entry that is not listed': [() => inserted(entry('tables/9999/000001.copy')), /which its manifest does not list/],
  'entries in another order': [
    () => [...good.slice(0, 1), ...good.slice(1, 3).reverse(), ...good.slice(3)],
    /has the entry ".*" where tables\/.* should be/,
  ],
  'an absolute path': [() => renamed(rowsOf('products'), '/etc/passwd'), /has the entry "\/etc\/passwd"/],
  'a path to the folder above': [() => inserted(entry('../../x')), /has the entry "\.\.\/\.\.\/x"/],
  'a name with control characters': [() => inserted(entry('a\u001b[2Jb')), /has the entry "a\?\[2Jb"/],
  'a long name': [() => inserted(entry('x'.repeat(3000))), /has the entry "x+…" with an extended header/],
  'a folder': [() => inserted(entry('tables/', { type: 'directory' })), /is not an ordinary file \(directory\)/],
  'a symbolic link': [
    () => inserted(entry('link', { type: 'symlink', linkname: '/etc/passwd' })),
    /"link", which is not an ordinary file \(symlink\)/,
  ],
  'a hard link': [() => inserted(entry('link', { type: 'link', linkname: 'x' })), /not an ordinary file \(link\)/],
  'a device': [() => inserted(entry('dev', { type: 'character-device' })), /ordinary file \(character-device\)/],
  'a pipe': [() => inserted(entry('pipe', { type: 'fifo' })), /is not an ordinary file \(fifo\)/],
  'a table that the migrations do not make': [
    () => changed(({ tables }) => void tables.push({ name: 'pg_authid', columns: [], rows: 0, parts: [] })),
    /differs from what its migrations make here: the table "pg_authid" is only in the archive/,
  ],
  'a table with a hostile name': [
    () => changed(({ tables }) => void tables.push({ name: '"; DROP TABLE x; --', columns: [], rows: 0, parts: [] })),
    /the table .*DROP TABLE x.* is only in the archive/,
  ],
  'the table of the history': [
    () => changed(({ tables }) => void tables.push({ name: 'migration_history', columns: [], rows: 0, parts: [] })),
    /the table "migration_history" is only in the archive/,
  ],
  'a missing table': [
    () => {
      const { tables, ...rest } = manifestIn(good);
      return withManifest(without(rowsOf('products')), {
        ...rest,
        tables: tables.filter(({ name }) => name !== 'products'),
      });
    },
    /the table "products" is missing in the archive/,
  ],
  'another column': [
    () => changed(({ tables }) => void first(tables).columns.push({ name: 'evil', type: 'text' })),
    /the column of ".*" "evil" is only in the archive/,
  ],
  'a column of another type': [
    () => changed(({ tables }) => void Object.assign(first(first(tables).columns), { type: 'box' })),
    /is "box" instead of/,
  ],
  'a sequence that the migrations do not make': [
    () => changed(({ sequences }) => void sequences.push({ name: 'evil', value: '1', called: true })),
    /the sequence "evil" is only in the archive/,
  ],
  'a name that is too long for PostgreSQL': [
    () => changed(({ tables }) => void Object.assign(first(tables), { name: 'é'.repeat(40) })),
    /has an invalid manifest/,
  ],
  'a table twice': [
    () => changed(({ tables }) => void tables.push({ ...first(tables), rows: 0, parts: [] })),
    /has the table ".*" twice/,
  ],
  'an unknown migration': [
    () => changed(({ migrations }) => void migrations.push({ name: '20991231000000_x', hash: '0'.repeat(64) })),
    /has other migrations than this installation: 20991231000000_x has been applied, but the code has no such/,
  ],
  'a changed migration': [
    () => changed(({ migrations }) => void Object.assign(first(migrations), { hash: '0'.repeat(64) })),
    /has other migrations than this installation: .* has been changed since it was applied/,
  ],
  'files of an unknown kind': [
    () => [
      ...good.slice(0, -2),
      { name: 'files/000001', content: Buffer.alloc(0) },
      ...changed(({ files }) => void files.push({ kind: 'evil', name: '../x', bytes: 0, sha256: emptyHash })).slice(-2),
    ],
    /has files of the kind "evil", which no module of this installation keeps/,
  ],
  'a number of rows that is wrong': [
    () => changed(({ tables }) => void Object.assign(first(tables.filter(({ rows }) => rows === 100)), { rows: 99 })),
    /has 100 rows of the table "products" instead of 99/,
  ],
  'rows that end early': [
    () => withContent(good, rowsOf('orders'), Buffer.from('\\.\n')),
    /has 0 rows of the table "orders" instead of 1|has rows of the table "orders" that cannot be stored/,
  ],
  'rows that are no values': [
    () => withContent(good, rowsOf('orders'), Buffer.from('a\tb\tc\td\n')),
    /has rows of the table "orders" that cannot be stored: .*invalid input syntax/,
  ],
};

const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function withHeader(header: unknown): readonly TestEntry[] {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  return good.map((each) => (each.name === 'tenantry.json' ? { ...each, content: Buffer.from(text) } : each));
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(3) ^ 1, 3);
  return copy;
}

describe('an archive', () => {
  it.each(Object.entries(entries))('with %s is refused with a sentence', async (_, [make, sentence]) => {
    await writeArchive(lab.file, make());
    await lab.expectRefused(sentence);
  });

  it('that is valid is imported, so the others were refused for their own reasons', async () => {
    const { fleet, file, before } = lab;
    await writeArchive(file, good);
    expect(await leftovers(fleet)).toEqual(before);
    expect(await importFrom(fleet, file, 'fine')).toMatchObject({ exit: 0, stderr: '' });
    expect(content(rowsOf('products')).length).toBeGreaterThan(100);
    expect(await importFrom(fleet, file, 'fine')).toMatchObject({
      exit: 1,
      stderr: 'A tenant with the slug fine already exists\n',
    });
  });
});
