import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import pLimit from 'p-limit';
import { AppError, badInput } from '../lib/errors.ts';

const argon2Async = promisify(argon2);

/**
 * The cost of a new hash: memory in KiB, number of passes, and parallelism.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
 */
const cost = { memory: 19_456, passes: 2, parallelism: 1 } as const;

const SALT_BYTES = 16;
const TAG_BYTES = 32;
const MIN_LENGTH = 12;
/** Keeps callers from sending megabytes. */
const MAX_LENGTH = 1000;
/**
 * Hashing occupies threads that token verification needs too, so it may use half of them, and it leaves one processor
 * to other requests.
 */
const AT_ONCE = Math.max(1, Math.min(2, availableParallelism() - 1));
const MAX_WAITING = 100;

/** Hashes and verifies passwords. */
export interface Passwords {
  /**
   * Hashes a password in PHC format.
   * @throws {AppError} SERVER_BUSY if too many hashes are requested at once
   * @see https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
   */
  hash(password: string): Promise<string>;
  /**
   * Whether the password matches the hash. Without a hash the result is false, after the same amount of work.
   * @throws {AppError} SERVER_BUSY if too many hashes are requested at once
   */
  verify(password: string, hash: string | undefined): Promise<boolean>;
}

/** @throws {AppError} BAD_USER_INPUT if the password is too short or too long */
export function checkNewPassword(field: string, password: string): void {
  const length = [...password].length;
  if (length < MIN_LENGTH) throw badInput(field, `The password must have at least ${MIN_LENGTH} characters`);
  if (length > MAX_LENGTH) throw badInput(field, `The password must have at most ${MAX_LENGTH} characters`);
}

/** Whether a new hash of the same password would be stronger. */
export function isWeak(hash: string): boolean {
  const parsed = parse(hash);
  return !parsed || parsed.memory < cost.memory || parsed.passes < cost.passes || parsed.tag.length < TAG_BYTES;
}

/** Hashes with Argon2id, a few at a time; see {@link Passwords}. */
export function createPasswords(): Passwords {
  const limit = pLimit(AT_ONCE);
  const derive = (password: string, { tag, salt, ...rest }: Omit<Hash, 'tag'> & { tag: number }) => {
    if (limit.pendingCount >= MAX_WAITING) {
      const message = 'Too many people are signing in. Try again in a moment.';
      throw new AppError('SERVER_BUSY', message, { details: { retryAfterMs: 1000 } });
    }
    // The same characters can be entered as different code points; see RFC 8265, section 4.2.
    const message = password.normalize('NFC');
    return limit(() => argon2Async('argon2id', { message, nonce: salt, tagLength: tag, ...rest }));
  };
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      return format({ ...cost, salt, tag: await derive(password, { ...cost, salt, tag: TAG_BYTES }) });
    },
    async verify(password, hash) {
      const known = hash === undefined ? undefined : parse(hash);
      const { tag, ...asked } = known ?? { ...cost, salt: Buffer.alloc(SALT_BYTES), tag: Buffer.alloc(TAG_BYTES) };
      const derived = await derive(password, { ...asked, tag: tag.length });
      return timingSafeEqual(derived, tag) && known !== undefined;
    },
  };
}

interface Hash {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');

function format({ memory, passes, parallelism, salt, tag }: Hash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`;
}

function parse(hash: string): Hash | undefined {
  const [, memory, passes, parallelism, salt = '', tag = ''] =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash) ?? [];
  if (memory === undefined) return undefined;
  const numbers = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  return { ...numbers, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') };
}
