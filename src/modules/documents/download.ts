import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { create as contentDisposition } from 'content-disposition';
import { AppError, type RouteRequest } from '../../platform.ts';
import { type Content, chooseRange, isCurrent } from './byte-ranges.ts';
import { File } from './file.entity.ts';
import { verifyDownload } from './file-urls.ts';
import { type ByteRange, fileKey } from './store/file-store.ts';
import { reportFailure } from './store/store-failure.ts';
import { storeOf } from './store/store-of.ts';
import { type Transfers, transferLimitMs } from './transfers.ts';

/** A file whose content is stored. */
type StoredFile = File & { readonly sha256: string; readonly uploadedAt: Date };

/** Sends the content of the file that the URL of a request is for, or a range of it. */
export async function sendDownload(request: RouteRequest, transfers: Transfers): Promise<void> {
  const { incoming, response, services, rest, gone, log } = request;
  const { tenant, file: id } = await verifyDownload(services, rest);
  const file = await request.inTenant(tenant, async (em) => storedFile(await em.findOne(File, { id }), id));
  const content = {
    size: file.size,
    etag: `"${file.sha256}"`,
    lastModified: file.uploadedAt.toUTCString(),
  };
  describe(response, file, content);
  if (isCurrent(incoming.headers, content)) return void response.writeHead(304).end();
  const range = incoming.method === 'GET' ? chooseRange(incoming.headers, content) : undefined;
  if (range === 'unsatisfiable') throw outOfRange(response, content);
  if (range) response.setHeader('content-range', `bytes ${range.start}-${range.end}/${file.size}`);
  const bytes = range ?? { start: 0, end: file.size - 1 };
  const length = bytes.end - bytes.start + 1;
  const head = { 'content-type': file.contentType, 'content-length': length };
  if (incoming.method === 'HEAD') return void response.writeHead(200, head).end();
  using _transfer = transfers.begin(tenant);
  const source = await openFile(request, fileKey(tenant, id), bytes);
  request.stream(transferLimitMs(length));
  response.writeHead(range ? 206 : 200, head);
  source.once('error', (err) => {
    if (!gone.aborted) log.error({ err, tenant, file: id }, 'cannot read a file from the store');
  });
  // What fails now is logged, and the client sees that the content is cut off.
  await pipeline(source, response).catch(() => undefined);
}

function outOfRange(response: ServerResponse, { size }: Content): AppError {
  response.setHeader('content-range', `bytes */${size}`);
  return new AppError('BAD_USER_INPUT', `The range is not in the file, which has ${size} bytes`, {
    details: { field: 'range', http: { status: 416 } },
  });
}

function storedFile(file: File | null, id: string): StoredFile {
  if (!file) throw new AppError('NOT_FOUND', `There is no file ${id}. It may have been deleted.`);
  if (file.status !== 'STORED') throw new AppError('NOT_FOUND', `The file ${file.id} has not been uploaded yet`);
  // What is stored has both.
  return file as StoredFile;
}

async function openFile(request: RouteRequest, key: string, range: ByteRange) {
  const { services, gone, log } = request;
  const store = await storeOf(services);
  const source = await store.read(key, range, gone).catch(reportFailure(request));
  if (source) return source;
  log.error({ key }, 'the content of a file is missing in the store');
  throw new AppError(
    'NOT_FOUND',
    'The content of this file is missing. A neutralized clone of a tenant has no contents of files.',
  );
}

/** A browser must not take a tenant's file for a part of the product, whatever is in it. */
function describe(response: ServerResponse, { name }: StoredFile, { etag, lastModified }: Content): void {
  const headers = {
    etag,
    'last-modified': lastModified,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-disposition': contentDisposition(name),
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}
