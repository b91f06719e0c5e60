# Node runs the TypeScript sources directly (type stripping), so there is no build step.
FROM node:24-slim

ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000
WORKDIR /app

# No install scripts: they only install another Node (the `node` package) and prepare the embedded
# PostgreSQL, and the image needs neither.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

COPY migrations ./migrations
COPY src ./src

# The files belong to root, so the server cannot change them.
USER node
EXPOSE 4000

HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4000/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# The option is explained in bin/tenantry.
CMD ["node", "--max-semi-space-size=64", "src/main.ts"]
