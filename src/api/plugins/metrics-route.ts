import { mayReadMetrics } from '../../monitoring/access.ts';
import type { Route } from './use-routes.ts';

/** The metrics, as the server's own port shows them. */
export interface MetricsPage {
  /** Returns them in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
  /** See {@link mayReadMetrics}. */
  readonly token: string | undefined;
}

/** Serves `/metrics`. */
export function metricsRoute({ text, contentType, token }: MetricsPage): Route {
  return async ({ headers }, { Response }) => {
    if (!mayReadMetrics(headers.get('authorization'), token)) {
      return new Response('Send METRICS_TOKEN as a bearer token.\n', {
        status: 401,
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    return new Response(await text(), { headers: { 'content-type': contentType } });
  };
}
