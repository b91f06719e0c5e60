import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { type Listening, listen } from '../../support/listen.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

/** A file that was announced. */
export interface Announced {
  readonly id: string;
  /** The absolute URL for the upload. */
  readonly url: string;
}

/** What a test says of a file, if it is to differ from a plain text of five bytes. */
export interface Announcement {
  readonly name?: string;
  readonly contentType?: string;
  readonly size?: number;
  readonly sha256?: string;
}

/** Where the bytes of files are, seen from outside of the server. */
export interface TestStore extends AsyncDisposable {
  readonly env: Record<string, string>;
  /** The keys of all that is there, with what is half written. */
  keys(): Promise<string[]>;
  /** Lets this many requests to the store fail. The folder never fails. */
  failNext(count: number): void;
}

/** The stores that the tests run with. */
export const stores: Readonly<Record<'folder' | 's3', () => Promise<TestStore>>> = {
  folder: async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-files-'));
    return {
      env: { FILES_DIR: folder },
      keys: async () => {
        const found = await readdir(folder, { recursive: true, withFileTypes: true });
        return found
          .filter((entry) => entry.isFile())
          .map((entry) => `${path.basename(entry.parentPath)}/${entry.name}`);
      },
      failNext: () => undefined,
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    };
  },
  s3: async () => {
    const server = await startS3Server();
    return {
      env: server.env,
      keys: async () => [...server.objects.keys(), ...Array<string>(server.writing).fill('half written')],
      failNext: (count) => server.failNext(count),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

/** A server with files, two tenants of each isolation, and what their members do. */
export class FileLab implements AsyncDisposable {
  readonly app: TestApp;
  readonly server: Listening;
  readonly store: TestStore;
  readonly #parts: AsyncDisposable;

  private constructor(app: TestApp, server: Listening, store: TestStore, parts: AsyncDisposable) {
    this.app = app;
    this.server = server;
    this.store = store;
    this.#parts = parts;
  }

  static async start(kind: keyof typeof stores = 'folder', env: Record<string, string> = {}): Promise<FileLab> {
    await using stack = new AsyncDisposableStack();
    const store = stack.use(await stores[kind]());
    const app = stack.use(await startTestApp({ ...store.env, ...env }));
    const server = stack.use(await listen(app.yoga));
    const lab = new FileLab(app, server, store, stack.move());
    await lab.createTenant('acme', 'SCHEMA');
    await lab.createTenant('beta', 'DATABASE');
    return lab;
  }

  async createTenant(slug: string, isolation: 'SCHEMA' | 'DATABASE'): Promise<void> {
    const input = `{ slug: "${slug}", name: "x", isolation: ${isolation} }`;
    const { errors } = await this.app.ask(`mutation { createTenant(input: ${input}) { id } }`, this.app.admin);
    expect(errors).toBeUndefined();
  }

  /** Asks as a member of a tenant; the caller knows what the query asks for. */
  async ask<Data>(query: string, slug = 'acme'): Promise<Data> {
    const { data, errors } = await this.server.ask<Data>(query, await this.app.tokenFor(slug));
    expect(errors, query).toBeUndefined();
    return data ?? expect.unreachable(query);
  }

  /** The first error of an operation of a tenant's member. */
  async refusal(query: string, slug = 'acme') {
    const { errors } = await this.server.ask(query, await this.app.tokenFor(slug));
    return errors?.[0] ?? expect.unreachable(`was not refused: ${query}`);
  }

  announceText({ name = 'note.txt', contentType = 'text/plain', size = 5, sha256 }: Announcement = {}): string {
    const hash = sha256 === undefined ? '' : `, sha256: "${sha256}"`;
    const input = `{ name: ${JSON.stringify(name)}, contentType: "${contentType}", size: ${size}${hash} }`;
    return `mutation { createUpload(input: ${input}) { url expiresAt file { id status downloadUrl } } }`;
  }

  /** Announces a file. */
  async announce(announcement: Announcement = {}, slug = 'acme'): Promise<Announced> {
    const { createUpload } = await this.ask<{ createUpload: { url: string; file: { id: string } } }>(
      this.announceText(announcement),
      slug,
    );
    return { id: createUpload.file.id, url: this.absolute(createUpload.url) };
  }

  /** Announces and uploads a file; gives its id. */
  async upload(content: string | Buffer, announcement: Announcement = {}, slug = 'acme'): Promise<string> {
    const size = Buffer.byteLength(content);
    const { id, url } = await this.announce({ size, ...announcement }, slug);
    const response = await put(url, content, announcement.contentType);
    expect(response.status).toBe(201);
    return id;
  }

  /** The absolute URL for the download of a file. */
  async urlOf(id: string, slug = 'acme'): Promise<string> {
    const { file } = await this.ask<{ file: { downloadUrl: string } }>(`{ file(id: "${id}") { downloadUrl } }`, slug);
    return this.absolute(file.downloadUrl);
  }

  absolute(url: string): string {
    expect(url).toMatch(/^\/files\//);
    return new URL(url, this.server.url).href;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}

/** Uploads a content. */
export function put(url: string, content: string | Buffer, type = 'text/plain'): Promise<Response> {
  return fetch(url, { method: 'PUT', headers: { 'content-type': type }, body: new Uint8Array(Buffer.from(content)) });
}

/** The code and the message of a refusal by the route. */
export async function refusalOf(response: Response) {
  const { errors } = (await response.json()) as { errors: { message: string; extensions: Record<string, unknown> }[] };
  const { code, field } = errors[0]?.extensions ?? {};
  return { status: response.status, code, message: errors[0]?.message, ...(field !== undefined && { field }) };
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
