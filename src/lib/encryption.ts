import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Encrypts texts that are stored where others can read them. */
export interface Encryption {
  /**
   * Encrypts a text.
   * @param owner what the text belongs to; it can only be decrypted for this owner, so it cannot be moved to another one
   */
  encrypt(text: string, owner: string): string;
  /** Decrypts a text. Returns undefined if it was encrypted with another secret or for another owner, or was modified. */
  decrypt(encryptedText: string, owner: string): string | undefined;
}

/** The version of the format: a change of the format needs a new prefix. */
const PREFIX = 'sealed-v1:';
const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with a key derived from a secret by HKDF. The nonce, tag and ciphertext follow the prefix, in base64url.
 * @param secret at least 32 bytes
 * @param purpose separates the keys of different uses of the same secret
 */
export function createEncryption(secret: string, purpose: string): Encryption {
  const key = deriveKey(secret, purpose);
  return {
    encrypt(text, owner) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(owner));
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return PREFIX + Buffer.concat([nonce, cipher.getAuthTag(), encrypted]).toString('base64url');
    },
    decrypt(encryptedText, owner) {
      if (!encryptedText.startsWith(PREFIX)) return undefined;
      const bytes = Buffer.from(encryptedText.slice(PREFIX.length), 'base64url');
      const [nonce, rest] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)];
      try {
        const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
          .setAAD(Buffer.from(owner))
          .setAuthTag(rest.subarray(0, TAG_BYTES));
        return decipher.update(rest.subarray(TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * Derives a key of 32 bytes from a secret by HKDF.
 * @param secret at least 32 bytes
 * @param purpose separates the keys of different uses of the same secret
 * @see https://www.rfc-editor.org/rfc/rfc5869
 */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
}
