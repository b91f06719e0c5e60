import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileLab, put, refusalOf, sha256, stores } from './file-lab.ts';

const text = { 'content-type': 'text/plain' };

/** Uploads with any header, and in pieces if the length is not told. */
function send(url: string, body: string, headers: Record<string, string | number>, method = 'PUT') {
  return new Promise<{ status: number; code: unknown; field: unknown }>((resolve, reject) => {
    const sent = httpRequest(url, { method, headers, agent: false }, (response) => {
      let all = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        all += part;
      });
      response.on('end', () => {
        const { code, field } = (all ? JSON.parse(all) : {}).errors?.[0]?.extensions ?? {};
        resolve({ status: response.statusCode ?? 0, code, field });
      });
    });
    sent.on('error', reject);
    sent.write(body.slice(0, 2));
    sent.end(body.slice(2));
  });
}

describe.each(Object.keys(stores) as (keyof typeof stores)[])('an upload to the store %s', (kind) => {
  let lab: FileLab;
  beforeAll(async () => {
    lab = await FileLab.start(kind, { FILES_MAX_BYTES: '1000000', FILES_CONTENT_TYPES: 'text/plain, image/*' });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it.each([
    ['too long', 'hello!', { ...text, 'content-length': 6 }, { status: 413, field: 'size' }],
    ['too short', 'hell', { ...text, 'content-length': 4 }, { status: 400, field: 'size' }],
    ['too long, in pieces', 'hello!', text, { status: 413, field: 'size' }],
    ['too short, in pieces', 'hell', text, { status: 400, field: 'size' }],
    ['empty', '', { ...text, 'content-length': 0 }, { status: 400, field: 'size' }],
    ['of another content', 'jello', { ...text, 'content-length': 5 }, { status: 400, field: 'sha256' }],
    ['of another type', 'hello', { 'content-type': 'text/html' }, { status: 415, field: 'contentType' }],
    ['without a type', 'hello', {}, { status: 415, field: 'contentType' }],
    ['compressed', 'hello', { ...text, 'content-encoding': 'gzip' }, { status: 415, field: 'contentEncoding' }],
  ])('is refused if it is %s, leaves nothing, and can be tried again', async (_name, body, headers, expected) => {
    const { id, url } = await lab.announce({ sha256: sha256('hello') });
    expect(await send(url, body, headers)).toEqual({ code: 'BAD_USER_INPUT', ...expected });
    expect(await lab.store.keys()).toEqual([]);
    expect(await lab.ask(`{ file(id: "${id}") { status } }`)).toEqual({ file: { status: 'PENDING' } });
    expect((await put(url, 'hello', 'Text/Plain; charset=utf-8')).status).toBe(201);
    expect(await lab.ask(`mutation { deleteFile(id: "${id}") }`)).toEqual({ deleteFile: true });
  });

  it('is possible once, however many try', async () => {
    const contents = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(200_000));
    const { id, url } = await lab.announce({ size: 200_000 });
    const answers = await Promise.all(contents.map((content) => put(url, content)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([201, 409, 409, 409, 409]);
    expect(await refusalOf(await put(url, contents[0] ?? ''))).toMatchObject({
      status: 409,
      code: 'CONFLICT',
      message: 'This URL has been used: the file is stored.',
    });
    expect(await (await fetch(await lab.urlOf(id))).text()).toBe(contents[statuses.indexOf(201)]);
    await lab.ask(`mutation { deleteFile(id: "${id}") }`);
  });

  it('of a deleted file is refused', async () => {
    const { id, url } = await lab.announce();
    expect(await lab.ask(`mutation { deleteFile(id: "${id}") }`)).toEqual({ deleteFile: true });
    expect(await refusalOf(await put(url, 'hello'))).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect(await lab.store.keys()).toEqual([]);
  });
});

describe('what clients say of files', () => {
  let lab: FileLab;
  beforeAll(async () => {
    lab = await FileLab.start('folder', { FILES_MAX_BYTES: '1000000', FILES_CONTENT_TYPES: 'text/plain, image/*' });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it.each([
    ['name', { name: ' ' }],
    ['name', { name: 'a/b.txt' }],
    ['name', { name: '..\\b.txt' }],
    ['name', { name: '..' }],
    ['name', { name: 'a\r\nset-cookie: x' }],
    ['name', { name: 'a\0' }],
    ['name', { name: 'exe\u202etxt.' }],
    ['name', { name: 'x'.repeat(256) }],
    ['contentType', { contentType: 'text/html' }],
    ['contentType', { contentType: 'text/plain; charset=utf-8' }],
    ['contentType', { contentType: 'image/' }],
    ['size', { size: 0 }],
    ['size', { size: -1 }],
    ['size', { size: 1_000_001 }],
    ['sha256', { sha256: 'g'.repeat(64) }],
    ['sha256', { sha256: 'abc' }],
  ])('is refused where the %s cannot be: %j', async (field, announcement) => {
    const { extensions } = await lab.refusal(lab.announceText(announcement));
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('has no half surrogates', async () => {
    const query =
      'mutation ($name: String!) { createUpload(input: { name: $name, contentType: "text/plain", size: 1 }) { url } }';
    const { code } = await lab.server.post({ query, variables: { name: '\ud800' } }, await lab.app.tokenFor('acme'));
    expect(code).toBe('BAD_USER_INPUT');
  });

  it.each([
    'résumé “draft”.txt',
    "a\"b;c='d'%20.txt",
    '報告書 🎉.txt',
    'con',
    '.htaccess',
    '<script>alert(1)</script'.replace('/', '-'),
  ])('reaches browsers as it is: %s', async (name) => {
    const id = await lab.upload('hello', { name, size: 5 });
    const response = await fetch(await lab.urlOf(id));
    const { parse } = await import('content-disposition');
    const header = response.headers.get('content-disposition') ?? '';
    expect(header).toMatch(/^attachment; filename[*=][\x20-\x7e]*$/);
    const { filename } = parse(header).parameters;
    expect(filename).toBe(name);
  });

  it('is needed before a document can have the file', async () => {
    const { id } = await lab.announce();
    const create = `mutation { createDocument(input: { title: "x", file: "${id}" }) { id } }`;
    expect((await lab.refusal(create)).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'file' });
  });
});
