/** Something that went wrong, in the API's own words. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ code?: string, requestId?: string, retryAfterMs?: number }} [details]
   */
  constructor(message, { code = 'INTERNAL_SERVER_ERROR', requestId, retryAfterMs } = {}) {
    super(message);
    this.code = code;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The code of a problem with the connection, which the API does not know. */
export const UNREACHABLE = 'UNREACHABLE';

/** What passes by itself, so that asking again may help. */
const temporary = [UNREACHABLE, 'SERVER_BUSY', 'TENANT_BUSY', 'RATE_LIMITED'];

/** @param {Problem} problem */
export function isTemporary({ code }) {
  return temporary.includes(code);
}

/**
 * What a person can do about a problem.
 * @param {Problem} problem
 * @returns {string}
 */
export function adviceOn({ code, requestId, retryAfterMs }) {
  switch (code) {
    case UNREACHABLE:
      return 'Check that the server runs.';
    case 'RATE_LIMITED':
    case 'SERVER_BUSY':
    case 'TENANT_BUSY':
      return `Try again in ${Math.ceil((retryAfterMs ?? 1000) / 1000)} s.`;
    case 'UNAUTHENTICATED':
      return 'Sign in again.';
    case 'FORBIDDEN':
      return 'Sign in as a platform admin.';
    case 'INTERNAL_SERVER_ERROR':
      return requestId ? `The server's log has the cause under the request id ${requestId}.` : "See the server's log.";
    default:
      return '';
  }
}

/**
 * @param {unknown} error
 * @returns {Problem}
 */
export function problemOf(error) {
  return error instanceof Problem ? error : new Problem(error instanceof Error ? error.message : String(error));
}
