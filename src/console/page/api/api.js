import { documents } from './documents.js';
import { readEvents } from './events.js';
import { Problem, UNREACHABLE } from './problem.js';

/** @import { Answers, Api, Operation, Session, Sessions } from '../types.d.ts' */

/**
 * @param {string} url of the GraphQL API
 * @param {Sessions} sessions
 * @param {boolean} sendIds whether operations are named by their ids, because the server accepts no other documents
 * @returns {Api}
 */
export function createApi(url, sessions, sendIds) {
  /** @type {Promise<void> | undefined} */
  let refreshing;

  /**
   * @param {Operation} operation
   * @param {object} variables
   * @param {string | undefined} token
   * @param {AbortSignal | undefined} signal
   * @param {string} accept
   */
  async function send(operation, variables, token, signal, accept) {
    const id = { extensions: { persistedQuery: { version: 1, sha256Hash: `console:${operation}` } } };
    const body = JSON.stringify({ ...(sendIds ? id : { query: documents[operation] }), variables });
    const headers = { 'content-type': 'application/json', accept, ...(token && { authorization: `Bearer ${token}` }) };
    try {
      return await fetch(url, { method: 'POST', headers, body, signal: signal ?? null });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw unreachable(operation);
    }
  }

  /**
   * @template {Operation} O
   * @param {O} operation
   * @param {object} variables
   * @param {string} [token]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Answers[O]>}
   */
  async function request(operation, variables, token, signal) {
    const response = await send(operation, variables, token, signal, 'application/json');
    return resultOf(await bodyOf(response, operation));
  }

  /**
   * Replaces a token that has expired. Rejects if that is impossible.
   * @param {Session} session
   */
  async function refresh(session) {
    try {
      const answer = await request('refresh', { token: session.refreshToken });
      const { token, refreshToken } = answer.refreshToken;
      // Unless somebody has signed out meanwhile.
      if (sessions.current() === session) sessions.renew({ ...session, token, refreshToken });
    } finally {
      refreshing = undefined;
    }
  }

  /**
   * Runs `work` with a token. If the token is refused, it is replaced, or somebody signs in again, and `work` starts again.
   * @template T
   * @param {boolean} mayWait false: reject instead of waiting until somebody has signed in
   * @param {(token: string | undefined) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async function withToken(mayWait, work) {
    for (let tries = 0; ; tries += 1) {
      const session = sessions.current();
      try {
        if (sessions.hasExpired()) throw new Problem('The session has ended.', { code: 'UNAUTHENTICATED' });
        return await work(session?.token);
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'UNAUTHENTICATED' || !session) throw error;
        if (session.refreshToken && tries === 0 && !sessions.hasExpired()) {
          // Another request may have replaced the token meanwhile.
          if (sessions.current()?.token !== session.token) continue;
          refreshing ??= refresh(session);
          const failure = await refreshing.catch((reason) => reason);
          if (failure === undefined) continue;
          if (failure.code !== 'UNAUTHENTICATED') throw failure;
        }
        sessions.expire();
        if (!mayWait) throw error;
        await sessions.next();
        tries = -1;
      }
    }
  }

  return {
    sessions,
    viewerOf: (token) => request('viewer', {}, token),
    ask(operation, variables = {}, signal) {
      if (operation === 'signIn' || operation === 'signOut') return request(operation, variables, undefined, signal);
      // A change is not carried out with the rights of somebody who has signed in meanwhile.
      return withToken(!isChange(operation), (token) => request(operation, variables, token, signal));
    },
    async *subscribe(operation, variables, signal, onOpen) {
      const response = await withToken(true, async (token) => {
        const answer = await send(operation, variables, token, signal, 'text/event-stream');
        // Whether the token is refused is known only now.
        if (!answer.headers.get('content-type')?.startsWith('text/event-stream'))
          resultOf(await bodyOf(answer, operation));
        return answer;
      });
      onOpen();
      for await (const { event, data } of readEvents(response, signal)) {
        if (event === 'complete') return;
        if (event === 'next') yield resultOf(JSON.parse(data));
      }
      throw new Problem('The connection was lost.', { code: UNREACHABLE });
    },
  };
}

/**
 * Operations that change nothing that a person could look at.
 * @type {readonly Operation[]}
 */
const ofSession = ['signIn', 'refresh', 'signOut', 'viewer'];

/**
 * Nobody knows whether the server has carried out a change that it did not answer.
 * @param {Operation} operation
 */
function unreachable(operation) {
  const after = isChange(operation)
    ? ' Look whether the change was made before you try again.'
    : ' The page tries again by itself.';
  const advice = ofSession.includes(operation) ? '' : after;
  return new Problem(`The server has not answered.${advice}`, { code: UNREACHABLE });
}

/** @param {Operation} operation */
function isChange(operation) {
  return documents[operation].startsWith('mutation');
}

/** What a proxy answers while the server behind it is restarted. */
const gatewayStatuses = [502, 503, 504];

/**
 * @param {Response} response
 * @param {Operation} operation
 */
async function bodyOf(response, operation) {
  const text = await response.text().catch(() => {
    throw unreachable(operation);
  });
  try {
    return JSON.parse(text);
  } catch {
    if (gatewayStatuses.includes(response.status)) throw unreachable(operation);
    throw new Problem(`The server answered with status ${response.status}: ${text.slice(0, 200)}`);
  }
}

/**
 * @param {{ data?: any, errors?: { message: string, extensions?: object }[] }} result
 * @throws {Problem}
 */
function resultOf({ data, errors }) {
  const [error] = errors ?? [];
  if (error) throw new Problem(error.message, error.extensions);
  return data;
}
