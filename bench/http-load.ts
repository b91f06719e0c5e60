import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { productsQuery } from './tenants.ts';

/** A stream of requests to one server. */
export interface Load {
  /** Sends requests for some milliseconds; gives how many a second were answered. */
  run(ms: number): Promise<number>;
  close(): void;
}

const body = JSON.stringify({ query: productsQuery });

/**
 * Prepares the query for `products`, over connections that are kept open, each sending the next request when the last was
 * answered. The tokens are used in turn.
 * @throws {Error} from `run`, if anything but ten products is answered
 */
export function prepareLoad(url: string, tokens: readonly string[], connections: number): Load {
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
          const answer = await send(url, agent, headers[next++ % headers.length] ?? {});
          if (answer.split('"price"').length !== 11) throw new Error(`${url} answered: ${answer}`);
          answered += 1;
        }
      };
      await Promise.all(Array.from({ length: connections }, work));
      return answered / ((performance.now() - start) / 1000);
    },
    close: () => agent.destroy(),
  };
}

function send(url: string, agent: Agent, headers: OutgoingHttpHeaders): Promise<string> {
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
