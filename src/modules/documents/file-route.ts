import type { ModuleRoute } from '../../platform.ts';
import { sendDownload } from './download.ts';
import { PREFIX } from './file-urls.ts';
import { Transfers } from './transfers.ts';
import { receiveUpload } from './upload.ts';

/** Creates the handler of uploads and downloads. Their URLs are signed, so no token is needed. */
export function createFileRoute(): ModuleRoute {
  const transfers = new Transfers();
  return {
    prefix: PREFIX,
    methods: ['GET', 'HEAD', 'PUT'],
    handle: (request) =>
      request.incoming.method === 'PUT' ? receiveUpload(request, transfers) : sendDownload(request, transfers),
  };
}
