import { z } from 'zod';
import { AppError, badInput, type Context, isPlainLine } from '../../platform.ts';
import { File } from './file.entity.ts';
import { expiry, uploadUrl } from './file-urls.ts';
import { removeAbandoned } from './remove-files.ts';

/** What a client says of the file that it is going to upload. */
export interface UploadInput {
  readonly name: string;
  readonly contentType: string;
  /** In bytes. */
  readonly size: string;
  readonly sha256?: string | null | undefined;
}

/** A file that can be uploaded now. */
export interface Upload {
  /** The file's id. */
  readonly file: string;
  readonly url: string;
  readonly expiresAt: Date;
}

/** How many uploads of a tenant can be outstanding. */
const MAX_OUTSTANDING = 1_000;

/** The name of a file. It is only shown to people and sent to their browsers. */
export const fileName = z
  .string()
  .trim()
  .refine((name) => name !== '' && name.length <= 255 && isPlainLine(name) && !/[/\\]|^\.\.?$/.test(name), {
    error: 'The name must have 1 to 255 characters on one line, without slashes, such as report.pdf',
  });

/**
 * Creates the row of a file, and a URL that accepts its content.
 * @throws {AppError} BAD_USER_INPUT, or RATE_LIMITED if too many uploads are outstanding
 */
export async function createUpload(context: Context, input: UploadInput): Promise<Upload> {
  const { tenant, moduleServices } = context;
  const valid = validUpload(context, input);
  await removeAbandoned(context);
  const em = tenant.em.fork();
  if ((await em.count(File, { status: { $ne: 'STORED' } })) >= MAX_OUTSTANDING) {
    const message = `${MAX_OUTSTANDING} uploads have not ended. Finish some, or wait until their URLs expire.`;
    throw new AppError('RATE_LIMITED', message, { details: { retryAfterMs: moduleServices.files.urlSeconds * 1000 } });
  }
  const { name, contentType, size, sha256 } = valid;
  const expiresAt = expiry(moduleServices);
  const file = em.create(File, { name, contentType, size, status: 'PENDING', uploadDeadline: expiresAt });
  await em.flush();
  const grant = { tenant: tenant.row.id, file: file.id, size, type: contentType, ...(sha256 && { sha256 }) };
  return { file: file.id, url: await uploadUrl(moduleServices, grant, expiresAt), expiresAt };
}

function validUpload({ moduleServices: { files } }: Context, { name, contentType, size, sha256 }: UploadInput) {
  const validName = fileName.safeParse(name);
  if (!validName.success) throw badInput('name', validName.error.issues[0]?.message ?? 'The name is not valid');
  const type = contentType.toLowerCase();
  if (!/^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}$/.test(type)) {
    throw badInput('contentType', 'The content type must have the form type/subtype, without parameters');
  }
  if (!files.contentTypes.some((allowed) => matches(allowed, type))) {
    throw badInput(
      'contentType',
      `Files of the type ${type} are not accepted. Accepted are ${files.contentTypes.join(', ')}.`,
    );
  }
  const bytes = Number(size);
  if (bytes < 1) throw badInput('size', 'A file must have at least 1 byte');
  if (bytes > files.maxBytes) throw badInput('size', `A file can have up to ${files.maxBytes} bytes`);
  const hash = sha256?.toLowerCase();
  if (hash !== undefined && !/^[0-9a-f]{64}$/.test(hash))
    throw badInput('sha256', 'A SHA-256 has 64 hexadecimal digits');
  return { name: validName.data, contentType: type, size: bytes, sha256: hash };
}

/** @param allowed a content type, or its beginning followed by `*` */
function matches(allowed: string, type: string): boolean {
  return allowed.endsWith('*') ? type.startsWith(allowed.slice(0, -1)) : type === allowed;
}
