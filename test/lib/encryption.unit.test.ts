import { describe, expect, it } from 'vitest';
import { createEncryption } from '../../src/lib/encryption.ts';

const secret = 's'.repeat(32);
const text = 'postgres://owner:pässword@db.example.com/postgres';

describe('a secret box', () => {
  const encryption = createEncryption(secret, 'tests');
  const encryptedText = encryption.encrypt(text, 'b');

  it('decrypts what was encrypted, in any process that has the secret', () => {
    expect(createEncryption(secret, 'tests').decrypt(encryptedText, 'b')).toBe(text);
    expect(encryption.decrypt(encryption.encrypt('', 'b'), 'b')).toBe('');
  });

  it('shows nothing of it, and not even that two texts are the same', () => {
    expect(encryptedText).toMatch(/^sealed-v1:[\w-]+$/);
    expect(Buffer.from(encryptedText, 'base64url').toString('latin1')).not.toContain('owner');
    expect(encryption.encrypt(text, 'b')).not.toBe(encryptedText);
  });

  it('stays closed to another secret, purpose or owner', () => {
    expect(createEncryption('t'.repeat(32), 'tests').decrypt(encryptedText, 'b')).toBeUndefined();
    expect(createEncryption(secret, 'others').decrypt(encryptedText, 'b')).toBeUndefined();
    expect(encryption.decrypt(encryptedText, 'c')).toBeUndefined();
  });

  it('stays closed when a single byte was changed, and for what was never sealed', () => {
    const [prefix = '', body = ''] = encryptedText.split(':');
    const bytes = Buffer.from(body, 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(encryption.decrypt(`${prefix}:${changed.toString('base64url')}`, 'b'), `byte ${index}`).toBeUndefined();
    }
    for (const other of ['', text, 'sealed-v1:', `sealed-v2:${body}`, 'sealed-v1:AAAA']) {
      expect(encryption.decrypt(other, 'b'), other).toBeUndefined();
    }
  });
});
