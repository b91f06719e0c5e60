import { describe, expect, it } from 'vitest';
import { createSecretBox } from '../../src/lib/encryption.ts';

const secret = 's'.repeat(32);
const text = 'postgres://owner:pässword@db.example.com/postgres';

describe('a secret box', () => {
  const box = createSecretBox(secret, 'tests');
  const sealed = box.seal(text, 'b');

  it('gives back what was sealed, in any process that has the secret', () => {
    expect(createSecretBox(secret, 'tests').open(sealed, 'b')).toBe(text);
    expect(box.open(box.seal('', 'b'), 'b')).toBe('');
  });

  it('shows nothing of it, and not even that two texts are the same', () => {
    expect(sealed).toMatch(/^sealed-v1:[\w-]+$/);
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('owner');
    expect(box.seal(text, 'b')).not.toBe(sealed);
  });

  it('stays closed to another secret, purpose or owner', () => {
    expect(createSecretBox('t'.repeat(32), 'tests').open(sealed, 'b')).toBeUndefined();
    expect(createSecretBox(secret, 'others').open(sealed, 'b')).toBeUndefined();
    expect(box.open(sealed, 'c')).toBeUndefined();
  });

  it('stays closed when a single byte was changed, and for what was never sealed', () => {
    const [prefix = '', body = ''] = sealed.split(':');
    const bytes = Buffer.from(body, 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(box.open(`${prefix}:${changed.toString('base64url')}`, 'b'), `byte ${index}`).toBeUndefined();
    }
    for (const other of ['', text, 'sealed-v1:', `sealed-v2:${body}`, 'sealed-v1:AAAA']) {
      expect(box.open(other, 'b'), other).toBeUndefined();
    }
  });
});
