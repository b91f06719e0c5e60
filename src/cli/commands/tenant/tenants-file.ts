import { open } from 'node:fs/promises';
import type { Isolation } from '../../../catalog/entities/tenant.entity.ts';
import { messageOf } from '../../../lib/errors.ts';
import { unopenable } from '../../../lib/files.ts';
import type { CreateTenantInput } from '../../../tenants/create.ts';

/** A tenant to create, and where it was named, for messages about several. */
export interface NamedInput {
  readonly at: string;
  readonly input: CreateTenantInput;
}

const columns = ['slug', 'name', 'isolation', 'host', 'server'] as const;

type Row = Partial<Record<(typeof columns)[number], string>>;

/** The size limits of a file. */
const MAX_BYTES = 10_000_000;
const MAX_TENANTS = 10_000;

/**
 * Reads tenants from a CSV file with a header.
 * @param path `-` for standard input
 * @param common what applies to tenants whose row says nothing else
 * @throws {AppError} BAD_USER_INPUT if the file cannot be opened
 * @throws {Error} that names the line, if it is empty or malformed
 */
export async function readTenantsFile(
  path: string,
  stdin: NodeJS.ReadableStream,
  common: Pick<CreateTenantInput, 'isolation' | 'server'>,
): Promise<readonly NamedInput[]> {
  const { parse } = await import('csv-parse/sync');
  const text = path === '-' ? await readAll(stdin) : await readNamed(path);
  const rows: { info: { lines: number }; record: Row }[] = [];
  try {
    rows.push(
      ...parse<{ info: { lines: number }; record: Row }>(text, {
        bom: true,
        columns: checkHeader,
        info: true,
        skip_empty_lines: true,
        trim: true,
      }),
    );
  } catch (error) {
    throw new Error(`The file of tenants cannot be read: ${messageOf(error)}`, { cause: error });
  }
  // The parser does not call checkHeader for it. Trimming removes a byte order mark too.
  if (rows.length === 0 && text.toString().trim() === '') {
    throw new Error('The file of tenants is empty: its first line must name the columns, and one must be slug');
  }
  if (rows.length > MAX_TENANTS) {
    throw new Error(`The file has ${rows.length} tenants, and a file may have ${MAX_TENANTS}: divide it`);
  }
  return rows.map(({ info, record }) => inputOf(`line ${info.lines}`, record, common));
}

function checkHeader(header: readonly string[]): string[] {
  const unknown = header.filter((name) => !columns.some((known) => known === name));
  if (unknown.length > 0)
    throw new Error(`it has the unknown columns ${unknown.join(', ')}; the columns are ${columns.join(', ')}`);
  if (!header.includes('slug')) throw new Error('its first line must name the columns, and one must be slug');
  return [...header];
}

function inputOf(at: string, row: Row, common: Pick<CreateTenantInput, 'isolation' | 'server'>): NamedInput {
  const { slug = '', name, host, server } = row;
  return {
    at,
    input: {
      slug,
      name: name || slug,
      isolation: isolationOf(at, row.isolation) ?? common.isolation,
      host: host || undefined,
      server: server || common.server,
    },
  };
}

function isolationOf(at: string, text: string | undefined): Isolation | undefined {
  switch (text?.toLowerCase()) {
    case undefined:
    case '':
      return undefined;
    case 'database':
      return 'DATABASE';
    case 'schema':
      return 'SCHEMA';
    default:
      throw new Error(`${at}: the isolation is database or schema, not ${text}`);
  }
}

async function readNamed(path: string): Promise<Buffer> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unopenable('file', path, 'read', error);
  });
  // The stream closes the file. A folder can be opened, but not read.
  const stream = file.createReadStream();
  return readAll(stream).catch((error: unknown) => {
    throw error === stream.errored ? unopenable('file', path, 'read', error) : error;
  });
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream) {
    const buffer = Buffer.from(part);
    bytes += buffer.length;
    if (bytes > MAX_BYTES) throw new Error(`The file of tenants is larger than ${MAX_BYTES} bytes: divide it`);
    parts.push(buffer);
  }
  return Buffer.concat(parts);
}
