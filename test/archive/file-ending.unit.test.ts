import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { endingOf, peek } from '../../src/archive/export/file-ending.ts';

it('tells the ending of a file by its first bytes, unless its name has one', () => {
  const of = (text: string, name = 'b1946ac9-2492-4d2a') => endingOf(name, Buffer.from(text, 'latin1'));
  expect(of('%PDF-1.7 …')).toBe('.pdf');
  expect(of('\x89PNG\r\n\x1a\n…')).toBe('.png');
  expect(of('RIFF\x00\x00\x00\x00WEBPVP8 ')).toBe('.webp');
  expect(of('%PDF-1.7 …', 'bill.pdf')).toBe('');
  expect(of('hello')).toBe('');
  expect(of('')).toBe('');
});

it('returns a whole file after a look at its first chunk, and ends it when its reader does', async () => {
  let isEnded = false;
  async function* content() {
    try {
      yield Buffer.from('ab');
      yield Buffer.from('cd');
    } finally {
      isEnded = true;
    }
  }
  const whole = await peek(content());
  expect(whole.start).toEqual(Buffer.from('ab'));
  expect(await text(whole.all)).toBe('abcd');
  isEnded = false;
  for await (const chunk of (await peek(content())).all) {
    expect(chunk).toEqual(Buffer.from('ab'));
    break;
  }
  expect(isEnded).toBe(true);
});
