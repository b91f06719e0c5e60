import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** A page in a browser for which there is no network but 127.0.0.1. */
export interface OfflinePage extends AsyncDisposable {
  readonly page: Page;
  /** Addresses outside this machine that the page asked for; they were not reached. */
  readonly outside: readonly string[];
  /** What the page reported as errors, violations of its Content-Security-Policy included. */
  readonly problems: string[];
}

/** Opens an empty page in a browser without a head. */
export async function openOfflinePage(
  executablePath: string,
  options: BrowserContextOptions = {},
): Promise<OfflinePage> {
  // Without a sandbox, which root and most containers cannot have: the only pages are our own.
  const browser = await chromium.launch({
    executablePath,
    chromiumSandbox: false,
    args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
  try {
    const context = await browser.newContext(options);
    const outside: string[] = [];
    const isOutside = ({ protocol, hostname }: URL) => /^(https?|wss?):$/.test(protocol) && hostname !== '127.0.0.1';
    context.on('request', (request) => isOutside(new URL(request.url())) && outside.push(request.url()));
    await context.route(isOutside, (route) => route.abort());
    await context.routeWebSocket(isOutside, (socket) => {
      outside.push(socket.url());
      return socket.close();
    });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(error.message));
    return { page, outside, problems, [Symbol.asyncDispose]: () => browser.close() };
  } catch (error) {
    await browser.close();
    throw error;
  }
}
