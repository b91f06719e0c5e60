/**
 * PostGraphile as its manual sets it up: Grafserv on node:http, a token that is verified with jose, and the role of the
 * request in pgSettings. It is copied into the folder where PostGraphile is installed.
 */
import { createServer } from 'node:http';
import { jwtVerify } from 'jose';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';

const { PEER_DATABASE_URL, PEER_SCHEMA, PEER_ROLE, JWT_SECRET, HOST, PORT } = process.env;
const key = new TextEncoder().encode(JWT_SECRET);

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: PEER_DATABASE_URL, schemas: [PEER_SCHEMA] })],
  grafserv: { graphiql: false, watch: false },
  grafast: {
    async context(requestContext) {
      const token = requestContext.node?.req.headers.authorization?.replace('Bearer ', '') ?? '';
      await jwtVerify(token, key, { algorithms: ['HS256'], clockTolerance: 5 });
      return { pgSettings: { role: PEER_ROLE } };
    },
  },
};

const server = createServer();
const peer = postgraphile(preset).createServ(grafserv);
await peer.ready();
await peer.addTo(server);
// The benchmark waits for this path.
const [graphql] = server.listeners('request');
server.removeAllListeners('request');
server.on('request', (request, response) => {
  if (request.url === '/health/ready') response.end('{}');
  else graphql(request, response);
});
server.listen(Number(PORT), HOST);
