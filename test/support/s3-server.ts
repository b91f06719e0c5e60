import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A store for tests that speaks S3 with path-style addresses. */
export interface S3Server extends AsyncDisposable {
  /** Settings of an installation that stores its files here. */
  readonly env: Record<string, string>;
  /** What is stored, by key. */
  readonly objects: Map<string, Buffer>;
  /** How many objects are being written. */
  readonly writing: number;
  /** Answers this many of the next requests with an internal error. */
  failNext(count: number): void;
}

const bucket = 'files';
const region = 'eu-test-1';
const accessKey = 'AKIATEST';
const secret = 'a secret/of the+bucket';
/** Small, so that every list has pages. */
const PAGE = 3;

/**
 * Starts it. It verifies every signature, keeps objects in memory, stores an object when all of it has arrived, and lists in
 * pages, as the specification says.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
export async function startS3Server(): Promise<S3Server> {
  const objects = new Map<string, Buffer>();
  const state = { failures: 0, writing: 0 };

  async function put(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
    const source = request.headers['x-amz-copy-source'];
    if (source !== undefined) {
      const copied = objects.get(decodeURIComponent(String(source)).slice(bucket.length + 1));
      if (!copied) return sendError(response, 404, 'NoSuchKey');
      objects.set(key, copied);
      return sendXml(response, '<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>');
    }
    const length = request.headers['content-length'];
    if (length === undefined) return sendError(response, 411, 'MissingContentLength');
    state.writing += 1;
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      const hash = request.headers['x-amz-content-sha256'];
      if (hash !== 'UNSIGNED-PAYLOAD' && hash !== sha256(body)) {
        return sendError(response, 400, 'XAmzContentSHA256Mismatch');
      }
      if (body.length !== Number(length)) return sendError(response, 400, 'IncompleteBody');
      objects.set(key, body);
      response.writeHead(200, { etag: '"x"' }).end();
    } finally {
      state.writing -= 1;
    }
  }

  function get(request: IncomingMessage, response: ServerResponse, key: string): void {
    const body = objects.get(key);
    if (!body) {
      sendError(response, 404, 'NoSuchKey');
      return;
    }
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (start === undefined) {
      response.writeHead(200, { 'content-length': body.length }).end(body);
      return;
    }
    const part = body.subarray(Number(start), Number(end) + 1);
    response.writeHead(206, { 'content-length': part.length, 'content-range': `bytes ${start}-${end}/${body.length}` });
    response.end(part);
  }

  function list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, PAGE);
    const contents = page.map(
      (key) => `<Contents><Key>${key}</Key><Size>${objects.get(key)?.length}</Size></Contents>`,
    );
    const next = keys.length > PAGE ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    sendXml(
      response,
      `<ListBucketResult><IsTruncated>${keys.length > PAGE}</IsTruncated>${contents.join('')}${next}</ListBucketResult>`,
    );
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x');
    const [, name, ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    if (state.failures > 0) {
      state.failures -= 1;
      return sendError(response, 500, 'InternalError');
    }
    if (!isSigned(request, url)) return sendError(response, 403, 'SignatureDoesNotMatch');
    if (name !== bucket) return sendError(response, 404, 'NoSuchBucket');
    if (key === '' && url.searchParams.get('list-type') === '2') return list(response, url.searchParams);
    if (key === '') return sendError(response, 501, 'NotImplemented');
    if (request.method === 'PUT') return put(request, response, key);
    if (request.method === 'GET') return get(request, response, key);
    if (request.method !== 'DELETE') return sendError(response, 501, 'NotImplemented');
    objects.delete(key);
    response.writeHead(204).end();
  }

  const server = createServer((request, response) => {
    // A client that leaves ends its own request only.
    answer(request, response).catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    env: {
      FILES_S3_BUCKET: bucket,
      FILES_S3_ENDPOINT: `http://127.0.0.1:${port}`,
      FILES_S3_REGION: region,
      FILES_S3_ACCESS_KEY_ID: accessKey,
      FILES_S3_SECRET_ACCESS_KEY: secret,
    },
    objects,
    get writing() {
      return state.writing;
    },
    failNext(count) {
      state.failures = count;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function sendXml(response: ServerResponse, xml: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${xml}`);
}

function sendError(response: ServerResponse, status: number, code: string): void {
  sendXml(response, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`, status);
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function isSigned({ method, headers }: IncomingMessage, url: URL): boolean {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(\w{64})$/;
  const [, key, day = '', itsRegion = '', names = '', signature] = pattern.exec(headers.authorization ?? '') ?? [];
  if (key !== accessKey || itsRegion !== region) return false;
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const signed = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const hash = String(headers['x-amz-content-sha256']);
  const canonical = [method, url.pathname, query, signed.join(''), names, hash].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (previous, part) => createHmac('sha256', previous).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', signingKey).update(text).digest('hex') === signature;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
