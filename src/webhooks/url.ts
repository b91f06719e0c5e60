import { badInput } from '../lib/errors.ts';
import { PrivateAddressError, resolveHost } from './addresses.ts';

const MAX_URL = 2_000;

/**
 * Checks the URL of a webhook. A host that cannot be resolved is accepted: it may exist later, and each attempt checks it.
 * @param allowPrivate whether receivers may be in private networks, and be reached without TLS
 * @returns the URL in its canonical form
 * @throws {AppError} BAD_USER_INPUT
 */
export async function validUrl(text: string, allowPrivate: boolean): Promise<string> {
  if (text.length > MAX_URL || !URL.canParse(text)) {
    throw badInput(
      'url',
      `A webhook needs a URL of at most ${MAX_URL} characters, such as https://example.com/webhooks`,
    );
  }
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && allowPrivate)) {
    throw badInput(
      'url',
      'The URL of a webhook must begin with https://. With WEBHOOK_PRIVATE_NETWORKS=true, http:// is allowed too.',
    );
  }
  if (url.username || url.password) {
    throw badInput('url', 'The URL of a webhook must not contain a user or password. Verify the signature instead.');
  }
  url.hash = '';
  try {
    await resolveHost(url, allowPrivate);
  } catch (error) {
    if (error instanceof PrivateAddressError) throw badInput('url', error.message);
  }
  return url.href;
}
