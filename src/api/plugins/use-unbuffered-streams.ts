import type { Plugin } from 'graphql-yoga';

/**
 * Makes nginx pass on each event of a stream at once. By default it collects them in a buffer.
 * @see https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
 */
export function useUnbufferedStreams(): Plugin {
  return {
    onResponse({ response }) {
      if (/^(text\/event-stream|multipart\/mixed)/.test(response.headers.get('content-type') ?? '')) {
        response.headers.set('x-accel-buffering', 'no');
      }
    },
  };
}
