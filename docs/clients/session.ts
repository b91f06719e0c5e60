/** What login and refreshToken answer. */
export interface Tokens {
  readonly token: string;
  readonly refreshToken: string;
}

/**
 * A signed-in user. After a 401, the tokens are refreshed once for all requests that are waiting, and each request is sent
 * again.
 */
export class Session {
  #tokens: Tokens;
  #refresh: Promise<void> | undefined;

  readonly url: string;

  constructor(url: string, tokens: Tokens) {
    this.url = url;
    this.#tokens = tokens;
  }

  static async login(url: string, input: { email: string; password: string; tenant?: string }): Promise<Session> {
    const query = 'mutation ($input: LoginInput!) { tokens: login(input: $input) { token refreshToken } }';
    return new Session(url, await requestTokens(url, query, { input }));
  }

  get token(): string {
    return this.#tokens.token;
  }

  /** Pass this to a GraphQL client in place of the global `fetch`. */
  readonly fetch: typeof fetch = async (input, init) => {
    const used = this.token;
    const response = await this.#send(input, init);
    if (response.status !== 401) return response;
    // Another request may have refreshed the tokens already.
    if (used === this.token) await this.refresh();
    return this.#send(input, init);
  };

  /** Requests new tokens. Calls at the same time share one request. */
  refresh(): Promise<void> {
    this.#refresh ??= this.#requestRefresh().finally(() => {
      this.#refresh = undefined;
    });
    return this.#refresh;
  }

  async #requestRefresh(): Promise<void> {
    const query = 'mutation ($token: String!) { tokens: refreshToken(refreshToken: $token) { token refreshToken } }';
    this.#tokens = await requestTokens(this.url, query, { token: this.#tokens.refreshToken });
  }

  #send(input: Parameters<typeof fetch>[0], init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.token}`);
    return fetch(input, { ...init, headers });
  }
}

async function requestTokens(url: string, query: string, variables: object): Promise<Tokens> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as Answer;
  // The refresh token is invalid too, so the user has to sign in again.
  if (!data) throw new Error(errors?.[0]?.message ?? 'Signing in failed');
  return data.tokens;
}

interface Answer {
  readonly data?: { readonly tokens: Tokens } | null;
  readonly errors?: readonly { readonly message: string }[];
}
