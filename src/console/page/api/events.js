/**
 * Reads a stream of server-sent events.
 * @param {Response} response
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{ event: string, data: string }>}
 */
export async function* readEvents({ body }, signal) {
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) yield parse(part);
    }
  } catch (error) {
    // The connection was lost. Whoever reads learns that from the end of the events.
    if (signal.aborted) throw error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** @param {string} text */
function parse(text) {
  const fields = { event: '', data: '' };
  for (const line of text.split('\n')) {
    if (line.startsWith('event:')) fields.event = line.slice(6).trim();
    else if (line.startsWith('data:')) fields.data += line.slice(5).trim();
  }
  return fields;
}
