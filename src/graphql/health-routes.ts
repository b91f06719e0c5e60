import type { Plugin } from 'graphql-yoga';
import type { Services } from '../services.ts';

/**
 * `/health/ready` for load balancers: 200 if requests can be answered, 503 if `auth` cannot be reached or the server is
 * stopping. (`/health/live` is Yoga's own: 200 as long as the process answers.)
 */
export function healthRoutes(services: Services): Plugin {
  return {
    async onRequest({ url, endResponse, fetchAPI }) {
      if (url.pathname !== '/health/ready') return;
      const { status } = services.stopping.aborted ? { status: 'DOWN' as const } : await services.health();
      endResponse(fetchAPI.Response.json({ status }, { status: status === 'DOWN' ? 503 : 200 }));
    },
  };
}
