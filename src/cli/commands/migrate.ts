import type { Command } from 'commander';
import type { CommandContext } from '../ui/terminal.ts';
import { addFileCommands } from './migrate-files.ts';
import { addNewCommands } from './migrate-new.ts';
import { addRunCommands } from './migrate-run.ts';
import { addStatusCommands } from './migrate-status.ts';
import { addDownCommand, addUpCommand } from './migrate-up.ts';

/** `tenantry migrate …`: everything about migrations. */
export function addMigrateCommand(program: Command, context: CommandContext): void {
  const migrate = program.command('migrate').description('Plan, apply, follow and revert migrations');
  addUpCommand(migrate, context);
  addDownCommand(migrate, context);
  addNewCommands(migrate, context);
  addFileCommands(migrate, context);
  addStatusCommands(migrate, context);
  addRunCommands(migrate, context);
}
