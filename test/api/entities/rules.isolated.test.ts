import { defineEntity, p } from '@mikro-orm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Product } from '../../../src/installation/product.ts';
import {
  AppError,
  builder,
  createField,
  deleteField,
  entityType,
  listField,
  loadEntity,
  updateField,
} from '../../../src/platform.ts';
import { logStatements } from '../../../src/postgres/sql/log-statements.ts';
import { captureLog } from '../../support/log-lines.ts';
import { type EntityLab, startEntityLab } from './entity-lab.ts';

const id = () =>
  p
    .uuid()
    .primary()
    .onCreate(() => crypto.randomUUID());

const TeamSchema = defineEntity({
  name: 'Team',
  tableName: 'teams',
  schema: '*',
  properties: { id: id(), name: p.text(), players: () => p.oneToMany(Player).mappedBy('team') },
});

class Team extends TeamSchema.class {}

TeamSchema.setClass(Team);

const PlayerSchema = defineEntity({
  name: 'Player',
  tableName: 'players',
  schema: '*',
  properties: { id: id(), team: () => p.manyToOne(Team).ref(), number: p.integer(), name: p.text() },
});

class Player extends PlayerSchema.class {}

PlayerSchema.setClass(Player);

function addToSchema(): true {
  const members = { authScopes: { tenantMember: true } } as const;
  const TeamType = entityType(Team, { fields: { id: {}, name: {}, players: { orderBy: { number: 'ASC' } } } });
  const PlayerType = entityType(Player, { fields: { id: {}, number: {}, name: {}, team: {} } });
  const Match = builder.objectRef<{ readonly home: string; readonly guest: string }>('Match').implement({
    fields: (t) => ({
      home: t.field({
        type: TeamType.ref,
        resolve: ({ home }, _args, context, info) => loadEntity(TeamType, context, info, home),
      }),
      guest: t.field({
        type: TeamType.ref,
        nullable: true,
        resolve: ({ guest }, _args, context, info) => loadEntity(TeamType, context, info, guest),
      }),
    }),
  });
  builder.queryFields((t) => ({
    teams: listField(t, TeamType, members),
    matches: t.field({
      type: [Match],
      maxItems: 10_000,
      ...members,
      args: { teams: t.arg({ type: ['String'], required: true }) },
      resolve: (_root, { teams }) => teams.flatMap((home) => teams.map((guest) => ({ home, guest }))),
    }),
  }));
  /** A team has one to three players, and the players of a team have different names. */
  const rules = {
    ...members,
    check: async (
      em: Parameters<NonNullable<Parameters<typeof updateField<Player>>[2]['check']>>[0],
      { team }: Player,
    ) => {
      const players = await em.find(Player, { team: team.id }, { refresh: true });
      if (players.length < 1 || players.length > 3) throw new AppError('CONFLICT', `${players.length} are wrong`);
      if (new Set(players.map(({ name }) => name)).size < players.length) throw new AppError('CONFLICT', 'Twice');
    },
  };
  builder.mutationFields((t) => ({
    createTeam: createField(t, TeamType, { ...members, input: { name: {} } }),
    createPlayer: createField(t, PlayerType, {
      ...rules,
      input: { team: {}, name: {} },
      // A read through the request's own entity manager would wait forever for the pool's only connection.
      prepare: async (values, _context, _stored, em) => ({ ...values, number: 1 + (await em.count(Player)) }),
    }),
    updatePlayer: updateField(t, PlayerType, {
      ...rules,
      input: { name: {} },
      prepare: async (values, _context, stored, em) => ({
        ...values,
        name: `${values.name} ${await em.count(Player, { number: { $lte: stored?.number ?? 0 } })}`,
      }),
    }),
    deletePlayer: deleteField(t, PlayerType, rules),
  }));
  return true;
}

let added: true | undefined;

const league: Product = {
  modules: [{ entities: [TeamSchema, PlayerSchema], schema: async () => (added ??= addToSchema()) }],
  permissions: { OWNER: [], ADMIN: [], MEMBER: [] },
};

const tables = [
  'CREATE TABLE teams (id uuid PRIMARY KEY, name text NOT NULL)',
  'CREATE TABLE players (id uuid PRIMARY KEY, team_id uuid NOT NULL REFERENCES teams (id), number int NOT NULL, name text NOT NULL)',
];

describe('rules of a module', () => {
  const sent = captureLog();
  let lab: EntityLab;
  beforeAll(async () => {
    logStatements(sent.log);
    lab = await startEntityLab(league, tables, 'SCHEMA', { TENANT_POOL_SIZE: '1' });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const make = async (field: string) => {
    const { made } = await lab.ask<{ made: { id: string } }>(`mutation { made: ${field} { id } }`);
    return made.id;
  };
  const refused = async (text: string) => {
    const { message, extensions } = await lab.refused(`mutation { ${text} }`);
    return [extensions.code, message];
  };
  const playersOf = async (team: string) => {
    const sql = `SELECT number, name FROM players WHERE team_id = $1 ORDER BY number`;
    return (await lab.sql<{ number: number; name: string }>(sql, [team])).map(
      ({ number, name }) => `${number} ${name}`,
    );
  };

  it('are prepared and checked in the transaction of the change, and undo it', async () => {
    const team = await make('createTeam(input: { name: "Reds" })');
    const player = (name: string) => `createPlayer(input: { team: "${team}", name: "${name}" })`;
    const [ada = ''] = [await make(player('Ada')), await make(player('Bob'))];
    expect(await refused(`${player('Bob')} { id }`)).toEqual(['CONFLICT', 'Twice']);
    await make(player('Cy'));
    expect(await refused(`${player('Di')} { id }`)).toEqual(['CONFLICT', '4 are wrong']);
    expect(await playersOf(team)).toEqual(['1 Ada', '2 Bob', '3 Cy']);
    await make(`updatePlayer(id: "${ada}", input: { name: "Eve" })`);
    await lab.sql(`UPDATE players SET name = 'Flo 1' WHERE name = 'Bob'`);
    expect(await refused(`updatePlayer(id: "${ada}", input: { name: "Flo" }) { id }`)).toEqual(['CONFLICT', 'Twice']);
    expect(await playersOf(team)).toEqual(['1 Eve 1', '2 Flo 1', '3 Cy']);
  });

  it('are checked when an object is deleted', async () => {
    const team = await make('createTeam(input: { name: "Blues" })');
    const ids = [
      await make(`createPlayer(input: { team: "${team}", name: "Ada" })`),
      await make(`createPlayer(input: { team: "${team}", name: "Bob" })`),
    ];
    const remove = (id: string | undefined) => `deletePlayer(id: "${id}")`;
    expect(await lab.ask(`mutation { a: ${remove(ids[0])} b: ${remove(ids[0])} }`)).toEqual({ a: true, b: false });
    expect(await refused(remove(ids[1]))).toEqual(['CONFLICT', '0 are wrong']);
    expect(await playersOf(team)).toHaveLength(1);
  });

  it('entities in a list of a type that is none are read in one statement for each field', async () => {
    const teams = await Promise.all(
      Array.from({ length: 5 }, (_, index) => make(`createTeam(input: { name: "Team ${index}" })`)),
    );
    const before = sent.text().length;
    const query = `query ($teams: [String!]!, $first: Int) {
      matches(teams: $teams) { home { name } guest { id players(first: $first) { totalCount nodes { name } } } } }`;
    const { matches } = await lab.ask<{ matches: object[] }>(query, { teams, first: 2 });
    expect(matches).toHaveLength(25);
    expect(matches[7]).toEqual({
      home: { name: 'Team 1' },
      guest: { id: teams[2], players: { totalCount: 0, nodes: [] } },
    });
    expect(
      sent
        .text()
        .slice(before)
        .match(/"sql":"SELECT CASE WHEN octet_length/g),
    ).toHaveLength(2);
    const missing = { teams: [teams[0], crypto.randomUUID()], first: 1 };
    const { message, extensions } = await lab.refused(
      `query ($teams: [String!]!) { matches(teams: $teams) { home { name } } }`,
      missing,
    );
    expect(message).toBe(`There is no Team ${missing.teams[1]}`);
    expect(extensions).toMatchObject({ code: 'NOT_FOUND', field: 'id' });
    expect(await lab.refused(`{ matches(teams: ["x"]) { home { name } } }`)).toMatchObject({
      extensions: { code: 'BAD_USER_INPUT', field: 'id' },
    });
  });
});
