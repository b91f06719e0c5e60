import path from 'node:path';
import type { SettingValues } from './settings.ts';

/** Where uploaded files are stored, and which can be uploaded. */
export interface FileConfig {
  readonly store: { readonly kind: 'folder'; readonly folder: string } | ({ readonly kind: 's3' } & S3Config);
  readonly maxBytes: number;
  /** In lower case; `*` at the end of one stands for any ending. */
  readonly contentTypes: readonly string[];
  /** How long a URL works. */
  readonly urlSeconds: number;
}

/** A bucket in Amazon S3 or a compatible store. */
export interface S3Config {
  readonly bucket: string;
  /** Undefined for Amazon S3. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** Undefined for AWS's usual sources. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

/** Returns the configuration of files. Adds settings that contradict each other to `problems`. */
export function fileConfig(values: SettingValues, problems: string[]): FileConfig {
  const { FILES_S3_BUCKET: bucket, FILES_S3_ACCESS_KEY_ID: id, FILES_S3_SECRET_ACCESS_KEY: secret } = values;
  if ((id === undefined) !== (secret === undefined)) {
    problems.push('FILES_S3_ACCESS_KEY_ID and FILES_S3_SECRET_ACCESS_KEY must be set together');
  }
  if (bucket !== undefined && values.FILES_DIR !== undefined) {
    problems.push('FILES_S3_BUCKET and FILES_DIR are set; use one of them');
  }
  if (bucket === undefined && values.FILES_S3_ENDPOINT !== undefined) {
    problems.push('FILES_S3_ENDPOINT is set, but FILES_S3_BUCKET is not');
  }
  return {
    store:
      bucket === undefined
        ? { kind: 'folder', folder: values.FILES_DIR ?? path.join(values.DATA_DIR ?? '', 'files') }
        : {
            kind: 's3',
            bucket,
            endpoint: values.FILES_S3_ENDPOINT,
            region: values.FILES_S3_REGION,
            credentials:
              id === undefined || secret === undefined ? undefined : { accessKeyId: id, secretAccessKey: secret },
          },
    maxBytes: values.FILES_MAX_BYTES,
    contentTypes: values.FILES_CONTENT_TYPES,
    urlSeconds: values.FILES_URL_SECONDS,
  };
}
