import { WebSocket } from 'ws';

/**
 * Opens a WebSocket and sends a message, and the others after its answer. Returns the code with which it is closed, or the
 * status with which it is refused.
 */
export function webSocketOutcome(
  url: string,
  messages: readonly string[],
  protocol = 'graphql-transport-ws',
): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocol);
    const [first, ...others] = messages;
    socket.on('open', () => first !== undefined && socket.send(first));
    // The answer to the first message.
    socket.once('message', () => {
      for (const message of others) socket.send(message);
    });
    socket.on('close', resolve);
    socket.on('error', reject);
    socket.on('unexpected-response', (_request, { statusCode }) => resolve(statusCode ?? 0));
  });
}
