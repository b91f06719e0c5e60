import {
  isConnectionFailure,
  isNullCharacter,
  isTransient,
  sqlState,
  sqlStateOf,
} from '../postgres/sql/error-codes.ts';

/** What a client is told of an error of PostgreSQL that it can do something about. */
export interface DatabaseRefusal {
  readonly code: 'SERVER_BUSY' | 'BAD_USER_INPUT';
  readonly message: string;
  /** When it is worth another try; undefined if the same request will fail again. */
  readonly retryAfterMs?: number;
}

const tooLong: DatabaseRefusal = {
  code: 'SERVER_BUSY',
  message:
    'The database stopped this, for it took too long. Ask for less, such as a smaller page or a narrower filter, or try again later.',
  retryAfterMs: 5000,
};

/**
 * What to tell a client of an error that PostgreSQL sent, in words of our own: PostgreSQL's may show what others stored.
 * A statement that was cancelled counts as SERVER_BUSY: whether it asked for too much or waited for others, nobody can tell.
 * @returns undefined for an error that is ours to mend
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function refusalOf(error: unknown): DatabaseRefusal | undefined {
  if (isNullCharacter(error)) {
    return { code: 'BAD_USER_INPUT', message: 'A text holds the character U+0000, which cannot be stored' };
  }
  if (isConnectionFailure(error)) {
    return {
      code: 'SERVER_BUSY',
      message: 'The database cannot be reached at present. Try again in a moment.',
      retryAfterMs: 1000,
    };
  }
  const state = sqlStateOf(error);
  switch (state) {
    case sqlState.queryCanceled:
    case sqlState.transactionTimeout:
    case sqlState.idleInTransactionTimeout:
      return tooLong;
    case sqlState.configurationLimitExceeded:
      return {
        code: 'BAD_USER_INPUT',
        message: 'This needs more temporary space than a request may use. Ask for less, or sort and filter otherwise.',
      };
    default:
      if (isTransient(error)) {
        return {
          code: 'SERVER_BUSY',
          message: 'This collided with another request. Try again.',
          retryAfterMs: 1000,
        };
      }
  }
  switch (state?.slice(0, 2)) {
    case '22':
      return {
        code: 'BAD_USER_INPUT',
        message: 'A value has a form or a size that the database cannot take. Check the arguments.',
      };
    case '53':
      return {
        code: 'SERVER_BUSY',
        message: 'The database is short of memory or disk space. Try again later.',
        retryAfterMs: 5000,
      };
    case '54':
      return {
        code: 'BAD_USER_INPUT',
        message: 'This is too large or too complex for the database. Send shorter values, or ask for less.',
      };
    default:
      return undefined;
  }
}
