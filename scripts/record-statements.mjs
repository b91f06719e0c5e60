/**
 * Preloaded by record-installation.ts: writes every statement that succeeds, and the end of every connection, as a line
 * of JSON to the file that RECORD_STATEMENTS names.
 */
import { appendFileSync } from 'node:fs';
import pg from 'pg';
import utils from 'pg/lib/utils.js';

const file = process.env.RECORD_STATEMENTS;
const write = (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`);
const numbers = new Map();

function numberOf(client) {
  if (!numbers.has(client)) numbers.set(client, `${process.pid}.${numbers.size}`);
  return numbers.get(client);
}

/** Whether it changes nothing. A text of several statements may end with others. */
function isRead(text) {
  return (
    /^\s*(?:SELECT|SHOW|LISTEN|UNLISTEN|TABLE)\b[^;]*;?\s*$/i.test(text) && !/\b(?:set_config|nextval)\b/i.test(text)
  );
}

/** The ids that PostgreSQL made up, in order; the replay makes up others, and writes those into what follows. */
function madeUp(results) {
  return JSON.stringify([results].flat().map(({ rows }) => rows)).match(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g);
}

const { query, end } = pg.Client.prototype;

/** Records the statements of a query that sends them by itself, once all have succeeded. */
function recordPipeline(client, pipeline) {
  const entries = [];
  const { submit, handleError, handleReadyForQuery } = pipeline;
  let failed = false;
  pipeline.submit = function (connection) {
    const { parse, bind } = connection;
    connection.parse = function (statement, ...more) {
      entries.push({ client: numberOf(client), database: client.database, text: statement.text });
      return parse.call(this, statement, ...more);
    };
    connection.bind = function (parameters, ...more) {
      const given = parameters?.values ?? [];
      if (given.length > 0 && entries.length > 0)
        entries.at(-1).values = given.map((value) => utils.prepareValue(value));
      return bind.call(this, parameters, ...more);
    };
    try {
      return submit.call(this, connection);
    } finally {
      delete connection.parse;
      delete connection.bind;
    }
  };
  pipeline.handleError = function (...args) {
    failed = true;
    return handleError.apply(this, args);
  };
  pipeline.handleReadyForQuery = function (...args) {
    if (!failed) for (const entry of entries.filter(({ text }) => !isRead(text))) write(entry);
    return handleReadyForQuery.apply(this, args);
  };
}

pg.Client.prototype.query = function (config, values, callback) {
  if (typeof config?.submit === 'function' && !(config instanceof pg.Query)) recordPipeline(this, config);
  const sent = query.call(this, config, values, callback);
  const text = typeof config === 'string' ? config : config?.text;
  if (typeof text !== 'string' || typeof config?.submit === 'function' || isRead(text)) return sent;
  const given = (Array.isArray(values) ? values : config.values) ?? [];
  const entry = { client: numberOf(this), database: this.database, text };
  if (given.length > 0) entry.values = given.map((value) => utils.prepareValue(value));
  // Callers that pass a callback get no promise; the recorded versions never do.
  if (typeof sent?.then === 'function') {
    sent.then(
      (results) => {
        const ids = madeUp(results);
        write({ ...entry, ...(ids && { ids }) });
      },
      () => undefined,
    );
  }
  return sent;
};

pg.Client.prototype.end = function (...args) {
  if (numbers.has(this)) write({ client: numberOf(this), end: true });
  return end.apply(this, args);
};
