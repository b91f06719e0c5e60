import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileLab, refusalOf, sha256, stores } from './file-lab.ts';

const content = '0123456789';

describe.each(Object.keys(stores) as (keyof typeof stores)[])('ranges of a file in the store %s', (kind) => {
  let lab: FileLab;
  let link: string;
  beforeAll(async () => {
    lab = await FileLab.start(kind);
    link = await lab.urlOf(await lab.upload(content));
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it.each([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=5-100', '56789', 'bytes 5-9/10'],
    ['bytes=-100', content, 'bytes 0-9/10'],
  ])('%s is a part', async (range, part, contentRange) => {
    const response = await fetch(link, { headers: { range } });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(response.headers.get('content-length')).toBe(String(part.length));
    expect(await response.text()).toBe(part);
  });

  it.each(['bytes=10-', 'bytes=100-200', 'bytes=-0'])('%s is not in it', async (range) => {
    const response = await fetch(link, { headers: { range } });
    expect(response.headers.get('content-range')).toBe('bytes */10');
    expect(await refusalOf(response)).toMatchObject({ status: 416, code: 'BAD_USER_INPUT', field: 'range' });
  });

  it.each(['bytes=4-2', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,3-4', 'bytes', `bytes=${'0-1,'.repeat(1000)}`])(
    '%s is ignored',
    async (range) => {
      const response = await fetch(link, { headers: { range } });
      expect({ status: response.status, text: await response.text() }).toEqual({ status: 200, text: content });
    },
  );

  it('belong to the content that the client knows', async () => {
    const first = await fetch(link);
    const etag = first.headers.get('etag') ?? '';
    const modified = first.headers.get('last-modified') ?? '';
    expect(etag).toBe(`"${sha256(content)}"`);
    const status = async (headers: Record<string, string>) => (await fetch(link, { headers })).status;
    const range = 'bytes=1-2';
    expect(await status({ range, 'if-range': etag })).toBe(206);
    expect(await status({ range, 'if-range': modified })).toBe(206);
    expect(await status({ range, 'if-range': '"other"' })).toBe(200);
    expect(await status({ range, 'if-range': `W/${etag}` })).toBe(200);
    expect(await status({ 'if-none-match': etag })).toBe(304);
    expect(await status({ 'if-none-match': `"other", W/${etag}` })).toBe(304);
    expect(await status({ 'if-none-match': '"other"' })).toBe(200);
  });

  it('are announced by HEAD, which has no body', async () => {
    const response = await fetch(link, { method: 'HEAD', headers: { range: 'bytes=1-2' } });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({ 'accept-ranges': 'bytes', 'content-length': '10' });
    expect(await response.text()).toBe('');
  });
});
