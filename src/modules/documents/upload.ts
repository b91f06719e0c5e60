import type { IncomingHttpHeaders } from 'node:http';
import { AppError, type RouteRequest } from '../../platform.ts';
import { CheckedBytes, wrongSize } from './checked-bytes.ts';
import { File } from './file.entity.ts';
import { type UploadGrant, verifyUpload } from './file-urls.ts';
import { fileKey } from './store/file-store.ts';
import { reportFailure } from './store/store-failure.ts';
import { storeOf } from './store/store-of.ts';
import { type Transfers, transferLimitMs } from './transfers.ts';

/** Stores the body of a request as the content of the file that its URL is for. */
export async function receiveUpload(request: RouteRequest, transfers: Transfers): Promise<void> {
  const { incoming, response, services, rest } = request;
  const grant = await verifyUpload(services, rest);
  checkHeaders(incoming.headers, grant, services.files.maxBytes);
  using _transfer = transfers.begin(grant.tenant);
  const limitMs = transferLimitMs(grant.size);
  const store = await storeOf(services);
  await claim(request, grant, limitMs);
  const key = fileKey(grant.tenant, grant.file);
  const bytes = new CheckedBytes(incoming, grant);
  try {
    request.stream(limitMs);
    await store.write(key, bytes, grant.size).catch(reportFailure(request));
    await finish(request, grant, bytes.sha256);
  } catch (error) {
    // The client can send the rest, which nobody reads, until it has read the response.
    incoming.resume();
    await giveBack(request, grant, () => store.delete(key));
    throw error;
  }
  const body = JSON.stringify({ id: grant.file, size: grant.size, sha256: bytes.sha256 });
  response.writeHead(201, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body);
}

function checkHeaders(headers: IncomingHttpHeaders, grant: UploadGrant, maxBytes: number): void {
  const { 'content-type': type = '', 'content-length': length, 'content-encoding': encoding } = headers;
  if (type.split(';', 1)[0]?.trim().toLowerCase() !== grant.type) {
    throw badHeader(
      'contentType',
      `The URL is for the content type ${grant.type}. Send it in the header content-type.`,
    );
  }
  if (encoding !== undefined) throw badHeader('contentEncoding', 'Send the file without a content-encoding.');
  const bytes = length === undefined ? grant.size : Number(length);
  if (bytes !== grant.size) throw wrongSize(grant, bytes, bytes > grant.size ? 413 : 400);
  // The setting may have changed since.
  if (grant.size > maxBytes) throw wrongSize({ ...grant, size: maxBytes }, bytes, 413);
}

function badHeader(field: string, message: string): AppError {
  return new AppError('BAD_USER_INPUT', message, { details: { field, http: { status: 415 } } });
}

/** Makes sure that nobody else uploads the same file. A process that dies leaves it to the deadline. */
async function claim({ inTenant }: RouteRequest, { tenant, file }: UploadGrant, limitMs: number): Promise<void> {
  const uploadDeadline = new Date(Date.now() + limitMs);
  await inTenant(tenant, async (em) => {
    const isOurs = await em.nativeUpdate(
      File,
      { id: file, status: 'PENDING' },
      { status: 'UPLOADING', uploadDeadline },
    );
    if (isOurs > 0) return;
    const found = await em.findOne(File, { id: file });
    if (!found) throw new AppError('NOT_FOUND', `The file ${file} was deleted. Create a new upload.`);
    const message =
      found.status === 'STORED'
        ? 'This URL has been used: the file is stored.'
        : 'The file is being uploaded with this URL by another request.';
    throw new AppError('CONFLICT', message);
  });
}

async function finish({ inTenant }: RouteRequest, { tenant, file }: UploadGrant, sha256: string): Promise<void> {
  const stored = { status: 'STORED', sha256, uploadedAt: new Date() } as const;
  const count = await inTenant(tenant, (em) => em.nativeUpdate(File, { id: file, status: 'UPLOADING' }, stored));
  if (count === 0) throw new AppError('NOT_FOUND', `The file ${file} was deleted during the upload.`);
}

/** Removes what a failed upload may have stored, and lets the URL be used again. If that fails too, the deadline passes. */
async function giveBack(
  { inTenant, log }: RouteRequest,
  { tenant, file, expiresAt }: UploadGrant & { readonly expiresAt: Date },
  removeBytes: () => Promise<void>,
): Promise<void> {
  try {
    const found = await inTenant(tenant, (em) => em.findOne(File, { id: file }));
    // The row may have been written although the connection failed.
    if (found?.status === 'STORED') return;
    await removeBytes();
    const pending = { status: 'PENDING', uploadDeadline: expiresAt } as const;
    await inTenant(tenant, (em) => em.nativeUpdate(File, { id: file, status: 'UPLOADING' }, pending));
  } catch (err) {
    log.warn({ err, tenant, file }, 'could not clean up after a failed upload; the next uploads of the tenant will');
  }
}
