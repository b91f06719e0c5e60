import { afterAll, beforeAll } from 'vitest';
import { type Listening, listen } from './listen.ts';
import { startTestApp, type TestApp, type TestAppOptions } from './start-app.ts';

/** An installation that serves over HTTP. */
export interface UsedServer {
  readonly app: TestApp;
  readonly server: Listening;
}

/** Serves an installation for the tests of a file or a group. */
export function useServer(env: Record<string, string> = {}, options: TestAppOptions = {}): UsedServer {
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    app = await startTestApp(env, options);
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });
  return {
    get app() {
      return app;
    },
    get server() {
      return server;
    },
  };
}
