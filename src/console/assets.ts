import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** A file that browsers get. */
export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The files of the console's page. */
export interface Assets {
  /** By the name in the page's folder, such as `fleet/draw.js`. */
  readonly files: ReadonlyMap<string, Asset>;
  /** Changes whenever a file does. */
  readonly version: string;
}

const folder = path.join(import.meta.dirname, 'page');

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The packages that the page uses, by their names in its folder. */
const packages = { 'vendor/preact.js': 'preact', 'vendor/hooks.js': 'preact/hooks', 'vendor/htm.js': 'htm' };

/** Reads all files that the page may load, once, so that no request names a path of the file system. */
export async function readAssets(): Promise<Assets> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => path.extname(name) in types).sort();
  const own = await Promise.all(
    names.map(
      async (name): Promise<[string, string]> => [
        name.replaceAll(path.sep, '/'),
        await readFile(path.join(folder, name), 'utf8'),
      ],
    ),
  );
  const foreign = await Promise.all(
    Object.entries(packages).map(async ([name, id]): Promise<[string, string]> => [name, await readPackage(id)]),
  );
  const hash = createHash('sha256');
  const files = new Map<string, Asset>();
  for (const [name, text] of [...own, ...foreign]) {
    hash.update(`${name}\0${text}\0`);
    files.set(name, { type: types[path.extname(name)] ?? '', body: Uint8Array.from(Buffer.from(text)) });
  }
  return { files, version: hash.digest('hex').slice(0, 16) };
}

/**
 * Reads the ES module of a package. Its imports of Preact become relative, because browsers know no packages.
 * @throws {Error} if it imports anything else
 */
async function readPackage(id: string): Promise<string> {
  const text = await readFile(new URL(import.meta.resolve(id)), 'utf8');
  const module = text
    .replaceAll(/from ?"preact"/g, 'from"./preact.js"')
    .replaceAll(/^\/\/# sourceMappingURL=.*$/gm, '');
  if (/\bfrom ?["'](?!\.\/preact\.js)/.test(module))
    throw new Error(`The package ${id} imports what the console does not serve`);
  return module;
}
