import type { Services } from '../../installation/services.ts';
import type { Route } from './use-routes.ts';

/**
 * Serves `/health/ready` for load balancers: 200 if requests can be served, 503 if `auth` cannot be reached or the
 * server is stopping. (`/health/live` is Yoga's own: 200 as long as the process responds.)
 */
export function readinessRoute(services: Services): Route {
  return async (_request, fetchAPI) => {
    const { status } = services.stopping.aborted ? { status: 'DOWN' as const } : await services.health();
    return fetchAPI.Response.json({ status }, { status: status === 'DOWN' ? 503 : 200 });
  };
}
