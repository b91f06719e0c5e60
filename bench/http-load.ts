import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { productsQuery } from './tenants.ts';

/** A stream of requests to one server. */
export interface Load {
  /** Sends requests for `ms` milliseconds. Returns the answers per second. */
  run(ms: number): Promise<number>;
  close(): void;
}

/** A query, and what its answer contains how often. */
export interface LoadQuery {
  readonly query: string;
  readonly sign: string;
  readonly count: number;
}

const products: LoadQuery = { query: productsQuery, sign: '"price"', count: 10 };

/**
 * Prepares a load of queries over keep-alive connections. Each connection sends its next request after the answer to the
 * last one. Requests use the tokens in turn.
 * @param asked the query; by default ten products
 * @throws {Error} from `run`, if an answer is not the expected one
 */
export function prepareLoad(
  url: string,
  tokens: readonly string[],
  connections: number,
  { query, sign, count }: LoadQuery = products,
): Load {
  const body = JSON.stringify({ query });
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const headers = tokens.map((token) => ({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    authorization: `Bearer ${token}`,
  }));
  let next = 0;
  return {
    async run(ms) {
      const start = performance.now();
      let answered = 0;
      const work = async () => {
        while (performance.now() - start < ms) {
          const answer = await send(url, agent, headers[next++ % headers.length] ?? {}, body);
          if (answer.split(sign).length !== count + 1) throw new Error(`${url} answered: ${answer}`);
          answered += 1;
        }
      };
      await Promise.all(Array.from({ length: connections }, work));
      return answered / ((performance.now() - start) / 1000);
    },
    close: () => agent.destroy(),
  };
}

function send(url: string, agent: Agent, headers: OutgoingHttpHeaders, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
