import { z } from 'zod';
import { contentTypes, integer, type Setting, url } from './setting-types.ts';

/** The settings of files that tenants upload. */
export const fileSettings = {
  FILES_DIR: {
    schema: z.string(),
    absent: 'the folder files in DATA_DIR',
    meaning: 'folder of uploaded files, which all processes must share; not used with FILES_S3_BUCKET',
  },
  FILES_MAX_BYTES: {
    schema: integer(1, 5_000_000_000),
    default: '100000000',
    meaning: 'maximum size of an uploaded file, in bytes',
  },
  FILES_CONTENT_TYPES: {
    schema: contentTypes,
    default:
      'application/pdf,application/json,application/zip,application/msword,application/vnd.*,text/plain,text/csv,text/markdown,image/*,audio/*,video/*',
    meaning: 'content types of files that can be uploaded, separated by commas; * at the end stands for any ending',
  },
  FILES_URL_SECONDS: {
    schema: integer(1, 86_400),
    default: '300',
    meaning: 'how long a URL for an upload or a download works, in seconds',
  },
  FILES_S3_BUCKET: {
    schema: z.string(),
    absent: 'files are stored in FILES_DIR',
    meaning: 'bucket of uploaded files, in Amazon S3 or a compatible store',
  },
  FILES_S3_ENDPOINT: {
    schema: url('http:', 'https:'),
    absent: 'Amazon S3',
    meaning: 'URL of a store that is compatible with S3',
  },
  FILES_S3_REGION: { schema: z.string(), default: 'us-east-1', meaning: 'region of the bucket' },
  FILES_S3_ACCESS_KEY_ID: {
    schema: z.string(),
    absent: 'AWS’s usual sources, such as the role of the machine',
    meaning: 'access key of the bucket; set it together with FILES_S3_SECRET_ACCESS_KEY',
  },
  FILES_S3_SECRET_ACCESS_KEY: {
    schema: z.string(),
    absent: 'see FILES_S3_ACCESS_KEY_ID',
    meaning: 'secret of that access key',
  },
} as const satisfies Record<string, Setting>;
