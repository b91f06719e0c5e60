import type { Route } from '../api/plugins/use-routes.ts';
import { type Asset, type Assets, readAssets } from './assets.ts';

/** How long browsers may keep a file: its address changes when it does. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

/**
 * Lets the page load files and data only from its own server, and run only scripts that are files. No other page may show
 * it in a frame.
 * @see https://www.w3.org/TR/CSP3/
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const commonHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/** How the page names its operations to the API: by their text, or by their ids in the persisted documents. */
export type DocumentForm = 'texts' | 'ids';

/**
 * The routes of the console: its page at `/console`, and the files that the page loads. Each file has a route of its own, so
 * other addresses do not exist.
 */
export async function consoleRoutes(documents: DocumentForm): Promise<Readonly<Record<string, Route>>> {
  const assets = await readAssets();
  const base = `console/${assets.version}`;
  const files = [...assets.files].map(([name, asset]) => [`/${base}/${name}`, fileRoute(asset)]);
  const page = pageRoute(htmlOf(assets, base, documents));
  // Without a slash at its end, the addresses in the page are relative to the server's root, also behind a proxy's prefix.
  const redirect = answer(null, { location: '../console' }, 308);
  return { ...Object.fromEntries(files), '/console': page, '/console/': redirect };
}

function pageRoute(html: string): Route {
  return answer(html, {
    ...commonHeaders,
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'content-security-policy': contentSecurityPolicy,
    'cross-origin-opener-policy': 'same-origin',
    'x-frame-options': 'DENY',
  });
}

function fileRoute({ type, body }: Asset): Route {
  return answer(body, { ...commonHeaders, 'content-type': type, 'cache-control': IMMUTABLE });
}

function answer(body: string | Uint8Array<ArrayBuffer> | null, headers: Record<string, string>, status = 200): Route {
  return ({ method }, { Response }) => {
    if (method !== 'GET' && method !== 'HEAD')
      return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } });
    return new Response(method === 'HEAD' ? null : body, { status, headers });
  };
}

function htmlOf({ files }: Assets, base: string, documents: DocumentForm): string {
  // Loaded at once instead of one level of imports after another.
  const modules = [...files.keys()].filter((name) => name.endsWith('.js') && name !== 'main.js');
  const preloads = modules.map((name) => `<link rel="modulepreload" href="${base}/${name}">`);
  return `<!doctype html>
<html lang="en" data-documents="${documents}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tenantry</title>
<link rel="icon" type="image/svg+xml" href="${base}/icon.svg">
<link rel="stylesheet" href="${base}/style.css">
${preloads.join('\n')}
<script type="module" src="${base}/main.js"></script>
</head>
<body>
<div id="app"></div>
<noscript>The console needs JavaScript. The command line does the same: tenantry --help.</noscript>
</body>
</html>
`;
}
