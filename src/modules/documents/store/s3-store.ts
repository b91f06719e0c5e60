import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import type { ModuleServices } from '../../../platform.ts';
import type { ByteRange, FileStore, StoredObject } from './file-store.ts';

type S3Settings = Extract<ModuleServices['files']['store'], { readonly kind: 's3' }>;

/** How many objects are copied or deleted at once. */
const CONCURRENCY = 16;
/** How many connections to the store there can be. Each transfer has one. */
const MAX_SOCKETS = 250;

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {}

/** Stores objects in a bucket of Amazon S3 or of a compatible store. */
export class S3Store implements FileStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor({ bucket, endpoint, region, credentials }: S3Settings) {
    const agent = { maxSockets: MAX_SOCKETS };
    const config: S3ClientConfig = {
      region,
      // Not every compatible store knows the newer checksums.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // What fails is thrown too, and logged with the request.
      logger: silent,
      requestHandler: { connectionTimeout: 5_000, socketTimeout: 30_000, httpAgent: agent, httpsAgent: agent },
      ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
      ...(credentials && { credentials }),
    };
    this.#client = new S3Client(config);
    this.#bucket = bucket;
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>, size: number): Promise<void> {
    // With its length known, an object is one request: the store discards what is incomplete.
    const body = Readable.from(bytes, { objectMode: false });
    const failed = new AbortController();
    body.once('error', (error) => failed.abort(error));
    const command = new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body, ContentLength: size });
    try {
      await this.#client.send(command, { abortSignal: failed.signal });
    } catch (error) {
      throw body.errored ?? error;
    } finally {
      body.destroy();
    }
  }

  async read(key: string, { start, end }: ByteRange, signal: AbortSignal): Promise<Readable | undefined> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key, Range: `bytes=${start}-${end}` });
    const found = await this.#client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    });
    // In Node it is always such a stream.
    return found?.Body as Readable | undefined;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for await (const { Contents = [] } of this.#pages(prefix)) {
      for (const { Key: key, Size: size } of Contents) if (key !== undefined) yield { key, size: size ?? 0 };
    }
  }

  async copyAll(from: string, to: string): Promise<void> {
    await this.#forEach(from, (key) => {
      const [Bucket, target] = [this.#bucket, to + key.slice(from.length)];
      return this.#client.send(new CopyObjectCommand({ Bucket, Key: target, CopySource: `${Bucket}/${key}` }));
    });
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }));
  }

  async deleteAll(prefix: string): Promise<void> {
    await this.#forEach(prefix, (key) => this.delete(key));
  }

  async #forEach(prefix: string, work: (key: string) => Promise<unknown>): Promise<void> {
    const limit = pLimit(CONCURRENCY);
    for await (const { Contents = [] } of this.#pages(prefix)) {
      await limit.map(Contents, async ({ Key: key }) => key !== undefined && work(key));
    }
  }

  #pages(prefix: string) {
    return paginateListObjectsV2({ client: this.#client }, { Bucket: this.#bucket, Prefix: prefix });
  }
}
