import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import type { Leftover } from '../../doctor/leftover.ts';
import { openApp } from '../open-app.ts';
import { openServers } from '../open-servers.ts';
import { describeTypos } from '../typos.ts';
import { Checklist, checkNode } from '../ui/checklist.ts';
import { type CommandContext, CommandExit, exitCode } from '../ui/terminal.ts';

interface DoctorOptions {
  readonly fix?: true;
  readonly yes?: true;
}

/** `tenantry doctor`: finds and fixes problems. */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('doctor')
    .description(
      'Check the installation and look for leftovers; changes nothing without --fix, and exits with 1 if it finds a problem',
    )
    .option('--fix', 'fix what can be fixed without losing data, after asking')
    .option('--yes', 'with --fix: do not ask');
  command.action(async ({ fix, yes }: DoctorOptions) => {
    if (yes && !fix) command.error('error: --yes needs --fix');
    if (fix && !yes && !context.stdin.isTTY) command.error('error: there is no terminal to ask; use --yes');
    const { loadUsableConfig } = await import('../../config/usable-config.ts');
    const list = new Checklist(context);
    checkNode(list);
    for (const text of await describeTypos(context.fileNames)) list.doubt(text);
    const config = await loadUsableConfig(context.env);
    list.good(`The settings are valid (${config.environment})`);
    const fixable = list.problems === 0 ? await look(config, list) : [];
    let { problems } = list;
    if (fix && fixable.length > 0 && (yes || (await confirm(context, fixable.length)))) {
      problems = await fixAndRecheck(context, config, fixable);
    }
    if (problems > 0) throw new CommandExit(exitCode.failure);
    context.stdout.write(list.doubts > 0 ? 'All else is well.\n' : 'All is well.\n');
  });
}

/** @returns the problems that can be fixed */
async function look(config: Config, list: Checklist): Promise<readonly Leftover[]> {
  await using stack = new AsyncDisposableStack();
  const place = await openServers(config, list, stack);
  if (!place) return [];
  const { findLeftovers } = await import('../../doctor/find-leftovers.ts');
  const { IDLE_LOCK_SECONDS } = await import('../../doctor/leftover.ts');
  const found = await findLeftovers({
    ...place,
    databases: config.databases,
    bounds: config.connections.tenantBounds,
    idleLockSeconds: IDLE_LOCK_SECONDS,
  });
  for (const { message, remedy } of found) list.bad(message, remedy);
  if (found.length === 0) list.good('There are no leftovers');
  return found.filter(({ fix }) => fix !== undefined);
}

/** @returns the number of remaining problems */
async function fixAndRecheck(context: CommandContext, config: Config, fixable: readonly Leftover[]): Promise<number> {
  await fixAll(context, fixable);
  context.stdout.write('\nChecking again:\n');
  const list = new Checklist(context);
  await look(config, list);
  return list.problems;
}

async function fixAll(context: CommandContext, fixable: readonly Leftover[]): Promise<void> {
  const { audited } = await import('../audit-command.ts');
  await using app = await openApp(context);
  const { services, prepared } = app;
  await audited(context, services, async () => {
    // Opening the installation finishes half-created tenants and interrupted work.
    await prepared;
    for (const { fix, message } of fixable) {
      if (fix === undefined) continue;
      if (fix !== 'start') {
        const server = services.servers.get(fix.server);
        if (!server) continue;
        for (const database of fix.databases) {
          await server.owner(database, (client) => client.query(fix.sql));
        }
      }
      context.stdout.write(`Fixed: ${message}\n`);
    }
  });
}

async function confirm(context: CommandContext, count: number): Promise<boolean> {
  const { withPrompt } = await import('../ui/prompt.ts');
  const question = `Fix ${count === 1 ? 'the problem' : `the ${count} problems`} that can be fixed? [y/N] `;
  const answer = await withPrompt(context, false, (ask) => ask(question));
  return /^y(es)?$/i.test(answer.trim());
}
